"""Layout `cifar-n`: CIFAR-10 with the crowd workers' labels of CIFAR-10N (Wei et al., ICLR 2022).

Two forms: the official files (`data_batch_1..5`, `test_batch` and `CIFAR-10_human.pt` or `.npy`), whose images are
written as PNGs into the catalog; and images as JPEGs, in `cifar10n.tar` or as files, beside `train_labels.csv` and
`test_labels.csv`. `clean` labels are the truth of both splits.
"""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, ImageLocation, plain_classes
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError, look_up
from reweigh.images.tar_members import read_members
from reweigh.layouts.content import MISSING, hash_images, hashing
from reweigh.layouts.restricted_pickle import read_pickle
from reweigh.progress import Progress, silent

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LABELS = {
    "worse": "worse_label", "aggre": "aggre_label", "random1": "random_label1", "random2": "random_label2", "random3": "random_label3",
    "clean": "clean_label",
}  # fmt: skip
"""Name of a label set -> its key in CIFAR-10_human.pt."""
DEFAULT_LABELS = "worse"
BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
HUMAN = ("CIFAR-10_human.pt", "CIFAR-10_human.npy")


def index_cifar_n(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """CIFAR-10 with one of its label sets: option `labels`, `worse` where not said. Images that are not there are counted."""
    labels = options.get("labels", DEFAULT_LABELS)
    look_up(labels, LABELS, kind="label set of CIFAR-10N")
    options = {**options, "labels": labels}
    if (source / "train_labels.csv").is_file():
        return _index_jpegs(source, output, options, progress=progress)
    return _index_official(source, output, options, progress=progress)


def is_cifar_n(source: Path) -> bool:
    """Whether the folder holds one of the two forms."""
    if not source.is_dir():
        return False
    if (source / "train_labels.csv").is_file():
        with (source / "train_labels.csv").open() as file:
            return {"clean", "worse", "aggre"} <= set(file.readline().strip().split(","))
    return any(_find(source, (name,)) for name in BATCHES[:1])


def _index_jpegs(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress) -> Catalog:
    members = {}
    if (source / "cifar10n.tar").is_file():
        members = {member.name: member for member in read_members(source / "cifar10n.tar")}
    skipped: dict[str, list[str]] = {MISSING: [], "empty file": []}

    def batches() -> Iterator[pa.RecordBatch]:
        with hashing() as pool:
            for split in ("train", "test"):
                rows = _read_rows(source / f"{split}_labels.csv", options["labels"] if split == "train" else "clean")
                places = [_place(source, members, row["file"]) for row in rows]
                skipped[MISSING] += [row["file"] for row, place in zip(rows, places, strict=True) if place is None]
                kept = [(row, place) for row, place in zip(rows, places, strict=True) if place is not None]
                found = hash_images(pool, [ImageLocation(source / p[0], p[1], p[2]) for _, p in kept])
                skipped["empty file"] += [row["file"] for (row, _), (value, _) in zip(kept, found, strict=True) if value is None]
                whole = [(row, place, value) for (row, place), (value, _) in zip(kept, found, strict=True) if value is not None]
                yield _jpeg_batch(whole, split)

    return write_catalog(
        output, batches(), plain_classes(NAMES), layout="cifar-n", options=options, root=source, with_truth=True, skipped=skipped, progress=progress
    )


def _read_rows(path: Path, labels: str) -> list[dict[str, Any]]:
    if not path.is_file():
        raise ReweighError(f"No {path.name} in {path.parent}: the JPEG form of CIFAR-10N has train_labels.csv and test_labels.csv.")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or labels not in rows[0]:
        raise ReweighError(f"{path} has no column {labels!r}; it has: {', '.join(rows[0]) if rows else 'no row'}.")
    return [{"file": row["file"], "label": int(row[labels]), "clean": int(row["clean"])} for row in rows]


def _place(source: Path, members: Mapping[str, Any], name: str) -> tuple[str, int | None, int | None] | None:
    """(file, offset, length) of an image: unpacked as a file, else in the tar; None: neither."""
    if name in members:
        return "cifar10n.tar", members[name].offset, members[name].length
    return (name, None, None) if (source / name).is_file() else None


def _jpeg_batch(rows: list[tuple[dict[str, Any], tuple[str, int | None, int | None], str]], split: str) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "uid": pa.array([row["file"] for row, _, _ in rows], pa.string()),
            "split": pa.array([split] * len(rows), pa.string()),
            "file": pa.array([place[0] for _, place, _ in rows], pa.string()),
            "offset": pa.array([place[1] for _, place, _ in rows], pa.int64()),
            "length": pa.array([place[2] for _, place, _ in rows], pa.int64()),
            "label": pa.array([row["label"] for row, _, _ in rows], pa.int32()),
            "content": pa.array([value for _, _, value in rows], pa.string()),
            "truth": pa.array([row["clean"] for row, _, _ in rows], pa.int32()),
        }
    )


