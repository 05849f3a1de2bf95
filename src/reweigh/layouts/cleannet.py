"""Layout `cleannet`: the lists of CleanNet's own code (kuanghuei/clean-net), a line an image, tabs between.

train, val: key, [address,] class name, verification label, features; all: key, [address,] class name, features. Which of them a
file is has to be said: lists with as many columns mean different things. Features are not read here (`cleannet_features`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.errors import ReweighError, look_up, nearest
from reweigh.layouts.folders import is_file
from reweigh.layouts.image_names import natural_order
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.text_lists import Line, first_lines, is_inside, read_lines, read_names
from reweigh.progress import Progress, silent

SPLITS = {"train": "train", "val": "val", "all": "train"}
"""Value of the option `split` -> split in the catalog."""
VERIFIED = {"1": True, "0": False, "-1": None}
"""Verification label -> what a person said of the class name."""
WIDEST = 1 << 20
"""Bytes of the longest line: 4,096 features of 20 characters have 86,000."""
FEATURES = re.compile(r"\s*-?\d[\d.eE+-]*(,\s*-?\d[\d.eE+-]*){7,}.*")
COLUMNS = ("uid", "file", "split", "label", "verified")
PROBED = 200


@dataclass(frozen=True)
class CleanNetRow:
    """What is read of a line."""

    line: int
    key: str
    class_name: str
    verified: bool | None
    features: str
    """Numbers with commas between, as they stand."""


def index_cleannet(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """One of the lists, its keys being paths of images.

    Options: `split` train, val or all (needed); `images` the folder that the keys are relative to, where it is neither the list's
    own nor `images` in it; `class_list` a class name a line, whose order gives the labels (else the names in natural order).
    Raises ReweighError for a list without `split`, a line of another form and a class that the list of classes lacks, naming the line.
    """
    split = _split(options)
    path = source / f"{split}.tsv" if source.is_dir() else source
    if not path.is_file():
        raise ReweighError(f"No {path.name} in {source}: name the list itself, with --option split=train, val or all.")
    findings = Findings()
    form = column_count(path, split, findings)
    names = _class_names(path, split, form, options, source)
    label = {name: number for number, name in enumerate(names)}
    root, prefix = _images(path, split, form, options, source)
    findings.notes.append(f"read as the list `{split}`; its features are not read")

    def rows() -> Iterator[tuple[Any, ...]]:
        for row in read_rows(path, split, form, findings):
            if row.class_name not in label:
                hint = nearest(row.class_name, names)
                raise ReweighError(
                    f"{path}, line {row.line}: {row.class_name[:60]!r} is not in the list of classes.{hint}"
                )
            key = row.key.replace("\\", "/")
            if is_inside(key):
                yield key, prefix + key, SPLITS[split], label[row.class_name], row.verified
            else:
                findings.skip("key that leads out of the images' folder", [key])

    return index_rows(
        output, row_batches(rows(), COLUMNS), plain_classes(names), findings, layout="cleannet", options=options, source=path,
        root=root, where=f"below {root / prefix} (elsewhere: --option images=FOLDER)", progress=progress,
    )  # fmt: skip


def recognise_cleannet(source: Path) -> Recognition | None:
    """A .tsv whose first line ends in a list of numbers."""
    if source.name.lower().endswith(".tsv") and source.is_file():
        fields = (first_lines(source, 1) or [""])[0].split("\t")
        if 3 <= len(fields) <= 5 and FEATURES.fullmatch(fields[-1]):
            return Recognition(Certainty.CERTAIN, f"{len(fields)} columns, the last of them features")
    return None


def read_rows(path: Path, split: str, form: int, findings: Findings) -> Iterator[CleanNetRow]:
    """The lines of a list, `form` fields each. Raises ReweighError that names the line."""
    for line in read_lines(path, findings, widest=WIDEST):
        fields = line.text.split("\t")
        if len(fields) != form:
            raise ReweighError(
                f"{path}, line {line.number}: {len(fields)} columns, where line 1 has {form}; was the file cut?"
            )
        yield _row(path, split, line, fields)


def names_of_classes(path: Path, split: str, form: int) -> list[str]:
    """The classes in a list, in natural order; what is odd about its rows is told by who reads them for good."""
    return sorted({row.class_name for row in read_rows(path, split, form, Findings())}, key=natural_order)


def _row(path: Path, split: str, line: Line, fields: list[str]) -> CleanNetRow:
    """A line of a list of `split`; the address in the second of its columns, where it has one, is passed over."""
    has_address = len(fields) == (4 if split == "all" else 5)
    if has_address and fields[1].strip() and "://" not in fields[1]:
        others = "train and val have a verification label" if split == "all" else "the list `all` has none"
        raise ReweighError(
            f"{path}, line {line.number}: with {len(fields)} columns the second is an address; found {fields[1][:40]!r}. "
            f"Is it a list `{split}`? ({others})"
        )
    at = 2 if has_address else 1
    verified: bool | None = None
    if split != "all":
        verification = fields[at + 1].strip()
        if verification not in VERIFIED:
            raise ReweighError(
                f"{path}, line {line.number}: verification label {verification[:40]!r} is none of 1, 0 and -1; is it the list `all`?"
            )
        verified = VERIFIED[verification]
    return CleanNetRow(line.number, fields[0].strip(), fields[at].strip(), verified, fields[-1])


def _split(options: Mapping[str, Any]) -> str:
    split = options.get("split")
    if split is None:
        raise ReweighError(
            "The layout cleannet needs --option split=train, val or all: lists with as many columns mean different things."
        )
    if split == "ref":
        raise ReweighError("CleanNet's list `ref` has features of reference sets and no images: it makes no catalog.")
    look_up(str(split), SPLITS, kind="list of CleanNet")
    return str(split)


def column_count(path: Path, split: str, findings: Findings) -> int:
    """How many columns the first line has. Raises ReweighError for others than the list may have."""
    first = next(read_lines(path, findings, widest=WIDEST))
    columns = first.text.count("\t") + 1
    expected = (3, 4) if split == "all" else (4, 5)
    if columns not in expected:
        raise ReweighError(
            f"{path}, line {first.number}: {columns} columns; a list `{split}` has {expected[0]}, or {expected[1]} with an address "
            "(key, class name and so on with tabs between)."
        )
    return columns


def _class_names(path: Path, split: str, form: int, options: Mapping[str, Any], source: Path) -> list[str]:
    """Those of the option `class_list`, in its order; else those in the list, in natural order."""
    asked = options.get("class_list")
    if asked is None:
        return names_of_classes(path, split, form)
    place = Path(asked) if Path(asked).exists() else (source if source.is_dir() else source.parent) / asked
    return read_names(place, Findings())


def _images(path: Path, split: str, form: int, options: Mapping[str, Any], source: Path) -> tuple[Path, str]:
    """(root, prefix of the keys): the option's folder; else of the list's folder and `images` in it the one that has more of the first keys."""
    asked = options.get("images")
    if asked is not None:
        folder = Path(asked) if Path(asked).is_dir() else path.parent / asked
        if not folder.is_dir():
            raise ReweighError(f"No folder {folder} (option images).")
        return folder.resolve(), ""
    keys = [row.key.replace("\\", "/") for row in islice(read_rows(path, split, form, Findings()), PROBED)]
    there = {
        prefix: sum(is_file(path.parent / prefix / key) for key in keys if is_inside(key)) for prefix in ("", "images/")
    }
    return path.parent, max(there, key=lambda prefix: there[prefix])
