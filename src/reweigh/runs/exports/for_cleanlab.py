"""Files for cleanlab: its own columns, and the labels and held-out probabilities that its functions take."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.evidence.held_out import HeldOut, load_held_out
from reweigh.progress import Progress, silent
from reweigh.runs.exports.exported import Exported
from reweigh.runs.exports.judged_run import Block, JudgedRun, blocks, number_or_none
from reweigh.whole_files import whole_folder, write_json

ISSUES, LABELS, PROBABILITIES, CLASSES = "label_issues.parquet", "labels.npy", "pred_probs.npy", "class_names.json"
BYTES_AT_ONCE = 64 << 20
SCHEMA = pa.schema(
    [
        ("is_label_issue", pa.bool_()), ("label_quality", pa.float32()), ("given_label", pa.int64()), ("predicted_label", pa.int64()),
        ("uid", pa.string()), ("suggested_label", pa.int64()), ("probability_suggested", pa.float32()),
        ("none_of_the_classes", pa.bool_()), ("review_order", pa.int64()),
    ]
)  # fmt: skip
"""The four of `CleanLearning.find_label_issues`, then ours that it has no column for."""


def export_cleanlab(judged: JudgedRun, output: Path, *, progress: Progress = silent) -> Exported:
    """Write a folder whose rows are the labelled training images in the catalog's order, row i the same in every file:

    label_issues.parquet (cleanlab's columns), labels.npy (m,) int64, pred_probs.npy (m, k) float32, class_names.json.
    Images set aside have verdicts, but no held-out prediction, and are left out. Raises ReweighError where the disk is too small.
    """
    held_out = load_held_out(judged.held_out)
    at = np.flatnonzero(held_out.labels >= 0)
    m, k = len(at), held_out.k
    _check_room(output, m, k)
    with whole_folder(output) as partial:
        np.save(partial / LABELS, held_out.labels[at].astype(np.int64), allow_pickle=False)
        write_json(partial / CLASSES, list(judged.names))
        predicted = _write_probabilities(partial / PROBABILITIES, held_out, at, progress)
        n_wrong = _write_issues(partial / ISSUES, judged, held_out.rows[at], predicted, progress)
    return Exported(
        output=output,
        lines=(("images", f"{m:,} with held-out predictions, of {judged.n:,} with a verdict"), ("label issues", f"{n_wrong:,}")),
        notes=_notes(judged.n - m),
        open_with=(
            f'labels, pred_probs = np.load("{output / LABELS}"), np.load("{output / PROBABILITIES}", mmap_mode="r")',
            "cleanlab.filter.find_label_issues(labels=labels, pred_probs=pred_probs)",
            f'label_issues = pd.read_parquet("{output / ISSUES}")',
        ),
    )  # fmt: skip


def _notes(n_without: int) -> tuple[str, ...]:
    if not n_without:
        return ()
    return (
        f"{n_without:,} images of val and test, copies and unreadable ones have no held-out prediction and are left out",
    )


def _check_room(output: Path, m: int, k: int) -> None:
    needed = m * k * 4
    place = next(folder for folder in output.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise ReweighError(
            f"{PROBABILITIES} takes {needed / 2**30:,.1f} GiB ({m:,} images x {k:,} classes, as cleanlab wants them), {place} has "
            f"{free / 2**30:,.1f} GiB left; give an -o on a larger disk, or use --to csv."
        )


def _write_probabilities(path: Path, held_out: HeldOut, at: NDArray[np.int64], progress: Progress) -> NDArray[np.int32]:
    """Write (m, k) float32 a block at a time; (m,) the most probable class of each row, as it stands there."""
    m, k = len(at), held_out.k
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(m, k))
    predicted, step = np.empty(m, np.int32), max(BYTES_AT_ONCE // (4 * k), 1)
    for start in range(0, m, step):
        rows = at[start : start + step]
        block = replace(held_out.log_probabilities, chosen=rows).read(0, len(rows))
        np.minimum(np.exp(block, out=block), 1, out=block)  # rounding may end above 1, which cleanlab refuses
        made[start : start + len(rows)] = block
        predicted[start : start + len(rows)] = block.argmax(axis=1)
        progress("probabilities", start + len(rows), m)
    made.flush()
    return predicted


def _write_issues(
    path: Path, judged: JudgedRun, rows: NDArray[np.int64], predicted: NDArray[np.int32], progress: Progress
) -> int:
    """Write the table of these rows of the catalog, ascending; how many are flagged."""
    n_wrong, start = 0, 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for block in blocks(judged, stage="cleanlab", progress=progress):
            keep = np.isin(block.rows, rows, assume_unique=True)
            table = _issues(block, keep, predicted[start : start + int(keep.sum())])
            start += table.num_rows
            n_wrong += int(table["is_label_issue"].to_numpy().sum())
            writer.write_table(table)
    if start != len(rows):
        raise ReweighError(
            f"{len(rows) - start:,} held-out predictions of {judged.run} have no verdict: judge it again."
        )
    return n_wrong


def _issues(block: Block, keep: NDArray[np.bool_], predicted: NDArray[np.int32]) -> pa.Table:
    verdicts = block.verdicts.filter(pa.array(keep))
    columns = {
        "is_label_issue": verdicts["wrong"], "label_quality": verdicts["probability_right"], "given_label": verdicts["label"],
        "predicted_label": pa.array(predicted), **{name: verdicts[name] for name in SCHEMA.names[4:]},
    }  # fmt: skip
    columns["suggested_label"] = pa.array(
        number_or_none(verdicts["suggested_label"])
    )  # -1: none, as pandas would make it a float
    return pa.table(columns).cast(SCHEMA)
