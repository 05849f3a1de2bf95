"""Tables of Arrow and Parquet a batch at a time; a damaged file is one line that names it, never a crash further on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

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
