"""verdicts.csv: the verdicts with class names, first the ones to look at first, for a spreadsheet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, read_classes, read_columns, read_labels
from reweigh.errors import ReweighError
from reweigh.progress import Progress, silent

BLOCK = 65_536
"""Rows in memory at a time."""
CLASS_COLUMNS = ("label", "suggested_label", "also_plausible")
SHARE_COLUMNS = ("probability_right", "probability_suggested")
COLUMNS = (
    "uid", "split", "label", "wrong", "probability_right", "suggested_label", "probability_suggested", "also_plausible",
    "none_of_the_classes", "review_order", "reason",
)  # fmt: skip
WHERE_FILLED = ("source", "query", "rank")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # without it a spreadsheet may take UTF-8 for the code page of its country
FORMULA = "^(\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\\t\\r\\n])"
"""How a cell starts that a spreadsheet runs instead of showing it; the full-width signs count in some of them."""


def write_verdicts_csv(verdicts: Path, catalog: Catalog, output: Path, *, progress: Progress = silent) -> None:
    """Write the verdicts of a verdicts.parquet for a spreadsheet, ordered by `review_order`, whole or not at all.

    Classes by name; shares with four decimals; source, query and rank where the catalog has them. UTF-8 with a byte order
    mark. A text that a spreadsheet would run as a formula gets an apostrophe before it. Memory is that of 65,536 rows and
    of the labels: rows are dealt out to files by their place in the order first, and each file is sorted by itself.
    """
    file = pq.ParquetFile(verdicts)
    names = [*COLUMNS, *(name for name in WHERE_FILLED if _is_filled(catalog, name))]
    n_parts = -(-max(file.metadata.num_rows, 1) // BLOCK)
    partial = output.with_name(f"{output.name}.partial")
    with _scratch(output.with_name(f"{output.name}.work")) as scratch:
        parts = [scratch / f"{number}.arrow" for number in range(n_parts)]
        _deal_out(_rows(file, catalog, names), parts)
        with partial.open("wb") as made:
            made.write(BYTE_ORDER_MARK + (",".join(names) + "\n").encode())
            for number, part in enumerate(parts, start=1):
                _append(part, made)
                progress("verdicts.csv", number, n_parts)
    partial.replace(output)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder for the block; what a killed process left there is thrown away."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _rows(file: pq.ParquetFile, catalog: Catalog, names: Sequence[str]) -> Iterator[pa.Table]:
    """The table block by block, in the catalog's order."""
    labelled = np.flatnonzero(read_labels(catalog) >= 0)
    if len(labelled) != file.metadata.num_rows:
        raise ReweighError(
            f"{catalog.path} has {len(labelled):,} labelled images, the verdicts are on {file.metadata.num_rows:,}; "
            "they belong to other data."
        )
    classes = pa.array(read_classes(catalog).names, pa.string())
    start = 0
    for batch in file.iter_batches(batch_size=BLOCK):
        rows = labelled[start : start + len(batch)]
        start += len(batch)
        yield _block(pa.Table.from_batches([batch]), catalog, rows, classes, names)


def _block(
    verdicts: pa.Table, catalog: Catalog, rows: NDArray[np.int64], classes: pa.Array, names: Sequence[str]
) -> pa.Table:
    """Some verdicts with their columns of the catalog, as cells that can be shown."""
    own = read_columns(catalog, [name for name in names if name not in verdicts.column_names], rows)
    columns = {name: verdicts[name] if name in verdicts.column_names else own[name] for name in names}
    for name in CLASS_COLUMNS:
        columns[name] = pc.take(classes, columns[name].combine_chunks())
    for name in SHARE_COLUMNS:
        columns[name] = pc.round(columns[name].cast(pa.float64()), 4)
    for name, values in columns.items():
        if pa.types.is_string(values.type):
            columns[name] = harmless(values)
    return pa.table(columns)


def harmless(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The texts, with an apostrophe before each that a spreadsheet would run as a formula."""
    return pc.replace_substring_regex(texts, pattern=FORMULA, replacement="'\\1")


def _deal_out(blocks: Iterator[pa.Table], parts: Sequence[Path]) -> None:
    """Each row to the file that its `review_order` belongs in."""
    with ExitStack() as open_files:
        writers: dict[int, pa.RecordBatchStreamWriter] = {}
        for table in blocks:
            place = (table["review_order"].to_numpy() - 1) // BLOCK
            for number in np.unique(place):
                if number not in writers:
                    writers[number] = open_files.enter_context(pa.ipc.new_stream(str(parts[number]), table.schema))
                writers[number].write_table(table.filter(pa.array(place == number)))


def _append(part: Path, made: pa.NativeFile) -> None:
    """The rows of one file in their order."""
    if not part.exists():
        return
    with pa.ipc.open_stream(str(part)) as stream:
        table = stream.read_all().sort_by("review_order")
    pyarrow.csv.write_csv(table, made, pyarrow.csv.WriteOptions(include_header=False))


def _is_filled(catalog: Catalog, name: str) -> bool:
    """Whether any image of the catalog has a value in this column."""
    counted = catalog.counts["sources"] if name == "source" else catalog.counts["filled"].get(name, 0)
    return bool(counted)
