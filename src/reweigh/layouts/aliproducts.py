"""Layout `aliproducts`: about 50,000 products, 2.5 million images, and a tree of their kinds (AliProducts challenge, 2020).

Not verified against the original files: forms as published programs read them; `product_tree.json` in any of the forms of `hierarchies`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.errors import ReweighError
from reweigh.layouts.hierarchies import read_hierarchy
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.layouts.json_files import read_elements
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.text_lists import OUTSIDE, is_inside
from reweigh.progress import Progress, silent

SPLITS = ("train", "val")
TREE = "product_tree.json"
MOST_CLASSES = 10_000_000


def index_aliproducts(
    source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent
) -> Catalog:
    """The folder with train.json, val.json and the folders of the same names.

    Classes are named by their numbers in five digits, as their folders are. A number may be a number or a text. Where
    product_tree.json is there it becomes the hierarchy. Raises ReweighError for a list of another form, and as `index_rows`.
    """
    lists = {split: source / f"{split}.json" for split in SPLITS if (source / f"{split}.json").is_file()}
    if "train" not in lists:
        raise ReweighError(
            f"No train.json in {source}: AliProducts has train.json and val.json beside the folders train and val. "
            "Is the archive unpacked, and this the folder that holds them?"
        )
    k = 1 + max((label for path in lists.values() for label, _ in _images(path)), default=-1)
    if not k:
        raise ReweighError(f"{lists['train']} lists no image.")
    names = [f"{label:05d}" for label in range(k)]
    findings = Findings()
    if "val" not in lists:
        findings.warnings.append("no val.json: there are no checked images to test on")
    tree = source / TREE
    hierarchy = _hierarchy(tree, names, findings) if tree.is_file() else []

    def rows() -> Iterator[tuple[Any, ...]]:
        for split, path in lists.items():
            for label, image in _images(path):
                file = f"{split}/{names[label]}/{image}"
                if is_inside(file) and "/" not in image:
                    yield file, file, split, label
                else:
                    findings.skip(OUTSIDE, [file])

    return index_rows(
        output, row_batches(rows(), ("uid", "file", "split", "label")), plain_classes(names), findings, layout="aliproducts",
        options=options, source=lists["train"], root=source, hierarchy=hierarchy, progress=progress,
    )  # fmt: skip


def _hierarchy(tree: Path, names: list[str], findings: Findings) -> list[tuple[str, str]]:
    """The tree, whose form is not verified; one that is not understood, or places less than half of the classes, is warned of and left out."""
    try:
        found = read_hierarchy(tree, names, findings)
    except ReweighError as cause:
        findings.warnings.append(f"no hierarchy: {cause}")
        return []
    placed = len(set(names) & {child for child, _ in found})
    if 2 * placed < len(names):
        findings.warnings.append(
            f"no hierarchy: {TREE} places {placed:,} of {len(names):,} classes; is it another tree?"
        )
        return []
    findings.notes.append(f"{TREE}: a hierarchy of {len(found):,} nodes")
    return found


def recognise_aliproducts(source: Path) -> Recognition | None:
    """train.json that begins with a list of class_id and image_id."""
    path = source / "train.json"
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(512)
    if not head.strip() and (source / "train").is_dir():
        return Recognition(Certainty.LIKELY, "train.json, which is empty")
    is_ours = b'"images"' in head and b'"class_id"' in head and b'"image_id"' in head
    return Recognition(Certainty.CERTAIN, "train.json with class_id and image_id") if is_ours else None


def _images(path: Path) -> Iterator[tuple[int, str]]:
    """(label, image's name) of a list."""
    for number, image in enumerate(read_elements(path, "images"), 1):
        known = image if isinstance(image, dict) else {}
        text, name = str(known.get("class_id")), known.get("image_id")
        name = str(name) if isinstance(name, int) else name
        if not isinstance(name, str) or not re.fullmatch(r"[0-9]{1,9}", text) or int(text) >= MOST_CLASSES:
            raise ReweighError(
                f'{path}: image {number:,} is {str(image)[:80]}, not {{"class_id": 0, "image_id": "1.jpg"}} as AliProducts has it.'
            )
        yield int(text), name
