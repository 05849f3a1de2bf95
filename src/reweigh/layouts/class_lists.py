"""Classes of a table: from a `classes.csv` beside it, else from the labels themselves."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reweigh.catalog.tables import Classes, plain_classes
from reweigh.errors import ReweighError, nearest
from reweigh.layouts.csv_rows import read_csv_rows
from reweigh.layouts.image_names import natural_order

ALIASES = {
    "label": ("label", "index", "class_id"),
    "name": ("name", "class", "class_name"),
    "synset": ("synset", "wnid"),
    "words": ("words", "synonyms", "lemmas"),
    "description": ("description", "gloss", "definition"),
}
SMALL, MOST_UNUSED = 10_000, 20
"""Labels may run to 10,000, or to 20 times as many as there are; beyond, they are ids, not numbers of classes."""


@dataclass(frozen=True, kw_only=True)
class ClassList:
    """Classes, and the label that each text in a table stands for."""

    classes: Classes
    label_of: dict[str, int]

    def labels(self, texts: pa.Array, *, column: str, where: str, uids: pa.Array) -> pa.Array:
        """int32 labels of a column of texts, null where it is null; errors name the image and the nearest class."""
        encoded = texts.dictionary_encode()
        values = [self._label(text) for text in encoded.dictionary.to_pylist()]
        unknown = {i for i, value in enumerate(values) if value is None}
        if unknown:
            row = int(np.flatnonzero(np.isin(np.asarray(encoded.indices.fill_null(-1)), list(unknown)))[0])
            text, k = texts[row].as_py(), len(self.classes.names)
            names = self.classes.names
            expected = (
                f"labels are 0..{k - 1}, and -1 is none." if _as_number(text) is not None else f"there are {k} classes."
            )
            if names.count(text) > 1:
                expected = f"{names.count(text)} classes have that name: use the class's number."
            hint = nearest(text, names)
            raise ReweighError(f"{where}: {column} {text!r} of {uids[row].as_py()!r} is no class; {expected}{hint}")
        return pa.array(values, pa.int32()).take(encoded.indices)

    def _label(self, text: str) -> int | None:
        if text in self.label_of:
            return self.label_of[text]
        number = _as_number(text)
        return number if number is not None and -1 <= number < len(self.classes.names) else None


def read_class_list(path: Path) -> ClassList:
    """classes.csv: a row a class, in the order of their labels unless a column `label` (or `index`) says otherwise.

    Raises ReweighError for a file without a name column, a class without a name, and labels that are not 0..k-1.
    """
    rows = read_csv_rows(path, what="class")
    found = {ours: next((a for a in names if a in rows[0]), None) for ours, names in ALIASES.items()}
    name = found["name"] or found["synset"]
    if name is None:
        raise ReweighError(
            f"{path} has no column for the classes' names; looked for {', '.join(ALIASES['name'])}; found {', '.join(rows[0])}."
        )
    if found["label"]:
        rows = _ordered(path, rows, found["label"])
    names = [row[name] for row in rows]
    if not all(names):
        raise ReweighError(f"{path}: class {names.index('')} has no {name}.")
    used = {column for column in found.values() if column}
    extra = [{key: value for key, value in row.items() if key not in used} for row in rows]
    column = {
        ours: [row[theirs] or None for row in rows] if theirs else [None] * len(rows) for ours, theirs in found.items()
    }
    classes = Classes(
        names=tuple(names), synsets=tuple(column["synset"]), descriptions=tuple(column["description"]),
        words=tuple(tuple((w or own.replace("_", " ")).split(", ")) for w, own in zip(column["words"], names, strict=True)),
        extra=tuple(json.dumps(e, ensure_ascii=False) if e else None for e in extra),
    )  # fmt: skip
    return class_list_of(classes)


def classes_of_labels(values: Iterable[str], *, where: str) -> ClassList:
    """The classes that a table's labels name: 0..largest where all are whole numbers, else the names in natural order."""
    texts = {value for value in values if value is not None and value != "-1"}
    if not texts:
        raise ReweighError(f"{where} has no label at all: every row is empty or -1.")
    numbers = [_as_number(text) for text in texts]
    if all(number is not None for number in numbers):
        whole = [n for n in numbers if n is not None]
        if min(whole) < 0 or max(whole) >= max(MOST_UNUSED * len(whole), SMALL):
            raise ReweighError(
                f"{where}: {len(whole):,} different labels run from {min(whole)} to {max(whole)}; they must be 0..k-1 (-1: none) "
                "or class names. Where they are the source's own numbers, list the classes in a classes.csv beside it."
            )
        names: Sequence[str] = [str(number) for number in range(max(whole) + 1)]
    else:
        names = sorted(texts, key=natural_order)
    classes = plain_classes(names)
    return class_list_of(classes)


def class_list_of(classes: Classes) -> ClassList:
    """The classes, found by their names, synsets and numbers."""
    return ClassList(classes=classes, label_of=_label_of(classes))


def _label_of(classes: Classes) -> dict[str, int]:
    """Names, then synsets, of the classes that they name alone."""
    found: dict[str, int] = {}
    for texts in (classes.synsets, classes.names):
        times = Counter(texts)
        found |= {text: label for label, text in enumerate(texts) if text is not None and times[text] == 1}
    return found


def _ordered(path: Path, rows: list[dict[str, str]], column: str) -> list[dict[str, str]]:
    numbers = [_as_number(row[column]) for row in rows]
    if sorted(n for n in numbers if n is not None) != list(range(len(rows))):
        raise ReweighError(
            f"{path}: column {column!r} must hold 0..{len(rows) - 1}, each once; found {', '.join(r[column] for r in rows[:5])} ..."
        )
    order: NDArray[np.int64] = np.argsort(np.array(numbers))
    return [rows[i] for i in order]


def _as_number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def distinct(column: pa.ChunkedArray | pa.Array) -> set[str]:
    """The texts of a column, without null."""
    return set(pc.unique(column).drop_null().to_pylist())
