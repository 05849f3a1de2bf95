"""Layout `folder`: `{train,val,test}/<class>/...`, or `<class>/...`, all of it then training images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, Classes, plain_classes
from reweigh.errors import ReweighError
from reweigh.layouts.folders import folders_in, images_below, is_folder
from reweigh.layouts.image_names import is_image, natural_order
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.split_names import SPLIT_OF
from reweigh.layouts.table_files import form_of
from reweigh.progress import Progress, silent

PACKED = re.compile(r"\.(tar|zip|tgz|7z|rar)(\.|$)", re.IGNORECASE)


def index_folder(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """A folder with a folder a class; class names are the folders' names, in natural order.

    Folders named train, val, test (or training, valid, validation, dev, testing) at the top are splits where there is a train among them, or
    nothing else. Images below a class
    folder, however deep, are of that class; hidden files are passed over, other files and images outside of class
    folders are counted as skipped.
    A class named like a WordNet id (n02123597) has that as its synset.
    Raises ReweighError for a folder without images, without class folders, or whose val and train share no class.
    """
    if not source.is_dir():
        raise ReweighError(f"{source} is a file; the layout folder reads a folder with a folder a class.")
    splits = splits_of_folder(source)
    names = _class_names(source, splits)
    findings = Findings()
    batches = row_batches(_rows(source, splits, names, findings), ("uid", "file", "split", "label"))
    first = next(batches, None)
    if first is None:
        raise ReweighError(
            f"No images in {source}: its {len(names)} class folders ({_some(names)}) hold none that can be read."
        )
    return index_rows(
        output, chain([first], batches), _classes(names), findings, layout="folder", options=options, source=source, root=source,
        are_found=True, progress=progress,
    )  # fmt: skip


def recognise_folder(source: Path) -> Recognition | None:
    """A folder that holds folders."""
    if not source.is_dir():
        return None
    names = [entry.name for entry in os.scandir(source) if is_folder(entry) and not entry.name.startswith(".")]
    if not names:
        return None
    splits = sorted({name for name in names if name.lower() in SPLIT_OF})
    found = f"folders {', '.join(splits)}" if splits else f"{len(names):,} folders"
    is_split = len(splits) == len(names) or any(SPLIT_OF[name.lower()] == "train" for name in splits)
    return Recognition(Certainty.LIKELY if is_split else Certainty.POSSIBLE, found)


def _classes(names: Sequence[str]) -> Classes:
    """Classes named as their folders."""
    synsets = tuple(name if re.fullmatch(r"n\d{8}", name) else None for name in names)
    return replace(plain_classes(names), synsets=synsets)


def splits_of_folder(source: Path) -> dict[str, Path]:
    """Split -> folder; {"train": source} where no folder is named like train, unless all of them are splits.

    Raises ReweighError for two of one split.
    """
    found: dict[str, Path] = {}
    folders = folders_in(source)
    for folder in folders:
        split = SPLIT_OF.get(folder.name.lower())
        if split in found:
            raise ReweighError(
                f"{source} has {found[split].name} and {folder.name}, both of which mean {split}; keep one of them."
            )
        if split is not None:
            found[split] = folder
    return found if found and ("train" in found or len(found) == len(folders)) else {"train": source}


def _class_names(source: Path, splits: Mapping[str, Path]) -> list[str]:
    found = {split: [p.name for p in folders_in(folder)] for split, folder in splits.items()}
    if not any(found.values()):
        raise ReweighError(_no_classfolders_in(source))
    train = set(found.get("train", ()))
    for split, names in found.items():
        if split != "train" and "train" in found and names and not train & set(names):
            raise ReweighError(
                f"{splits[split]} has the class folders {_some(names)}, of which {splits['train']} has none "
                f"({_some(found['train'])}): its images are not sorted into classes (as in Tiny ImageNet's val/images). "
                "Move each into a folder of its class, or give a table."
            )
    return sorted(set().union(*found.values()), key=natural_order)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "") if names else "no folder at all"


def _no_classfolders_in(source: Path) -> str:
    names = sorted(p.name for p in source.iterdir() if p.is_file())
    images, tables = [n for n in names if is_image(n)], [n for n in names if form_of(source / n)]
    if images:
        return (
            f"{source} has {len(images):,} images but no folder a class; sort them into folders, or give a table with file and label. "
            f"If {source.name} is itself one class among others, name the folder above it: {source.parent}."
        )
    if tables:
        return f"{source} has no folder a class, but tables ({_some(tables)}): name the table itself, {source / tables[0]}."
    packed = [n for n in names if PACKED.search(n)]
    if packed:
        return f"{source} has no folder a class, but archives ({_some(packed)}): unpack them, or say what they are by --layout."
    found = f"found {_some(names)}" if names else "found nothing"
    return f"{source} {'has no folder a class' if names else 'is empty: looked for a folder a class'} with images in it; {found}."


def _rows(
    source: Path, splits: Mapping[str, Path], names: list[str], findings: Findings
) -> Iterator[tuple[str, str, str, int]]:
    """(relative path, the same, split, label) of every image."""
    label = {name: number for number, name in enumerate(names)}
    for split, folder in splits.items():
        outside = (str(p.relative_to(source)) for p in sorted(folder.iterdir()) if is_image(p.name))
        findings.skip("not in a class folder", outside)
        for inner in folders_in(folder):
            for inside in images_below(source, inner, findings):
                yield inside, inside, split, label[inner.name]
    if source not in splits.values():
        known = {folder.name for folder in splits.values()}
        others = (p.name for p in folders_in(source) if p.name not in known)
        findings.skip("folder beside train that is no split", others)
