"""ImageNet's development kit: which synset each of its numbers is, and the answers of the flat validation images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.errors import ReweighError
from reweigh.layouts.restricted_pickle import BROKEN
from reweigh.layouts.text_lists import read_lines

META, ANSWERS = "meta.mat", "ILSVRC2012_validation_ground_truth.txt"
LARGEST = 16 << 20
"""Bytes of the largest meta.mat that is read; that of 2012 has less than one million."""
FIELDS = ("ILSVRC2012_ID", "WNID", "words", "num_children")


@dataclass(frozen=True, kw_only=True)
class DevkitClass:
    """A class of the challenge: a synset without synsets below it."""

    wnid: str
    words: tuple[str, ...]
    gloss: str | None


def find_devkit(source: Path, asked: str | None) -> Path | None:
    """The folder with the answers: `asked` or its `data`, else the source, a folder in it named like devkit, or that one's `data`.

    Raises ReweighError where the folder that is asked for does not have them.
    """
    roots = (
        [source, *sorted(p for p in source.iterdir() if "devkit" in p.name.lower() and p.is_dir())]
        if asked is None
        else [source / asked]
    )
    for folder in (place for root in roots for place in (root, root / "data")):
        if (folder / ANSWERS).is_file():
            return folder
    if asked is not None:
        raise ReweighError(
            f"No {ANSWERS} in {source / asked} or its folder data: ILSVRC2012_devkit_t12.tar.gz, unpacked, has it."
        )
    return None


def read_devkit_classes(folder: Path) -> dict[int, DevkitClass]:
    """ILSVRC2012_ID -> class, of the synsets of meta.mat without children. Read by scipy, which runs no code of the file's.

    Raises ReweighError for a file that is not there, is broken, or has other fields.
    """
    path = folder / META
    if not path.is_file():
        raise ReweighError(
            f"No {META} in {folder}: without it the numbers in {ANSWERS} say nothing (they are not in the order of the synsets)."
        )
    if path.stat().st_size > LARGEST:
        raise ReweighError(f"{path} has {path.stat().st_size:,} bytes; no {META} of ImageNet is over {LARGEST:,}.")
    rows = _read_synsets(path)
    names = rows.dtype.names or ()
    if not set(FIELDS) <= set(names):
        raise ReweighError(
            f"{path}: looked for synsets with {', '.join(FIELDS)}; found {', '.join(names) or 'no fields'}."
        )
    found: dict[int, DevkitClass] = {}
    for row in rows.tolist():
        values = {name: _only(value) for name, value in zip(names, row, strict=True)}
        number, wnid = values["ILSVRC2012_ID"], str(values["WNID"])
        if not isinstance(number, int) or not re.fullmatch(r"n\d{8}", wnid):
            raise ReweighError(f"{path}: {values['WNID']!r} with number {number!r} is no synset; is the file whole?")
        if not values["num_children"]:
            words = tuple(word.strip() for word in str(values["words"]).split(",") if word.strip())
            gloss = values.get("gloss")
            found[number] = DevkitClass(
                wnid=wnid, words=words, gloss=gloss if isinstance(gloss, str) and gloss else None
            )
    if not found:
        raise ReweighError(f"{path} has no synset without children: it is not the meta.mat of ILSVRC-2012.")
    return found


def read_answers(folder: Path, classes: dict[int, DevkitClass], findings: Findings) -> list[str]:
    """The wnid of each validation image, in the order of their numbers from 1. Raises ReweighError that names the line."""
    path = folder / ANSWERS
    found = []
    for line in read_lines(path, findings):
        number = int(line.text) if re.fullmatch(r"[0-9]{1,6}", line.text) else 0
        if number not in classes:
            raise ReweighError(
                f"{path}, line {line.number}: {line.text[:40]!r} is none of the {len(classes):,} numbers of {META}, "
                f"{min(classes)}..{max(classes)}."
            )
        found.append(classes[number].wnid)
    return found


def _read_synsets(path: Path) -> Any:
    """The array of records `synsets`."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        found = loadmat(path, variable_names=["synsets"], squeeze_me=False)
    except (*BROKEN, MatReadError, OSError, AssertionError) as cause:
        raise ReweighError(
            f"{path} is no MATLAB file of version 5 to 7.2, or a broken one: {' '.join(str(cause).split())}."
        ) from cause
    if "synsets" not in found or found["synsets"].dtype.names is None:
        raise ReweighError(f"{path} has no array of records named synsets: it is not the meta.mat of the devkit.")
    return found["synsets"].reshape(-1)


def _only(value: Any) -> Any:
    """What an array of one value, however deep MATLAB wrapped it, holds; "" for an empty one, a whole number as an int."""
    for _ in range(4):
        if getattr(value, "size", 0) != 1:
            break
        value = value.reshape(-1)[0]
    size = getattr(value, "size", None)
    value = value.item() if size == 1 else "" if size == 0 else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
