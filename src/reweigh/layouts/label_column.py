"""The column of labels of another library's table, and the classes that it names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from reweigh.catalog.tables import plain_classes
from reweigh.errors import ReweighError, nearest
from reweigh.layouts.class_lists import ClassList, class_list_of, classes_of_labels, distinct
from reweigh.layouts.table_columns import texts_of

LABELS = ("label", "labels", "fine_label", "class", "category")
"""Names that such a column mostly has."""


def asked_column(asked: Any, names: Sequence[str], *, option: str, where: str) -> str | None:
    """The column that an option names; None where it is not given. Raises ReweighError for one that is not there."""
    if asked is None:
        return None
    if asked not in names:
        raise ReweighError(
            f"{where} has no column {asked!r} (option {option}); it has: {', '.join(names)}.{nearest(str(asked), names)}"
        )
    return str(asked)


def label_column(asked: Any, names: Sequence[str], *, where: str) -> str | None:
    """The column that the option `label` names, else the first of the usual ones; None: there is none."""
    return asked_column(asked, names, option="label", where=where) or next((n for n in LABELS if n in names), None)


def label_texts(values: pa.Array, *, column: str, where: str) -> pa.Array:
    """The labels as texts. Raises ReweighError for a column of lists or records: an image has one label here."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise ReweighError(
            f"{where}: column {column!r} holds {kind}, not one label an image, a text or a number; name another by --option label=COLUMN."
        )
    return texts_of(values)


def classes_of_column(parts: Iterable[pa.Array], column: str | None, *, where: str) -> ClassList:
    """The classes that the column's values name; `unlabelled` alone where there is no column."""
    if column is None:
        return class_list_of(plain_classes(("unlabelled",)))
    values: set[str] = set()
    for part in parts:
        values |= distinct(label_texts(part, column=column, where=where))
    return classes_of_labels(values, where=f"column {column!r} of {where}")


def labels_of(
    values: pa.Array | None, classes: ClassList, *, n: int, column: str | None, where: str, uids: pa.Array
) -> pa.Array:
    """(n,) int32 labels, -1 where there is none."""
    if values is None or column is None:
        return pa.array([-1] * n, pa.int32())
    texts = label_texts(values, column=column, where=where)
    return classes.labels(texts, column=column, where=where, uids=uids).fill_null(-1)
