"""ImageNet's development kit: which synset each of its numbers is, and the answers of the flat validation images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from reweigh.catalog.findings import Findings
from reweigh.errors import ReweighError
from reweigh.layouts.matlab_records import read_records
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
    if asked is None:
        roots = [source, *sorted(p for p in source.iterdir() if "devkit" in p.name.lower() and p.is_dir())]
    else:
        roots = [Path(asked) if Path(asked).is_dir() else source / asked]
    for folder in (place for root in roots for place in (root, root / "data")):
        if (folder / ANSWERS).is_file():
            return folder
    if asked is not None:
        raise ReweighError(
            f"No {ANSWERS} in {roots[0]} or its folder data, and no LOC_val_solution.csv: ILSVRC2012_devkit_t12.tar.gz, unpacked, has the first, "
            "Kaggle's archive the second."
        )
    return None


def read_devkit_classes(folder: Path) -> dict[int, DevkitClass]:
    """ILSVRC2012_ID -> class, of the synsets of meta.mat without children.

    Raises ReweighError for a file that is not there, is broken, or has other fields.
    """
    path = folder / META
    if not path.is_file():
        raise ReweighError(
            f"No {META} in {folder}: without it the numbers in {ANSWERS} say nothing (they are not in the order of the synsets)."
        )
    if path.stat().st_size > LARGEST:
        raise ReweighError(f"{path} has {path.stat().st_size:,} bytes; no {META} of ImageNet is over {LARGEST:,}.")
    rows = read_records(path, "synsets")
    names = list(rows[0]) if rows else []
    if not set(FIELDS) <= set(names):
        raise ReweighError(
            f"{path}: looked for synsets with {', '.join(FIELDS)}; found {', '.join(names) or 'no fields'}."
        )
    found: dict[int, DevkitClass] = {}
    for row in rows:
        number, wnid, words, gloss = (row.get(name) for name in ("ILSVRC2012_ID", "WNID", "words", "gloss"))
        if not isinstance(number, int) or not isinstance(wnid, str) or not re.fullmatch(r"n\d{8}", wnid):
            raise ReweighError(f"{path}: {wnid!r} with number {number!r} is no synset; is the file whole?")
        if not row["num_children"]:
            own = tuple(word.strip() for word in str(words or "").split(",") if word.strip())
            found[number] = DevkitClass(wnid=wnid, words=own, gloss=gloss if isinstance(gloss, str) and gloss else None)
    if not found:
        raise ReweighError(f"{path} has no synset without children: it is not the meta.mat of ILSVRC-2012.")
    return found


def read_devkit_answers(folder: Path, classes: dict[int, DevkitClass], findings: Findings) -> list[str]:
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
