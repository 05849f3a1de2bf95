"""Layout `table`: a CSV, JSON-lines or Parquet file with a row an image, under the catalog's column names or mapped to them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reweigh.catalog.schema import IMAGE_SCHEMA, SPLITS
from reweigh.catalog.tables import Catalog, ImageLocation
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError, nearest
from reweigh.images.tar_members import Member, read_members
from reweigh.layouts.class_lists import ClassList, classes_of_labels, distinct, read_class_list
from reweigh.layouts.content import MISSING, hash_images, hashing
from reweigh.layouts.table_files import column_names, is_table, read_batches
from reweigh.progress import Progress, silent

NUMBERS = {"rank": pa.int32(), "offset": pa.int64(), "length": pa.int64()}
TRUE, FALSE = ("true", "1", "yes", "t", "y"), ("false", "0", "no", "f", "n")
SPLIT_NAMES = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"}
OURS = (*IMAGE_SCHEMA.names,)
MADE = ("content",)
"""Columns of ours that are computed; a source's own of that name is kept as source_<name>."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table to index, its columns mapped onto ours, its classes known."""

    path: Path
    columns: Mapping[str, str]
    """Ours -> theirs."""
    extra: Mapping[str, str]
    """Name that a further column is kept under -> theirs."""
    classes: ClassList
    members: Mapping[str, tuple[str, Member]] | None
    """Name of an image -> its tar and place there; None: images are files."""
    is_hashed: bool
    skipped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def index_table(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """A table with at least the columns file and label; the docstring of each rule stands where it is applied.

    Options: `columns` {ours: theirs}, `tar` [paths], `hash` (False: the images are not touched).
    Raises ReweighError for a column that is not there, a label that is no class, and images of which most are missing.
    """
    names = column_names(source)
    columns = _mapped(source, names, dict(options.get("columns", {})))
    table = Table(
        path=source, columns=columns, extra=_kept(names, columns, options.get("columns", {})), classes=_classes(source, columns),
        members=_members(source, options.get("tar", ())), is_hashed=options.get("hash", True),
    )  # fmt: skip
    seen = [0]
    return write_catalog(
        output, _batches(table, seen), table.classes.classes, layout="table", options=options, root=source.parent, skipped=table.skipped,
        progress=progress,
    )  # fmt: skip


def is_table_layout(source: Path) -> bool:
    """Whether this is a file that can be read as a table."""
    return is_table(source)


def _mapped(source: Path, names: list[str], given: dict[str, str]) -> dict[str, str]:
    """Ours -> theirs: what the user mapped, then columns that bear our own names."""
    for ours, theirs in given.items():
        if ours not in OURS:
            raise ReweighError(f"--column {ours}={theirs}: no column of ours is named {ours!r}.{nearest(ours, OURS)}")
        if theirs not in names:
            raise ReweighError(f"{source} has no column {theirs!r} for {ours}; it has: {', '.join(names)}.{nearest(theirs, names)}")
    mapped = dict(given)
    for name in OURS:
        if name in names and name not in mapped and name not in MADE and not (name == "verified" and "verified_label" in given):
            mapped[name] = name
    for needed in ("file", "label"):
        if needed not in mapped:
            raise ReweighError(
                f"{source} has no column {needed!r}; it has: {', '.join(names)}. Say which one it is: --column {needed}=THEIRS"
                f"{nearest(needed, names)}"
            )
    return mapped


def _kept(names: list[str], columns: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Further columns under the name they are kept by: their own, or source_<name> where it is one of ours."""
    used = {theirs for ours, theirs in columns.items() if ours not in given}
    kept = {}
    for name in names:
        if name in used or (name in given.values() and name not in OURS):
            continue
        if name in given and given[name] == name:
            continue
        kept[f"source_{name}" if name in OURS else name] = name
    return kept


def _classes(source: Path, columns: Mapping[str, str]) -> ClassList:
    """classes.csv beside the table where there is one, else the labels and checked labels themselves."""
    beside = source.parent / "classes.csv"
    if beside.is_file() and beside != source:
        return read_class_list(beside)
    wanted = [columns[name] for name in ("label", "verified_label") if name in columns]
    values: set[str] = set()
    for batch in read_batches(source, sorted(set(wanted))):
        for name in batch.schema.names:
            values |= distinct(_text(batch.column(name)))
    return classes_of_labels(values, where=str(source))


def _members(source: Path, tars: Any) -> dict[str, tuple[str, Member]] | None:
    """Image name -> tar (relative to the table where it lies below it) and place."""
    if not tars:
        return None
    members: dict[str, tuple[str, Member]] = {}
    for tar in tars:
        path = Path(tar).resolve()
        inside = path.is_relative_to(source.parent)
        named = str(path.relative_to(source.parent) if inside else path)
        for member in read_members(path):
            members[member.name] = (named, member)
    return members


def _batches(table: Table, seen: list[int]) -> Iterator[pa.RecordBatch]:
    with hashing() as pool:
        for batch in read_batches(table.path):
            made = _columns(table, batch)
            seen[0] += batch.num_rows
            yield _without_missing(table, made, pool)
    missing = len(table.skipped.get(MISSING, ()))
    if missing * 2 > seen[0]:
        where = "in the tar" if table.members is not None else f"below {table.path.parent}"
        raise ReweighError(f"{missing:,} of {seen[0]:,} images of {table.path} are not there, e.g. {table.skipped[MISSING][0]}: looked {where}.")


def _columns(table: Table, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch under our names and types."""
    made: dict[str, pa.Array] = {}
    where = str(table.path)
    files = _text(batch.column(table.columns["file"]))
    if files.null_count:
        row = int(np.flatnonzero(np.asarray(files.is_null()))[0])
        raise ReweighError(f"{where}: a row has no file (row {row + 1} of its block: {batch.slice(row, 1).to_pylist()[0]}).")
    files = pc.replace_substring(files, "\\", "/")
    made["uid"] = _text(batch.column(table.columns["uid"])) if "uid" in table.columns else files
    made["file"] = files
    for name in ("label", "verified_label"):
        if name in table.columns:
            texts = _text(batch.column(table.columns[name]))
            made[name] = table.classes.labels(texts, column=name, where=where, uids=made["uid"])
    made["label"] = made["label"].fill_null(-1)
    made["split"] = _splits(table, batch, made["uid"])
    for name, kind in NUMBERS.items():
        if name in table.columns:
            made[name] = _numbers(batch.column(table.columns[name]), kind, name, where, made["uid"])
    for name in ("source", "query", "title", "description", "group"):
        if name in table.columns:
            made[name] = _text(batch.column(table.columns[name]))
    if "tags" in table.columns:
        made["tags"] = _tags(batch.column(table.columns["tags"]))
    made["verified"] = _verified(table, batch, made, where)
    for name, theirs in table.extra.items():
        made[name] = batch.column(theirs)
    return pa.record_batch(made)


def _splits(table: Table, batch: pa.RecordBatch, uids: pa.Array) -> pa.Array:
    if "split" not in table.columns:
        return pa.array(["train"] * batch.num_rows, pa.string())
    texts = pc.utf8_lower(_text(batch.column(table.columns["split"])).fill_null("train")).dictionary_encode()
    names = [SPLIT_NAMES.get(text, text) for text in texts.dictionary.to_pylist()]
    for number, name in enumerate(names):
        if name not in SPLITS:
            row = int(np.flatnonzero(np.asarray(texts.indices) == number)[0])
            raise ReweighError(f"{table.path}: split {name!r} of {uids[row].as_py()!r} is none of {', '.join(SPLITS)}.")
    return pa.array(names, pa.string()).take(texts.indices)


def _numbers(values: pa.Array, kind: pa.DataType, name: str, where: str, uids: pa.Array) -> pa.Array:
    """Whole numbers; a text that is none is an error that names its image. A rank under 1 is no rank."""
    try:
        made = values.cast(pa.float64()).cast(kind)
    except pa.ArrowInvalid as cause:
        texts = _text(values).to_pylist()
        row = next(i for i, text in enumerate(texts) if text is not None and not text.strip().lstrip("-").isdigit())
        raise ReweighError(f"{where}: {name} {texts[row]!r} of {uids[row].as_py()!r} is no whole number.") from cause
    return pc.if_else(pc.less(made, 1), None, made) if name == "rank" else made


def _tags(values: pa.Array) -> pa.Array:
    """A list as it is; a text split at '|', blanks around and empty tags dropped."""
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return values.cast(pa.list_(pa.string()))
    return pa.array([None if v is None else [t.strip() for t in v.split("|") if t.strip()] for v in _text(values).to_pylist()], pa.list_(pa.string()))


def _verified(table: Table, batch: pa.RecordBatch, made: Mapping[str, pa.Array], where: str) -> pa.Array:
    """Whether a person found the label right: follows from verified_label where that is given, else as the source says."""
    if "verified_label" in made:
        return pc.equal(made["label"], made["verified_label"])
    if "verified" not in table.columns:
        return pa.nulls(batch.num_rows, pa.bool_())
    values = batch.column(table.columns["verified"])
    if pa.types.is_boolean(values.type):
        return values
    texts = pc.utf8_lower(_text(values)).to_pylist()
    bad = next((i for i, t in enumerate(texts) if t is not None and t not in TRUE + FALSE), None)
    if bad is not None:
        raise ReweighError(
            f"{where}: verified {texts[bad]!r} of {made['uid'][bad].as_py()!r} is neither true nor false; "
            "where it names the right class, map it: --column verified_label=verified"
        )
    return pa.array([None if t is None else t in TRUE for t in texts], pa.bool_())


def _without_missing(table: Table, batch: pa.RecordBatch, pool: Any) -> pa.RecordBatch:
    """The batch with places in tars and hashes of bytes, without rows whose image is not there."""
    files = batch.column("file").to_pylist()
    if table.members is not None:
        found = [table.members.get(name.removeprefix("./")) for name in files]
        batch, files = _keep(table, batch, [place is not None for place in found], [MISSING] * len(files))
        places = [place for place in found if place is not None]
        batch = _set(batch, "file", pa.array([tar for tar, _ in places], pa.string()))
        batch = _set(batch, "offset", pa.array([member.offset for _, member in places], pa.int64()))
        batch = _set(batch, "length", pa.array([member.length for _, member in places], pa.int64()))
        files = [tar for tar, _ in places]
    if not table.is_hashed or not batch.num_rows:
        return batch
    has_range = "offset" in batch.schema.names
    offsets = batch.column("offset").to_pylist() if has_range else [None] * len(files)
    lengths = batch.column("length").to_pylist() if has_range else [None] * len(files)
    root = table.path.parent
    locations = [ImageLocation(root / os.path.expanduser(f), o, n) for f, o, n in zip(files, offsets, lengths, strict=True)]
    hashes = hash_images(pool, locations)
    batch = _set(batch, "content", pa.array([value for value, _ in hashes], pa.string()))
    return _keep(table, batch, [value is not None for value, _ in hashes], [reason for _, reason in hashes])[0]


def _keep(table: Table, batch: pa.RecordBatch, kept: list[bool], reasons: list[str]) -> tuple[pa.RecordBatch, list[str]]:
    if not all(kept):
        for uid, keep, reason in zip(batch.column("uid").to_pylist(), kept, reasons, strict=True):
            if not keep:
                table.skipped[reason].append(uid)
        batch = batch.filter(pa.array(kept, pa.bool_()))
    return batch, batch.column("file").to_pylist()


def _set(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    columns = {n: batch.column(n) for n in batch.schema.names}
    columns[name] = values
    return pa.record_batch(columns)


def _text(values: pa.Array) -> pa.Array:
    """The column as texts without blanks around; empty ones are null."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        values = values.cast(pa.int64())  # whole numbers that a gap in a column of numbers made floats
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    return pc.if_else(pc.equal(texts, ""), None, texts)
