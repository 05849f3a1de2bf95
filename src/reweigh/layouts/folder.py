"""Layout `folder`: `{train,val,test}/<class>/...`, or `<class>/...`, all of it then training images."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from reweigh.catalog.tables import Catalog, ImageLocation, plain_classes
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError
from reweigh.layouts.content import hash_images, hashing
from reweigh.layouts.image_names import is_image, is_unicode, natural_order
from reweigh.progress import Progress, silent

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
BLOCK = 16_384


def index_folder(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """A folder with a folder a class; class names are the folders' names, in natural order.

    Folders named train, val, test (or training, valid, validation, dev, testing) at the top are splits. Images below a class
    folder, however deep, are of that class; hidden files are passed over, other files and images outside of class
    folders are counted as skipped.
    Raises ReweighError for a folder without images, without class folders, or whose val and train share no class.
    """
    splits = _splits(source)
    names = _class_names(source, splits)
    skipped: dict[str, list[str]] = defaultdict(list)
    rows = _rows(source, splits, names, skipped)
    batches = _batches(source, rows, skipped, is_hashed=options.get("hash", True))
    first = next(batches, None)
    if first is None:
        raise ReweighError(f"No images in {source}: its {len(names)} class folders hold none ({', '.join(names[:5])}).")

    def all_batches() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    return write_catalog(
        output, all_batches(), plain_classes(names), layout="folder", options=options, root=source, skipped=skipped, progress=progress
    )


def is_folder_layout(source: Path) -> bool:
    """Whether this is a folder that holds folders."""
    return source.is_dir() and any(entry.is_dir() and not entry.name.startswith(".") for entry in os.scandir(source))


def _splits(source: Path) -> dict[str, Path]:
    """Split -> folder; {"train": source} where no folder is named like a split."""
    found = {SPLIT_FOLDERS[p.name.lower()]: p for p in _folders(source) if p.name.lower() in SPLIT_FOLDERS}
    return found if "train" in found else {"train": source}


def _folders(path: Path) -> list[Path]:
    return sorted((p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")), key=lambda p: natural_order(p.name))


def _class_names(source: Path, splits: Mapping[str, Path]) -> list[str]:
    found = {split: [p.name for p in _folders(folder)] for split, folder in splits.items()}
    if not any(found.values()):
        raise ReweighError(_no_class_folders(source))
    train = set(found["train"])
    for split, names in found.items():
        if split != "train" and names and not train & set(names):
            raise ReweighError(
                f"{splits[split]} has the class folders {', '.join(names[:3])}, of which {splits['train']} has none "
                f"({', '.join(found['train'][:3])} ...): its images are not sorted into classes; use a table."
            )
    return sorted(set().union(*found.values()), key=natural_order)


def _no_class_folders(source: Path) -> str:
    images = [p.name for p in source.iterdir() if p.is_file() and is_image(p.name)]
    if images:
        return f"{source} has {len(images):,} images but no folder a class; sort them into folders, or give a table with file and label."
    return f"{source} is empty: looked for a folder a class with images in it."


def _rows(
    source: Path, splits: Mapping[str, Path], names: list[str], skipped: dict[str, list[str]]
) -> Iterator[tuple[str, str, int]]:
    """(relative path, split, label) of every image."""
    label = {name: number for number, name in enumerate(names)}
    for split, folder in splits.items():
        for entry in sorted(os.scandir(folder), key=lambda e: e.name):
            if entry.name.startswith("."):
                continue
            relative = str(Path(entry.path).relative_to(source))
            if entry.is_dir():
                for path in _files(entry.path):
                    inside = path[len(str(source)) + 1 :]
                    if not is_image(path):
                        skipped["not an image by its ending"].append(inside)
                    elif not is_unicode(inside):
                        skipped["name is not valid Unicode"].append(inside.encode(errors="replace").decode())
                    else:
                        yield inside, split, label[entry.name]
            elif is_image(entry.name):
                skipped["not in a class folder"].append(relative)
    if "train" in splits and splits["train"] != source:
        known = {folder.name for folder in splits.values()}
        skipped["folder beside train that is no split"] += [p.name for p in _folders(source) if p.name not in known]


def _files(folder: str) -> Iterator[str]:
    """Paths of all files below the folder that are not hidden."""
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _files(entry.path)
        else:
            yield entry.path


def _batches(
    source: Path, rows: Iterator[tuple[str, str, int]], skipped: dict[str, list[str]], *, is_hashed: bool
) -> Iterator[pa.RecordBatch]:
    with hashing() as pool:
        for block in _blocks(rows):
            content: list[str | None] = [None] * len(block)
            if is_hashed:
                found = hash_images(pool, [ImageLocation(source / file) for file, _, _ in block])
                content = [value for value, _ in found]
                for (file, _, _), (value, reason) in zip(block, found, strict=True):
                    if value is None:
                        skipped[reason].append(file)
            kept = [i for i in range(len(block)) if content[i] is not None or not is_hashed]
            files = [block[i][0] for i in kept]
            yield pa.record_batch(
                {
                    "uid": pa.array(files, pa.string()),
                    "split": pa.array([block[i][1] for i in kept], pa.string()),
                    "file": pa.array(files, pa.string()),
                    "label": pa.array([block[i][2] for i in kept], pa.int32()),
                    "content": pa.array([content[i] for i in kept], pa.string()),
                }
            )


def _blocks(rows: Iterator[tuple[str, str, int]]) -> Iterator[list[tuple[str, str, int]]]:
    block: list[tuple[str, str, int]] = []
    for row in rows:
        block.append(row)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block