def _index_official(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress) -> Catalog:
    human = _find(source, HUMAN)
    if human is None:
        raise ReweighError(f"No {' or '.join(HUMAN)} in {source} or the folders below it: CIFAR-10N's labels are not there.")
    folder = _batch_folder(source)
    labels, clean = _human_labels(human, options["labels"])
    images = output.with_name(f"{output.name}.images.partial")
    if images.exists():
        shutil.rmtree(images)
    images.mkdir(parents=True)
    try:
        return write_catalog(
            output, _official_batches(folder, images, labels, clean, progress), plain_classes(NAMES), layout="cifar-n", options=options, root=None,
            with_truth=True, progress=progress, beside={"images": images},
        )  # fmt: skip
    finally:
        shutil.rmtree(images, ignore_errors=True)


def _official_batches(
    folder: Path, images: Path, labels: NDArray[np.int64], clean: NDArray[np.int64], progress: Progress
) -> Iterator[pa.RecordBatch]:
    """Every batch's images as PNGs, its labels checked against those of CIFAR-10N."""
    start = 0
    for done, name in enumerate(BATCHES):
        progress("write PNGs", done, len(BATCHES), name)
        pixels, own = _batch(folder / name)
        split = "test" if name == "test_batch" else "train"
        given = own
        if split == "train":
            here = slice(start, start + len(own))
            if not np.array_equal(clean[here], own):
                raise ReweighError(
                    f"{folder / name}: its labels are not the clean_label of CIFAR-10N in rows {here.start}..{here.stop - 1}; "
                    "the label file is of another order (the `_ordered` file is), or of other data."
                )
            given = labels[here]
            start += len(own)
        offset = 0 if split == "test" else start - len(own)
        yield _write_pngs(images, pixels, given, own, split=split, offset=offset)
    progress("write PNGs", len(BATCHES), len(BATCHES), "")


def _write_pngs(
    images: Path, pixels: NDArray[np.uint8], given: NDArray[np.int64], truth: NDArray[np.int64], *, split: str, offset: int
) -> pa.RecordBatch:
    from PIL import Image

    (images / split).mkdir(exist_ok=True)
    names, content = [], []
    for number, image in enumerate(pixels):
        data = io.BytesIO()
        Image.fromarray(image).save(data, "PNG")
        names.append(f"{split}/{offset + number:05d}.png")
        (images / names[-1]).write_bytes(data.getvalue())
        content.append(hashlib.blake2b(data.getvalue(), digest_size=16).hexdigest())
    return pa.record_batch(
        {
            "uid": names,
            "split": [split] * len(names),
            "file": [f"images/{name}" for name in names],
            "label": pa.array(given, pa.int32()),
            "content": content,
            "truth": pa.array(truth, pa.int32()),
        }
    )


def _batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels (n, 32, 32, 3) and labels (n,) of one published batch."""
    value = read_pickle(path)
    found = {key.decode() if isinstance(key, bytes) else key: v for key, v in value.items()} if isinstance(value, dict) else {}
    if "data" not in found or "labels" not in found or np.asarray(found["data"]).shape[1:] != (3072,):
        raise ReweighError(f"{path} is no batch of CIFAR-10: looked for data (n, 3072) and labels; found {', '.join(map(str, found)) or type(value)}.")
    data = np.asarray(found["data"], np.uint8)
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.asarray(found["labels"], np.int64)


def _human_labels(path: Path, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One label set and the clean labels, in the official order."""
    found = read_pickle(path)
    if not isinstance(found, dict) or LABELS[name] not in found or "clean_label" not in found:
        keys = ", ".join(map(str, found)) if isinstance(found, dict) else type(found).__name__
        raise ReweighError(f"{path} has no {LABELS[name]!r} and 'clean_label'; found {keys}.")
    return np.asarray(found[LABELS[name]], np.int64), np.asarray(found["clean_label"], np.int64)


def _batch_folder(source: Path) -> Path:
    first = _find(source, BATCHES[:1])
    folder = first.parent if first else source
    missing = [name for name in BATCHES if not (folder / name).is_file()]
    if missing:
        raise ReweighError(f"{source} lacks {', '.join(missing)} of CIFAR-10's python version (cifar-10-batches-py); found neither them nor train_labels.csv.")
    return folder


def _find(source: Path, names: tuple[str, ...]) -> Path | None:
    """The first of these files in the folder or one level below it."""
    for name in names:
        for folder in [source, *sorted(p for p in source.iterdir() if p.is_dir())]:
            if (folder / name).is_file():
                return folder / name
    return None
