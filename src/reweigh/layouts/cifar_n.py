"""Layout `cifar-n`: CIFAR-10 with the crowd workers' labels of CIFAR-10N (Wei et al., ICLR 2022).

Two forms: the official files (`data_batch_1..5`, `test_batch` and `CIFAR-10_human.pt` or `.npy`), whose images are
written as PNGs into the catalog; and images as JPEGs, in `cifar10n.tar` or as files, beside `train_labels.csv` and
`test_labels.csv`. `clean` labels are the truth of both splits.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError, look_up
from reweigh.images.tar_members import read_members
from reweigh.layouts.content import MISSING, content_hash, hashing
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.layouts.recognition import Certainty, Recognition
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
    if not source.is_dir():
        raise ReweighError(f"{source} is a file; the layout cifar-n reads the folder of its files.")
    options = {**options, "labels": labels}
    if (source / "train_labels.csv").is_file():
        return _index_jpegs(source, output, options, progress=progress)
    return _index_official(source, output, options, progress=progress)


def recognise_cifar_n(source: Path) -> Recognition | None:
    """A folder that holds one of the two forms."""
    if not source.is_dir():
        return None
    if (source / "train_labels.csv").is_file():
        with (source / "train_labels.csv").open(encoding="utf-8-sig", errors="replace") as file:
            is_ours = {"clean", "worse", "aggre"} <= set(file.readline().strip().split(","))
        return Recognition(Certainty.CERTAIN, "train_labels.csv with CIFAR-10N's columns") if is_ours else None
    batch = _find(source, BATCHES[:1])
    return None if batch is None else Recognition(Certainty.CERTAIN, batch.name)


def _index_jpegs(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress) -> Catalog:
    """Rows of both lists whose image is a member of a tar beside them, or a file."""
    members = {
        m.name: (tar.name, m.offset, m.length) for tar in sorted(source.glob("*.tar")) for m in read_members(tar)
    }
    findings = Findings()

    def rows() -> Iterator[tuple[Any, ...]]:
        for split in ("train", "test"):
            for row in _read_rows(source / f"{split}_labels.csv", options["labels"] if split == "train" else "clean"):
                file = row["file"]
                place = members.get(file) or ((file, None, None) if (source / file).is_file() else None)
                if place is None:
                    findings.skip(_missing(source), [file])
                else:
                    yield file, split, *place, row["label"], row["clean"]

    columns = ("uid", "split", "file", "offset", "length", "label", "truth")
    return index_rows(
        output, row_batches(rows(), columns), plain_classes(NAMES), findings, layout="cifar-n", options=options, source=source,
        root=source, are_found=True, with_truth=True, progress=progress,
    )  # fmt: skip


def _missing(source: Path) -> str:
    """Why an image is not there; half of the JPEG form lies in an archive that has to be unpacked first."""
    packed = sorted(path.name for path in source.glob("*.tar.gz"))
    return f"{MISSING} ({', '.join(packed)} is not unpacked)" if packed else MISSING


def _read_rows(path: Path, labels: str) -> list[dict[str, Any]]:
    if not path.is_file():
        raise ReweighError(
            f"No {path.name} in {path.parent}: the JPEG form of CIFAR-10N has train_labels.csv and test_labels.csv."
        )
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    for name in ("file", labels, "clean"):
        if not rows or name not in rows[0]:
            raise ReweighError(f"{path} has no column {name!r}; it has: {', '.join(rows[0]) if rows else 'no row'}.")
    for row in rows:
        for name in (labels, "clean"):
            if not (row[name] or "").isdecimal():
                raise ReweighError(
                    f"{path}: {name} {row[name]!r} of {row['file']!r} is no label; they are 0..{len(NAMES) - 1}."
                )
    return [{"file": row["file"], "label": int(row[labels]), "clean": int(row["clean"])} for row in rows]


def _index_official(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress) -> Catalog:
    human = _find(source, HUMAN)
    if human is None:
        raise ReweighError(
            f"No {' or '.join(HUMAN)} in {source} or the folders below it: CIFAR-10N's labels are not there."
        )
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
    images: Path,
    pixels: NDArray[np.uint8],
    given: NDArray[np.int64],
    truth: NDArray[np.int64],
    *,
    split: str,
    offset: int,
) -> pa.RecordBatch:
    (images / split).mkdir(exist_ok=True)
    names = [f"{split}/{offset + number:05d}.png" for number in range(len(pixels))]
    with hashing() as pool:
        content = list(pool.map(_write_png, [images / name for name in names], pixels))
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


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> str:
    """Write an image (32, 32, 3) and give the hash of its bytes."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    path.write_bytes(data.getvalue())
    return content_hash(data.getvalue())


def _batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels (n, 32, 32, 3) and labels (n,) of one published batch."""
    value = read_pickle(path)
    found = (
        {key.decode() if isinstance(key, bytes) else key: v for key, v in value.items()}
        if isinstance(value, dict)
        else {}
    )
    if not {"data", "labels"} <= set(found) or np.shape(found["data"]) != (len(found["labels"]), 3072):
        raise ReweighError(
            f"{path} is no batch of CIFAR-10: looked for data (n, 3072) and n labels; found {', '.join(map(str, found)) or type(value)}."
        )
    data = np.asarray(found["data"], np.uint8)
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.asarray(found["labels"], np.int64)


def _human_labels(path: Path, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One label set and the clean labels, in the official order."""
    found = read_pickle(path)
    if not isinstance(found, dict) or LABELS[name] not in found or "clean_label" not in found:
        keys = ", ".join(map(str, found)) if isinstance(found, dict) else type(found).__name__
        raise ReweighError(f"{path} has no {LABELS[name]!r} and 'clean_label'; found {keys}.")
    labels, clean = np.asarray(found[LABELS[name]], np.int64), np.asarray(found["clean_label"], np.int64)
    if labels.shape != clean.shape or labels.ndim != 1:
        raise ReweighError(
            f"{path}: {LABELS[name]!r} has shape {labels.shape}, 'clean_label' {clean.shape}; both have one label an image."
        )
    return labels, clean


def _batch_folder(source: Path) -> Path:
    first = _find(source, BATCHES[:1])
    folder = first.parent if first else source
    missing = [name for name in BATCHES if not (folder / name).is_file()]
    if missing:
        raise ReweighError(
            f"{source} lacks {', '.join(missing)} of CIFAR-10's python version (cifar-10-batches-py); found neither them nor train_labels.csv."
        )
    return folder


def _find(source: Path, names: tuple[str, ...]) -> Path | None:
    """The first of these files in the folder or one level below it."""
    for name in names:
        for folder in [source, *sorted(p for p in source.iterdir() if p.is_dir())]:
            if (folder / name).is_file():
                return folder / name
    return None
