"""Clothing1M as folders a class, `noisy_train/0` to `clean_test/13`, as users sort it where they have no lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, Classes
from reweigh.errors import ReweighError
from reweigh.layouts.folders import folders_in, images_below
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.progress import Progress, silent

COLUMNS = ("uid", "file", "split", "label", "source", "verified_label", "verified")


def are_class_folders(source: Path, parts: Iterable[str]) -> bool:
    """Whether one of the training parts is a folder with numbered folders."""
    training = (source / part for part in parts if part.endswith("_train"))
    return any((folder / "0").is_dir() or (folder / "1").is_dir() for folder in training)


def index_class_folders(
    source: Path,
    output: Path,
    options: Mapping[str, Any],
    classes: Classes,
    splits: Mapping[str, str],
    findings: Findings,
    *,
    progress: Progress = silent,
) -> Catalog:
    """Images of the parts in `splits` {part: split}. An image of a noisy and a clean folder makes two rows, which share a group.

    Raises ReweighError for a folder that is no class.
    """
    findings.notes.append("folders a class, without lists: noisy and clean labels of an image are not joined")
    if not any((source / part).is_dir() for part, split in splits.items() if split == "train"):
        raise ReweighError(f"No {' or '.join(p for p, s in splits.items() if s == 'train')} in {source}.")
    return index_rows(
        output, row_batches(_rows(source, splits, len(classes.names), findings), COLUMNS), classes, findings, layout="clothing1m",
        options=options, source=source, root=source, are_found=True, progress=progress,
    )  # fmt: skip


def _rows(source: Path, splits: Mapping[str, str], k: int, findings: Findings) -> Iterator[tuple[Any, ...]]:
    for part, split in splits.items():
        if not (source / part).is_dir():
            findings.warnings.append(f"no folder {part}")
            continue
        for folder in folders_in(source / part):
            label = (
                int(folder.name) if folder.name.isascii() and folder.name.isdecimal() and len(folder.name) < 4 else k
            )
            if label >= k:
                raise ReweighError(f"{folder} is none of the {k:,} classes, whose folders are named 0 to {k - 1}.")
            by_person = (label, True) if part.startswith("clean") else (None, None)
            for name in images_below(source, folder, findings):
                yield name, name, split, label, part.partition("_")[0], *by_person
