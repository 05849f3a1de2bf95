"""CSV, JSON-lines and Parquet files as streams of record batches, a block of rows in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from reweigh.errors import ReweighError

FORMS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
BLOCK_BYTES = 16 << 20


def is_table(path: Path) -> bool:
    """Whether the file's ending is one of those that can be read."""
    return path.is_file() and path.suffix.lower() in FORMS


def column_names(path: Path) -> list[str]:
    """The table's columns. Raises ReweighError for a file that is empty or not of the form that its ending says."""
    form = FORMS[path.suffix.lower()]
    if form == "parquet":
        with _explained(path):
            return list(pq.read_schema(path).names)
    with _explained(path):
        return list(next(read_batches(path)).schema.names)


def read_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Blocks of rows, of all columns or of these; in a CSV every value is a text, and an empty one is null."""
    form = FORMS[path.suffix.lower()]
    with _explained(path):
        if form == "parquet":
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=65_536, columns=None if columns is None else list(columns))
        elif form == "json":
            options = pa_json.ReadOptions(block_size=BLOCK_BYTES)
            for batch in pa_json.open_json(path, read_options=options):
                yield batch if columns is None else batch.select(list(columns))
        else:
            yield from _read_csv(path, columns, delimiter="\t" if form == "tsv" else ",")


def _read_csv(path: Path, columns: Sequence[str] | None, *, delimiter: str) -> Iterator[pa.RecordBatch]:
    parse = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = pa_csv.ReadOptions(block_size=BLOCK_BYTES)
    names = pa_csv.open_csv(path, read_options=read, parse_options=parse).schema.names
    convert = pa_csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        strings_can_be_null=True,
        null_values=[""],
        quoted_strings_can_be_null=True,
        include_columns=list(columns) if columns is not None else [],
    )
    yield from pa_csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert)


class _explained:
    """Arrow's errors on a file, as one line that names it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StopIteration):
            raise ReweighError(f"{self._path} holds no row.") from error
        if isinstance(error, pa.ArrowInvalid | pa.ArrowTypeError | UnicodeDecodeError):
            reason = " ".join(str(error).split())[:300]
            raise ReweighError(f"{self._path} cannot be read as {FORMS[self._path.suffix.lower()]}: {reason}") from error
