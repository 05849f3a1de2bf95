"""CIFAR-10 and CIFAR-100 as published (python version), with the labels of CIFAR-10N and CIFAR-100N in the same order."""

from __future__ import annotations

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
from reweigh.errors import ReweighError
from reweigh.layouts.cifar_pickles import (
    COARSE_CLASSES,
    HUNDRED,
    TEN,
    Batch,
    CifarSet,
    HumanLabels,
    Names,
    read_batch,
    read_human,
    read_names,
)
from reweigh.layouts.content import content_hash, hashing
from reweigh.layouts.folders import first_folders
from reweigh.layouts.indexing import index_rows
from reweigh.progress import Progress

COARSE = "coarse"
"""Column of the catalog: the coarse class that stands with the label, by name."""


def index_official(
    source: Path, output: Path, options: Mapping[str, Any], cifar: CifarSet, findings: Findings, *, progress: Progress
) -> Catalog:
    """The set's images as PNGs in the catalog, with the label set `options["labels"]`; the clean labels are the truth.

    Raises ReweighError for missing files, for labels in another order than the images, and for what is no such file.
    """
    folder = _folder(source, cifar)
    human = read_human(_human_file(source, cifar), cifar, options["labels"])
    names = read_names(folder, cifar)
    images = output.with_name(f"{output.name}.images.partial")
    if images.exists():
        shutil.rmtree(images)
    images.mkdir(parents=True)
    try:
        return index_rows(
            output, _batches(folder, images, human, cifar, names, progress), plain_classes(names.fine), findings, layout="cifar-n",
            options=options, source=source, root=None, with_truth=True, progress=progress, beside={"images": images},
            hierarchy=_hierarchy(folder, cifar, names), is_twice_skipped=False,
        )  # fmt: skip
    finally:
        shutil.rmtree(images, ignore_errors=True)


def find_file(source: Path, names: tuple[str, ...]) -> Path | None:
    """The first of these files in the folder or one level below it."""
    for name in names:
        for folder in [source, *first_folders(source)]:
            if (folder / name).is_file():
                return folder / name
    return None


def has_images(source: Path, cifar: CifarSet) -> bool:
    """Whether the set's first file is there; `train` of CIFAR-100 only beside `meta` and `test`."""
    first = find_file(source, cifar.train[:1])
    return first is not None and (cifar is TEN or all((first.parent / name).is_file() for name in ("test", "meta")))


def _batches(
    folder: Path, images: Path, human: HumanLabels, cifar: CifarSet, names: Names, progress: Progress
) -> Iterator[pa.RecordBatch]:
    """Every file's images as PNGs, its labels checked against the clean ones of the workers' file."""
    start = 0
    for done, name in enumerate(cifar.files):
        progress("write PNGs", done, len(cifar.files), name)
        batch = read_batch(folder / name, cifar)
        if name == cifar.test:
            yield _write_pngs(images, batch, batch.labels, batch.coarse, names, split="test", offset=0)
            continue
        here = slice(start, start + len(batch.labels))
        if not np.array_equal(human.clean[here], batch.labels):
            raise ReweighError(
                f"{folder / name}: its labels are not the clean_label of {cifar.name}N in rows {here.start}..{here.stop - 1}; "
                "the label file is of another order (the `_ordered` file is), or of other data."
            )
        if name == cifar.train[-1] and here.stop != len(human.clean):
            raise ReweighError(
                f"{folder} has {here.stop:,} training images, the workers' file {len(human.clean):,} labels; is one of them cut?"
            )
        coarse = None if human.coarse is None else human.coarse[here]
        yield _write_pngs(images, batch, human.given[here], coarse, names, split="train", offset=start)
        start = here.stop
    progress("write PNGs", len(cifar.files), len(cifar.files), "")


def _write_pngs(
    images: Path, batch: Batch, given: NDArray[np.int64], coarse: NDArray[np.int64] | None, names: Names, *, split: str, offset: int
) -> pa.RecordBatch:  # fmt: skip
    (images / split).mkdir(exist_ok=True)
    uids = [f"{split}/{offset + number:05d}.png" for number in range(len(batch.labels))]
    with hashing() as pool:
        content = list(pool.map(_write_png, [images / uid for uid in uids], batch.pixels))
    columns = {
        "uid": uids, "split": [split] * len(uids), "file": [f"images/{uid}" for uid in uids], "label": pa.array(given, pa.int32()),
        "content": content, "truth": pa.array(batch.labels, pa.int32()),
    }  # fmt: skip
    if coarse is not None:
        columns[COARSE] = [names.coarse[number] for number in coarse]
    return pa.record_batch(columns)


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> str:
    """Write an image (32, 32, 3) and give the hash of its bytes."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    path.write_bytes(data.getvalue())
    return content_hash(data.getvalue())


def _hierarchy(folder: Path, cifar: CifarSet, names: Names) -> list[tuple[str, str]]:
    """(class, coarse class) by name, from the images' own labels. Raises ReweighError where a class has two."""
    batch = read_batch(folder / cifar.train[0], cifar)
    if batch.coarse is None:
        return []
    pairs = sorted(set(zip(batch.labels.tolist(), batch.coarse.tolist(), strict=True)))
    children = [child for child, _ in pairs]
    if len(set(children)) < len(children) or not all(0 <= c < cifar.k and 0 <= p < COARSE_CLASSES for c, p in pairs):
        raise ReweighError(
            f"{folder / cifar.train[0]}: a class of {cifar.name} has one coarse class of 0..{COARSE_CLASSES - 1}; the file is altered."
        )
    return [(names.fine[child], names.coarse[parent]) for child, parent in pairs]


def _folder(source: Path, cifar: CifarSet) -> Path:
    """The folder with the set's files. Raises ReweighError that names those that are missing."""
    first = find_file(source, cifar.train[:1])
    folder = first.parent if first else source
    wanted = (*cifar.files, *(("meta",) if cifar is HUNDRED else ()))
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        packed = f" {cifar.packed} is not unpacked." if (source / cifar.packed).is_file() else ""
        raise ReweighError(
            f"{source} lacks {', '.join(missing)} of {cifar.name}'s python version (cifar-{cifar.k}-batches-py or cifar-{cifar.k}-python); "
            f"found neither them nor train_labels.csv.{packed}"
        )
    return folder


def _human_file(source: Path, cifar: CifarSet) -> Path:
    human = find_file(source, cifar.human)
    if human is None:
        ordered = find_file(source, (f"{cifar.name}_human_ordered.npy",))
        hint = (
            f" {ordered.name} is there, but in the order of TensorFlow Datasets, not of these images."
            if ordered
            else ""
        )
        raise ReweighError(
            f"No {' or '.join(cifar.human)} in {source} or the folders below it: {cifar.name}N's labels are not there.{hint}"
        )
    return human
