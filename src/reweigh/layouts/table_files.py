"""CSV, JSON-lines and Parquet files as streams of record batches, a block of rows in memory at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json

from reweigh.errors import ReweighError
from reweigh.layouts.arrow_batches import explained, parquet_batches, parquet_schema, whole
from reweigh.layouts.whole_text import WholeText, opened

FORMS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
BLOCK_BYTES = 16 << 20


def form_of(path: Path) -> str | None:
    """csv, tsv, json or parquet by the file's ending, .gz apart; None: none of them."""
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    form = FORMS.get(Path(plain).suffix)
    return None if form == "parquet" and plain != name else form


def is_table(path: Path) -> bool:
    """Whether the file's ending is one of those that can be read."""
    return path.is_file() and form_of(path) is not None


def column_names(text: WholeText) -> list[str]:
    """The table's columns. Raises ReweighError for a file that is empty or not of the form that its ending says."""
    form = form_of(text.path)
    with explained(text.source, str(form)):
        names = list(parquet_schema(text.path).names) if form == "parquet" else _first(text)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ReweighError(f"{text.source} has two columns named {twice[0]!r}; rename one of them.")
    return names


def read_batches(text: WholeText, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Blocks of rows, of all columns or of these; in a CSV every value is a text, and an empty one is null."""
    form, path = form_of(text.path), text.path
    if form == "parquet":
        yield from parquet_batches(path, columns, rows=65_536)
        return
    with explained(text.source, str(form)):
        if form == "json":
            yield from whole(_read_json(text, columns))
        else:
            yield from _read_csv(path, columns, delimiter="\t" if form == "tsv" else ",")


def _first(text: WholeText) -> list[str]:
    form = form_of(text.path)
    if form == "json":
        return list(_json_schema(text).names)
    return _header(text.path, delimiter="\t" if form == "tsv" else ",")


def _header(path: Path, *, delimiter: str) -> list[str]:
    """The names in the first line of a CSV."""
    with opened(path) as file:
        line = file.readline()
    parse = pa_csv.ParseOptions(delimiter=delimiter)
    return list(pa_csv.read_csv(io.BytesIO(line), parse_options=parse).schema.names)


def _read_csv(path: Path, columns: Sequence[str] | None, *, delimiter: str) -> Iterator[pa.RecordBatch]:
    names = _header(path, delimiter=delimiter)
    convert = pa_csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        strings_can_be_null=True,
        null_values=[""],
        quoted_strings_can_be_null=True,
        include_columns=list(columns) if columns is not None else [],
    )
    parse = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = pa_csv.ReadOptions(block_size=BLOCK_BYTES)
    yield from pa_csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert)


def _read_json(text: WholeText, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    schema = _json_schema(text)
    options = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    for block in _line_blocks(text.path):
        table = pa_json.read_json(io.BytesIO(block), pa_json.ReadOptions(block_size=len(block) + 1), options)
        yield from (table if columns is None else table.select(list(columns))).combine_chunks().to_batches()


def _json_schema(text: WholeText) -> pa.Schema:
    """The columns of all lines: a first block may lack a column, or have nothing but null in it."""
    found: pa.Schema | None = None
    for block in _line_blocks(text.path):
        own = pa_json.read_json(io.BytesIO(block), pa_json.ReadOptions(block_size=len(block) + 1)).schema
        # what looks like a date is a text in our tables, and one that looks so in one block only would not fit the next
        own = pa.schema([f.with_type(pa.string()) if pa.types.is_temporal(f.type) else f for f in own])
        found = own if found is None else pa.unify_schemas([found, own], promote_options="permissive")
    if found is None:
        raise ReweighError(f"{text.source} holds no row.")
    return pa.schema([f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in found])


def _line_blocks(path: Path) -> Iterator[bytes]:
    """Whole lines, about BLOCK_BYTES at a time; blocks of blank lines are left out."""
    rest = b""
    with opened(path) as file:
        while data := file.read(BLOCK_BYTES):
            lines, newline, last = data.rpartition(b"\n")
            if newline:
                block, rest = rest + lines + newline, last
                if block.strip():
                    yield block.removeprefix(b"\xef\xbb\xbf")
            else:
                rest += data
    if rest.strip():
        yield rest.removeprefix(b"\xef\xbb\xbf")
