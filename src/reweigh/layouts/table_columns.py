"""A table's columns as ours: which is read from which, and the values of each kind in our types. No loop over rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reweigh.catalog.schema import IMAGE_SCHEMA, SPLITS
from reweigh.errors import ReweighError, nearest
from reweigh.layouts.split_names import SPLIT_OF

OURS = (*IMAGE_SCHEMA.names, "truth")
MADE = ("content",)
"""Columns of ours that are computed; a source's own of that name is kept as source_<name>."""
TRUE, FALSE = ("true", "1", "yes", "t", "y"), ("false", "0", "no", "f", "n")
TEXTS, TITLES = ("description", "source", "query", "group"), ("title", "caption", "text")


def map_columns(names: Sequence[str], given: Mapping[str, str], *, where: str) -> dict[str, str]:
    """Ours -> theirs: what the user mapped, then columns that bear our own names.

    Raises ReweighError for a name of ours that there is not, a column that the table lacks, and no file or label.
    """
    for ours, theirs in given.items():
        if ours not in OURS or ours in MADE:
            raise ReweighError(f"--column {ours}={theirs}: no column of ours is named {ours!r}.{nearest(ours, OURS)}")
        if theirs not in names:
            raise ReweighError(
                f"{where} has no column {theirs!r} for {ours}; it has: {', '.join(names)}.{nearest(theirs, names)}"
            )
    mapped = dict(given)
    for name in OURS:
        # Where the user names the checked class, a column `verified` of the source's own may mean something else;
        # and a column that the user maps to another of ours is that, not what its name says.
        displaced = name in MADE or name in given.values() or (name == "verified" and "verified_label" in given)
        if name in names and name not in mapped and not displaced:
            mapped[name] = name
    for needed in ("file", "label"):
        if needed not in mapped:
            raise ReweighError(
                f"{where} has no column {needed!r}; it has: {', '.join(names)}. Say which one it is: --column {needed}=THEIRS"
                f"{nearest(needed, names)}"
            )
    return mapped


def kept_columns(
    names: Sequence[str], columns: Mapping[str, str], given: Mapping[str, str], *, where: str
) -> dict[str, str]:
    """Further columns, name to keep each under -> theirs: their own name, or source_<name> where that is one of ours.

    A column that the user mapped is not kept a second time, unless its name is one of ours (`verified` as
    `source_verified`), so that none of our columns seems to vanish.
    """
    used = {theirs for ours, theirs in columns.items() if ours not in given or ours == theirs}
    kept: dict[str, str] = {}
    for name in names:
        if name in used or (name in given.values() and name not in OURS):
            continue
        ours = f"source_{name}" if name in OURS else name
        if ours in kept or (ours != name and ours in names):
            raise ReweighError(
                f"{where}: its column {name!r} would be kept as {ours!r}, which it has too; rename that one."
            )
        kept[ours] = name
    return kept


