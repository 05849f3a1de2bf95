"""A run whose labels were judged, opened for an export: its verdicts block by block beside the catalog's own columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, is_catalog, read_classes, read_columns, read_labels
from reweigh.errors import ReweighError
from reweigh.progress import Progress, silent
from reweigh.runs.page import catalog_of_run
from reweigh.runs.reasons import UNREADABLE
from reweigh.runs.source import is_run
from reweigh.whole_files import read_json

VERDICTS = "verdicts.parquet"
BLOCK = 65_536
"""Rows in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class JudgedRun:
    """A run with verdicts on every labelled image of its catalog."""

    run: Path
    catalog: Catalog
    data: Path
    """What the run was made from"""
    names: tuple[str, ...]
    """Of the classes, by label"""
    verdicts: Path
    """verdicts.parquet of the last round"""
    held_out: Path
    """Folder of its held-out predictions"""
    n: int
    """Labelled images, each with a verdict"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some labelled rows, b of them."""

    rows: NDArray[np.int64]
    """(b,) of the catalog, ascending"""
    verdicts: pa.Table
    """b rows of verdicts.parquet"""
    own: pa.Table
    """b rows of the catalog: uid, label, and what was asked for"""
    is_unreadable: NDArray[np.bool_]
    """(b,) could not be read when it was judged"""


def judged_run(run: Path) -> JudgedRun:
    """The run, opened. Raises ReweighError for a folder that is none, and for a run without verdicts, saying how to get them."""
    if not is_run(run):
        raise ReweighError(
            f"{run} is not a run: there is no run.json in it. Make one with: reweigh check DATA -o {run}"
        )
    record = read_json(run / "run.json")
    data = Path(record["data"]["path"])
    if not is_catalog(run / "catalog") and not is_catalog(data):
        raise ReweighError(f"The run {run} was made from {data}, whose catalog is not there any more.")
    catalog = catalog_of_run(run)
    places = record.get("places", {})
    verdicts = run / places.get("verdicts", "03-verdicts") / VERDICTS
    if not verdicts.is_file():
        raise ReweighError(_no_verdicts(run, catalog, data))
    n = pq.read_metadata(verdicts).num_rows
    return JudgedRun(
        run=run, catalog=catalog, data=data, names=read_classes(catalog).names, verdicts=verdicts, n=n,
        held_out=run / places.get("evidence", {}).get("held_out", "02-evidence/held_out"),
    )  # fmt: skip


def _no_verdicts(run: Path, catalog: Catalog, data: Path) -> str:
    if catalog.k < 2:
        return f"The run {run} has one class, of which no label can be judged; add another class: reweigh check DATA"
    return (
        f"The run {run} has no verdicts yet (looked for {VERDICTS}): it was stopped, or an earlier version made it; "
        f"go on with: reweigh check {run}"
    )


def blocks(
    judged: JudgedRun, columns: Sequence[str] = (), *, stage: str, progress: Progress = silent
) -> Iterator[Block]:
    """All verdicts in the catalog's order, with these columns of the catalog beside them.

    Raises ReweighError where the verdicts are not on the catalog's labelled rows.
    """
    labelled = np.flatnonzero(read_labels(judged.catalog) >= 0)
    if len(labelled) != judged.n:
        raise _other_data(judged, f"{judged.n:,} verdicts, {len(labelled):,} labelled images")
    names = ["uid", "label", *columns]
    with pq.ParquetFile(judged.verdicts) as file:
        start = 0
        progress(stage, 0, judged.n)
        for batch in file.iter_batches(batch_size=BLOCK):
            rows = labelled[start : start + len(batch)]
            verdicts, own = pa.Table.from_batches([batch]), read_columns(judged.catalog, names, rows)
            _check_same(judged, verdicts, own)
            yield Block(rows=rows, verdicts=verdicts, own=own, is_unreadable=_is_unreadable(verdicts))
            start += len(batch)
            progress(stage, start, judged.n)


def _is_unreadable(verdicts: pa.Table) -> NDArray[np.bool_]:
    """(b,) no probability, for this reason; a readable one that nothing could be compared with has none either."""
    is_known = verdicts["probability_right"].is_valid().to_numpy()
    return np.asarray(~is_known & pc.equal(verdicts["reason"], UNREADABLE).to_numpy())


def _check_same(judged: JudgedRun, verdicts: pa.Table, own: pa.Table) -> None:
    for name in ("uid", "label"):
        ours, theirs = own[name].combine_chunks(), verdicts[name].combine_chunks()
        if not ours.equals(theirs):
            at = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
            raise _other_data(judged, f"{name} {theirs[at]} beside {ours[at]}")


def _other_data(judged: JudgedRun, found: str) -> ReweighError:
    return ReweighError(
        f"The verdicts of {judged.run} are not on the images of {judged.catalog.path} ({found}): the catalog was made anew; "
        f"judge it again: reweigh check {judged.data} -o NEW_FOLDER"
    )


def suggested(block: Block) -> NDArray[np.int32]:
    """(b,) suggested labels, -1 where there is none."""
    return number_or_none(block.verdicts["suggested_label"])


def number_or_none(column: pa.ChunkedArray) -> NDArray[np.int32]:
    """(b,) class numbers, -1 for null."""
    return np.asarray(column.fill_null(-1).to_numpy(), np.int32)
