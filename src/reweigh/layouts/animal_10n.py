"""Layout `animal-10n`: ANIMAL-10N (Song et al., ICML 2019): ten animals, five pairs that are easily confused; labels stand in the names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.errors import ReweighError
from reweigh.layouts.folders import images_below
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.progress import Progress, silent

NAMES = ("cat", "lynx", "wolf", "coyote", "cheetah", "jaguar", "chimpanzee", "orangutan", "hamster", "guinea pig")
SPLITS = {"training": "train", "train": "train", "testing": "test", "test": "test"}
"""Folder -> split; the first of each are the published ones."""
IMAGE = re.compile(r"([0-9]{1,9})_img_[0-9]+\.\w+")
PROBED = 20
COLUMNS = ("uid", "file", "split", "label")


def index_animal_10n(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """The folder that holds training/ and testing/ (or train/ and test/), whose images are named `<label>_img_<number>.jpg`.

    Raises ReweighError for a folder without them, and a label that is none of 0..9, naming the image.
    """
    splits = _splits(source)
    if "train" not in splits.values():
        raise ReweighError(_no_training(source))
    findings = Findings()
    findings.notes.append(f"images in {' and '.join(f'{name}/' for name in splits)}")
    if "test" not in splits.values():
        findings.warnings.append("no testing/")
    return index_rows(
        output, row_batches(_rows(source, splits, findings), COLUMNS), plain_classes(NAMES), findings, layout="animal-10n",
        options=options, source=source, root=source, are_found=True, progress=progress,
    )  # fmt: skip


def recognise_animal_10n(source: Path) -> Recognition | None:
    """A training folder whose first images have names with a label and `_img_`."""
    for name in _splits(source):
        with os.scandir(source / name) as entries:
            found = [entry.name for entry in islice(entries, PROBED) if IMAGE.fullmatch(entry.name)]
        if found and SPLITS[name] == "train":
            return Recognition(Certainty.CERTAIN, f"{name}/{found[0]}")
    return None


def _splits(source: Path) -> dict[str, str]:
    """Folder -> split, of those that are there; of two of one split the published name."""
    found: dict[str, str] = {}
    for name, split in SPLITS.items():
        if split not in found.values() and (source / name).is_dir():
            found[name] = split
    return found


def _no_training(source: Path) -> str:
    if source.name in SPLITS:
        return f"No training/ in {source}: name the folder above it, {source.parent}."
    below = next((p for p in (source / "raw_image", source / "raw_image_ver") if _splits(p)), None)
    packed = next((name for name in ("raw_image.zip", "raw_image_ver.zip") if (source / name).is_file()), None)
    hint = (
        f" {below.name} has it: name {below}." if below else f" {packed} is not unpacked." if packed
        else " Of its two versions the one with raw images is read (raw_image_ver.zip)."
    )  # fmt: skip
    return f"No training/ in {source}: ANIMAL-10N has training/ and testing/ with images such as 0_img_12.jpg.{hint}"


def _rows(source: Path, splits: Mapping[str, str], findings: Findings) -> Iterator[tuple[str, str, str, int]]:
    for folder, split in splits.items():
        for name in images_below(source, source / folder, findings):
            found = IMAGE.fullmatch(name.rpartition("/")[2])
            if found is None:
                findings.skip("name without a label, as in 0_img_12.jpg", [name])
                continue
            if int(found[1]) >= len(NAMES):
                raise ReweighError(
                    f"{source / name}: label {found[1]} is none of the {len(NAMES)} classes, 0..{len(NAMES) - 1}."
                )
            yield name, name, split, int(found[1])