def texts_of(values: pa.Array, *, trim: bool = True) -> pa.Array:
    """The column as texts, by default without blanks around; empty ones are null."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type) and pc.all(pc.equal(pc.floor(values), values)).as_py() is not False:
        values = values.cast(pa.int64())  # whole numbers that a gap in a column of numbers made floats
    texts = values.cast(pa.string())
    texts = pc.utf8_trim_whitespace(texts) if trim else texts
    return pc.if_else(pc.equal(texts, ""), None, texts)


def kept_values(values: pa.Array) -> pa.Array:
    """A further column of the source in a type that does not change from block to block."""
    if pa.types.is_dictionary(values.type):
        return values.dictionary_decode()
    return values.cast(pa.string()) if pa.types.is_null(values.type) else values


def tags_of(values: pa.Array) -> pa.Array:
    """A list as it is, a text split at '|'; blanks around each tag and empty tags dropped, no tag at all is null."""
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        lists = values.cast(pa.list_(pa.string()))
    else:
        lists = pc.split_pattern(texts_of(values), "|")
    tags = pc.utf8_trim_whitespace(pc.list_flatten(lists))
    filled = np.asarray(pc.not_equal(tags, "").fill_null(False))
    row = np.asarray(pc.list_parent_indices(lists))[filled]
    sizes = np.bincount(row, minlength=len(lists))
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, tags.filter(pa.array(filled)), mask=pa.array(sizes == 0))


def splits_of(values: pa.Array, *, where: str, uids: pa.Array) -> pa.Array:
    """train, val or test, by those names or others in use; an empty one is train."""
    texts = pc.utf8_lower(texts_of(values)).fill_null("train").dictionary_encode()
    names = [SPLIT_OF.get(name, name) for name in texts.dictionary.to_pylist()]
    for number, name in enumerate(names):
        if name not in SPLITS:
            row = int(np.flatnonzero(np.asarray(texts.indices) == number)[0])
            raise ReweighError(f"{where}: split {name!r} of {uids[row].as_py()!r} is none of {', '.join(SPLITS)}.")
    return pa.array(names, pa.string()).take(texts.indices)


def numbers_of(values: pa.Array, kind: pa.DataType, *, column: str, where: str, uids: pa.Array) -> pa.Array:
    """Whole numbers; a value that is none is an error that names its image."""
    if not pa.types.is_integer(values.type):
        values = texts_of(values)
        is_bad = pc.invert(pc.match_substring_regex(values, r"^-?[0-9]{1,18}(\.0*)?$")).fill_null(False)
        if pc.any(is_bad).as_py():
            row = int(np.flatnonzero(np.asarray(is_bad))[0])
            raise ReweighError(
                f"{where}: {column} {values[row].as_py()!r} of {uids[row].as_py()!r} is no whole number."
            )
        values = pc.replace_substring_regex(values, r"\.0*$", "").cast(pa.int64())
    limits = np.iinfo(kind.to_pandas_dtype())
    fitting = values.cast(kind, safe=False)
    is_bad = pc.not_equal(fitting.cast(values.type, safe=False), values)
    if not pa.types.is_signed_integer(values.type):
        is_bad = pc.or_(is_bad, pc.less(fitting, 0))
    if pc.any(is_bad).as_py():
        row = int(np.flatnonzero(np.asarray(is_bad.fill_null(False)))[0])
        value = values[row].as_py()
        beyond = f"over {limits.max:,}" if value > 0 else f"below {limits.min:,}"
        raise ReweighError(f"{where}: {column} {value} of {uids[row].as_py()!r} is {beyond}.")
    return fitting


def ranks_of(values: pa.Array) -> tuple[pa.Array, int]:
    """(ranks of 1 or more, null where it was less; how many were below 0). A rank of 0 or -1 is how sources say "not known"."""
    n_negative = pc.sum(pc.less(values, 0)).as_py() or 0
    return pc.if_else(pc.less(values, 1), None, values), int(n_negative)


def flags_of(values: pa.Array, *, where: str, uids: pa.Array) -> pa.Array:
    """true, false or null of a column `verified`."""
    if pa.types.is_boolean(values.type):
        return values
    texts = pc.utf8_lower(texts_of(values)).dictionary_encode()
    names = texts.dictionary.to_pylist()
    for number, name in enumerate(names):
        if name not in TRUE + FALSE:
            row = int(np.flatnonzero(np.asarray(texts.indices.fill_null(-1)) == number)[0])
            raise ReweighError(
                f"{where}: verified {name!r} of {uids[row].as_py()!r} is neither true nor false; "
                "where it names the right class, map it: --column verified_label=verified"
            )
    return pa.array([name in TRUE for name in names], pa.bool_()).take(texts.indices)


def columns_beside(batch: pa.RecordBatch | pa.Table, *, leave: Collection[str]) -> dict[str, pa.Array]:
    """What a table of another library says beside file and label: our texts, tags, and further plain columns as they are.

    The title is the first of title, caption and text. Columns in `leave`, lists, records and bytes are left out.
    """
    names = [name for name in sorted(batch.schema.names) if name not in leave]
    title = next((name for name in TITLES if name in names), None)
    made: dict[str, pa.Array] = {}
    for name in names:
        values = batch.column(name)
        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        if name in TEXTS or name == title:
            made["title" if name == title else name] = texts_of(values)
        elif name == "tags":
            made[name] = tags_of(values)
        elif not pa.types.is_nested(values.type) and not pa.types.is_binary(values.type):
            made[f"source_{name}" if name in OURS else name] = kept_values(values)
    return made
