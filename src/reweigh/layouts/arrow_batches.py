"""Tables of Arrow and Parquet a batch at a time; a damaged file is one line that names it, never a crash further on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reweigh.errors import ReweighError

CUT = " Is the download complete?"


@contextmanager
def explained(path: Path, form: str, *, hint: str = "") -> Iterator[None]:
    """Arrow's errors on a file, as one line that names it and what it was read as; `hint`: the likely cause."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as cause:
        reason = " ".join(str(cause).split())[:300]  # Arrow breaks its lines
        raise ReweighError(f"{path} cannot be read as {form}: {reason.removesuffix('.')}.{hint}") from cause


def whole(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, each checked first: Arrow itself trusts the offsets in a file, and a wrong one ends the process."""
    for batch in batches:
        batch.validate(full=True)
        yield batch


def parquet_schema(path: Path) -> pa.Schema:
    """The columns of a Parquet file. Raises ReweighError for a file that is none, or damaged."""
    with explained(path, "parquet", hint=CUT):
        return pq.read_schema(path)


def parquet_batches(path: Path, columns: Sequence[str] | None, *, rows: int) -> Iterator[pa.RecordBatch]:
    """At most `rows` rows at a time, of all columns or of these. Raises ReweighError for a damaged file and for texts that are no UTF-8."""
    with explained(path, "parquet", hint=CUT), pq.ParquetFile(path) as file:
        yield from whole(file.iter_batches(batch_size=rows, columns=None if columns is None else list(columns)))


def common_schema(schemas: Mapping[Path, pa.Schema]) -> pa.Schema:
    """Columns of files that belong together, each in a type that all its values fit: numbers, else texts; of nothing but null: texts.

    A column that is a dictionary is taken for its values. Raises ReweighError for a file with other columns, naming it.
    """
    (first, one), *others = schemas.items()
    for path, other in others:
        if set(other.names) != set(one.names):
            raise ReweighError(
                f"{path} has the columns {', '.join(other.names)}, {first.name} {', '.join(one.names)}; they must be equal."
            )
    return pa.schema(
        [
            (name, _common_type(name, {path: own.field(name).type for path, own in schemas.items()}))
            for name in one.names
        ]
    )


def as_schema(table: pa.Table | pa.RecordBatch, schema: pa.Schema) -> Any:
    """The columns of `common_schema`, in its order, in its types; records and lists stay as they are."""
    columns = [_cast(table.column(name), schema.field(name).type) for name in schema.names]
    return type(table).from_arrays(columns, names=schema.names)


def _common_type(name: str, kinds: Mapping[Path, pa.DataType]) -> pa.DataType:
    known: dict[pa.DataType, Path] = {}
    forms: dict[str, pa.DataType] = {}
    for path, given in kinds.items():
        kind = given.value_type if pa.types.is_dictionary(given) else given
        if not pa.types.is_null(kind):
            known.setdefault(kind, path)
            forms.setdefault(_form(kind), kind)
    if len(known) < 2:
        return next(iter(known), pa.string())
    if len(forms) > 1:
        one, other, *_ = forms.values()
        raise ReweighError(
            f"Column {name!r} is {one} in {known[one]} and {other} in {known[other]}; files of one set must agree."
        )
    if "bytes" in forms:
        return pa.large_binary()
    if "plain" not in forms:
        return next(iter(known))
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in known):
        return pa.float64() if any(pa.types.is_floating(kind) for kind in known) else pa.int64()
    return pa.string()


def _form(kind: pa.DataType) -> str:
    """What no cast leads out of: a record, a list, bytes; plain values become texts."""
    if pa.types.is_struct(kind):
        return "record"
    if pa.types.is_nested(kind):
        return "list"
    return (
        "bytes"
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
        else "plain"
    )


def _cast(values: Any, kind: pa.DataType) -> Any:
    if pa.types.is_dictionary(values.type):
        values = (
            values.cast(values.type.value_type) if isinstance(values, pa.ChunkedArray) else values.dictionary_decode()
        )
    return values if values.type == kind or pa.types.is_nested(values.type) else values.cast(kind, safe=False)
