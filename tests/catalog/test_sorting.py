"""The external sort gives what a sort in memory gives, in whatever pieces the rows come."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.catalog import sorting
from reweigh.catalog.sorting import merged, spill_sorted
from reweigh.errors import ReweighError

uids = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=60, unique=True)


def sorted_in_runs(batches: list[list[str]], run_rows: int) -> list[tuple[str, int]]:
    """(uid, its place in the input) after the sort through files."""
    numbers = iter(range(10_000))
    made = [pa.record_batch({"uid": b, "at": [next(numbers) for _ in b]}, schema=SCHEMA) for b in batches]
    with tempfile.TemporaryDirectory() as folder:
        runs = spill_sorted(made, Path(folder), on_rows=lambda rows: None, run_rows=run_rows)
        return [(row["uid"], row["at"]) for table in merged(runs) for row in table.to_pylist()]


SCHEMA = pa.schema([("uid", pa.string()), ("at", pa.int64())])


@given(names=uids, size=st.integers(1, 20), run_rows=st.integers(1, 30), read_rows=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_rows_come_out_in_the_order_of_their_uids(names: list[str], size: int, run_rows: int, read_rows: int) -> None:
    batches = [names[start : start + size] for start in range(0, len(names), size)]
    before, sorting.READ_ROWS = sorting.READ_ROWS, read_rows
    try:
        found = sorted_in_runs(batches, run_rows)
    finally:
        sorting.READ_ROWS = before
    assert found == sorted((name, at) for at, name in enumerate(names))


@pytest.mark.parametrize("batches", [[["a", "a"]], [["a"], ["a"]], [["b", "a"], ["c", "a"]]])
@pytest.mark.parametrize("run_rows", [1, 100])
def test_a_uid_twice_is_found_within_and_across_runs(batches: list[list[str]], run_rows: int) -> None:
    with pytest.raises(ReweighError, match="uid 'a' stands twice"):
        sorted_in_runs(batches, run_rows)


def test_long_texts_end_a_run_before_its_rows_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "RUN_BYTES", 1000)
    batches = [pa.record_batch({"uid": [f"{i}" + "x" * 600]}) for i in range(6)]
    assert len(spill_sorted(batches, tmp_path, on_rows=lambda rows: None)) == 3


def test_no_row_is_no_run(tmp_path: Path) -> None:
    assert spill_sorted([], tmp_path, on_rows=lambda rows: None) == []
    assert list(merged([])) == []
