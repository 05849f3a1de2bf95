"""External sort: record batches in any order in, sorted by uid out, with memory for a block of each sorted run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reweigh.errors import ReweighError

RUN_ROWS = 262_144
RUN_BYTES = 128 << 20
"""Rows, or bytes of long texts, that are sorted in memory at a time and spilled as one run."""
READ_ROWS = 4_096
"""Rows of each run that are in memory while runs are merged: 64 runs (16 million rows) hold as much as one run."""


def spill_sorted(
    batches: Iterable[pa.RecordBatch], folder: Path, *, on_rows: Callable[[int], None], run_rows: int = RUN_ROWS
) -> list[Path]:
    """Write the batches as runs, each sorted by uid, into `folder`; on_rows(rows so far) after each batch."""
    runs: list[Path] = []
    waiting: list[pa.RecordBatch] = []
    rows = waiting_rows = waiting_bytes = 0
    for batch in batches:
        waiting.append(batch)
        waiting_rows += batch.num_rows
        waiting_bytes += batch.nbytes
        rows += batch.num_rows
        on_rows(rows)
        if waiting_rows >= run_rows or waiting_bytes >= RUN_BYTES:
            runs.append(_spill(waiting, folder / f"run-{len(runs):05d}.arrow"))
            waiting, waiting_rows, waiting_bytes = [], 0, 0
    if waiting_rows:
        runs.append(_spill(waiting, folder / f"run-{len(runs):05d}.arrow"))
    return runs


def merged(runs: list[Path], on_twice: Callable[[str, bool], None] | None = None) -> Iterator[pa.Table]:
    """Tables whose rows, taken together, are all rows of the runs by ascending uid, rows of one uid in the order they came.

    on_twice(uid, whether the labels agree) for a row whose uid an earlier one has: it is left out, the first counts. None: it
    raises ReweighError. All rows up to the smallest last uid of the blocks in memory can be handed out: no row still unread comes before them.
    """
    streams = [stream for stream in map(_open, runs) if stream.table is not None]
    last: pa.Table | None = None
    while streams:
        bound = min(_last(stream) for stream in streams)
        parts = [part for part in (_take(stream, bound) for stream in streams) if part.num_rows]
        streams = [stream for stream in streams if stream.table is not None]
        taken = pa.concat_tables(parts).combine_chunks()
        block = _sorted(taken) if len(parts) > 1 else taken
        block, last = _once(block, last, on_twice)
        if block.num_rows:
            yield block


@dataclass
class _Stream:
    """One sorted run, read forward a block at a time; `table` is None at its end."""

    blocks: Iterator[pa.Table]
    table: pa.Table | None


def _open(path: Path) -> _Stream:
    blocks = _blocks(path)
    return _Stream(blocks, next(blocks, None))


def _blocks(path: Path) -> Iterator[pa.Table]:
    # Read, not memory-mapped: the pages of a mapped file stay in memory as long as there is some.
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _last(stream: _Stream) -> str:
    assert stream.table is not None
    return stream.table["uid"][-1].as_py()


def _take(stream: _Stream, bound: str) -> pa.Table:
    """The rows with uid <= bound, which are then gone from the stream."""
    assert stream.table is not None
    count = stream.table.num_rows if _last(stream) <= bound else _count_up_to(stream.table["uid"], bound)
    taken = stream.table.slice(0, count)
    stream.table = stream.table.slice(count) if count < stream.table.num_rows else next(stream.blocks, None)
    return taken


def _spill(batches: list[pa.RecordBatch], path: Path) -> Path:
    table = _sorted(pa.Table.from_batches(batches).combine_chunks())
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=READ_ROWS)
    return path


def _sorted(table: pa.Table) -> pa.Table:
    """The rows by ascending uid; most sources list their images in that order already."""
    uids = table["uid"].combine_chunks()
    if len(uids) < 2 or pc.all(pc.less_equal(uids[:-1], uids[1:])).as_py():
        return table
    return table.take(pc.sort_indices(uids))


def _count_up_to(uids: pa.ChunkedArray, bound: str) -> int:
    """How many of the ascending uids are <= bound; Python orders texts as UTF-8 orders their bytes."""
    low, high = 0, len(uids)
    while low < high:
        middle = (low + high) // 2
        if uids[middle].as_py() <= bound:
            low = middle + 1
        else:
            high = middle
    return low


def _once(
    block: pa.Table, last: pa.Table | None, on_twice: Callable[[str, bool], None] | None
) -> tuple[pa.Table, pa.Table]:
    """(the block without rows whose uid stood before, its last row)."""
    uids = (block if last is None else pa.concat_tables([last, block]))["uid"].combine_chunks()
    again = np.asarray(pc.equal(uids[1:], uids[:-1])) if len(uids) > 1 else np.zeros(0, bool)
    if again.any():
        if on_twice is None:
            raise ReweighError(
                f"uid {uids[int(np.flatnonzero(again)[0])].as_py()!r} stands twice; every image needs its own "
                "(two rows of one file? give the table a uid column)."
            )
        block = _without_twice(block, last, np.concatenate([[False], again]), on_twice)
    return block, block.take([block.num_rows - 1]) if block.num_rows or last is None else last


def _without_twice(
    block: pa.Table, last: pa.Table | None, again: NDArray[np.bool_], on_twice: Callable[[str, bool], None]
) -> pa.Table:
    """The rows of `block` that are not `again` (of `last`, if there is one, and the block)."""
    joined = block if last is None else pa.concat_tables([last, block])
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(again))))
    labels = joined["label"].to_numpy()
    for row in np.flatnonzero(again).tolist():
        on_twice(joined["uid"][row].as_py(), bool(labels[row] == labels[first[row]]))
    kept = joined.filter(pa.array(~again))
    return kept if last is None else kept.slice(1)
