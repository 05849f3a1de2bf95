"""External sort: record batches in any order in, sorted by uid out, with memory for a block of each sorted run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reweigh.errors import ReweighError

RUN_ROWS = 262_144
"""Rows sorted in memory at a time and spilled as one run."""
READ_ROWS = 16_384
"""Rows of each run that are in memory while runs are merged."""


def spill_sorted(batches: Iterable[pa.RecordBatch], folder: Path, *, on_rows: Callable[[int], None]) -> list[Path]:
    """Write the batches as runs, each sorted by uid, into `folder`; on_rows(rows so far) after each batch."""
    runs: list[Path] = []
    waiting: list[pa.RecordBatch] = []
    rows = waiting_rows = 0
    for batch in batches:
        waiting.append(batch)
        waiting_rows += batch.num_rows
        rows += batch.num_rows
        on_rows(rows)
        if waiting_rows >= RUN_ROWS:
            runs.append(_spill(waiting, folder / f"run-{len(runs):05d}.arrow"))
            waiting, waiting_rows = [], 0
    if waiting_rows:
        runs.append(_spill(waiting, folder / f"run-{len(runs):05d}.arrow"))
    return runs


def merged(runs: list[Path]) -> Iterator[pa.Table]:
    """Tables whose rows, taken together, are all rows of the runs by ascending uid. Raises ReweighError for a uid twice."""
    streams = [_Stream(path) for path in runs]
    last: str | None = None
    while any(stream.table is not None for stream in streams):
        bound = min(stream.last() for stream in streams if stream.table is not None)
        taken = pa.concat_tables([stream.take(bound) for stream in streams if stream.table is not None])
        block = taken.take(pc.sort_indices(taken["uid"])) if len(streams) > 1 else taken
        last = _check_once(block, last)
        yield block.combine_chunks()


class _Stream:
    """One sorted run, read forward a block at a time; `table` is None at its end."""

    def __init__(self, path: Path) -> None:
        self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self._next = 0
        self.table: pa.Table | None = None
        self._advance()

    def last(self) -> str:
        assert self.table is not None
        return self.table["uid"][-1].as_py()

    def take(self, bound: str) -> pa.Table:
        """The rows with uid <= bound, which are then gone from here."""
        assert self.table is not None
        count = self.table.num_rows if self.last() <= bound else _count_up_to(self.table["uid"], bound)
        taken = self.table.slice(0, count)
        self.table = self.table.slice(count)
        if not self.table.num_rows:
            self._advance()
        return taken

    def _advance(self) -> None:
        self.table = None
        if self._next < self._reader.num_record_batches:
            self.table = pa.Table.from_batches([self._reader.get_batch(self._next)])
            self._next += 1


def _spill(batches: list[pa.RecordBatch], path: Path) -> Path:
    table = pa.Table.from_batches(batches)
    table = table.take(pc.sort_indices(table["uid"]))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=READ_ROWS)
    batches.clear()
    return path


def _count_up_to(uids: pa.ChunkedArray, bound: str) -> int:
    """How many of the ascending uids are <= bound."""
    low, high = 0, len(uids)
    while low < high:
        middle = (low + high) // 2
        if uids[middle].as_py() <= bound:
            low = middle + 1
        else:
            high = middle
    return low


def _check_once(block: pa.Table, last: str | None) -> str | None:
    """The block's last uid; an error for a uid that stands twice."""
    uids = block["uid"]
    if not len(uids):
        return last
    twice = None
    if last is not None and uids[0].as_py() == last:
        twice = last
    same = np.asarray(pc.equal(uids.slice(0, len(uids) - 1), uids.slice(1)).combine_chunks()) if len(uids) > 1 else np.zeros(0, bool)
    if same.any():
        twice = uids[int(np.flatnonzero(same)[0])].as_py()
    if twice is not None:
        raise ReweighError(f"uid {twice!r} stands twice; every image needs its own (two rows of one file? give the table a uid column).")
    return uids[-1].as_py()
