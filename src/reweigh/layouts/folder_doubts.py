"""Why a folder is probably not a folder a class, although it holds folders: one level too high or too low, or without its lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from reweigh.layouts.folders import folders_in, is_file

PARTS = frozenset((
    "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "pic", "pics", "jpg", "jpeg", "jpegs", "png", "pngs", "file", "files",
    "raw", "data", "dataset", "datasets", "all_images", "noisy_images", "raw_image", "label", "labels", "annotation", "annotations", "meta",
    "metadata", "info", "list", "lists", "split", "splits", "mask", "masks", "bbox", "bboxes", "train", "training", "val", "valid", "validation",
    "dev", "test", "testing", "eval", "evaluation",
))  # fmt: skip
"""Names of parts of a data set, which no class has by itself."""
QUERIES = re.compile(r"q\d{4,5}")
BESIDE = 4
"""Files beside the folders that an error names."""


def doubt_about(source: Path, splits: Mapping[str, Path]) -> str | None:
    """Why the folders in these splits (train alone: the source itself) are hardly classes, and what to do; None: nothing speaks against it."""
    if is_file(source / "val_annotations.txt"):
        return f"val_annotations.txt is in it: its labels, of Tiny ImageNet; name the folder above, {source.parent}"
    names = {folder.name for place in splits.values() for folder in folders_in(place)}
    if names and all(QUERIES.fullmatch(name) for name in names):
        return f"its folders are named by WebVision's queries ({min(names)}), not by classes; name the folder that holds info/"
    if not names or not all(name.lower() in PARTS for name in names):
        return None
    said = f"{'its only folder is' if len(names) == 1 else 'its folders are'} {', '.join(sorted(names))}: parts of a data set, not classes"
    lone = [folder for place in splits.values() for folder in folders_in(place)]
    if len(lone) == 1 and folders_in(lone[0]):
        said += f"; if the folders in it are the classes, name {lone[0]}"
    beside = sorted(
        path.name for path in islice(source.iterdir(), 1000) if path.is_file() and not path.name.startswith(".")
    )
    return f"{said}; beside {'it' if len(names) == 1 else 'them'} lie {', '.join(beside[:BESIDE])}" if beside else said
