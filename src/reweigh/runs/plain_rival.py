"""The plainest verdict: a label is wrong where a prediction that has not seen the image names another class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.evaluation.judgements import Judgement
from reweigh.evidence.held_out import HeldOut
from reweigh.features.model_folder import load_model
from reweigh.features.store import open_features, unreadable_rows
from reweigh.metrics.accuracy import best_others
from reweigh.probes.linear import Head, predict
from reweigh.runs.recipe import Recipe
from reweigh.training.probe_training import read_baseline
from reweigh.whole_files import read_json

NO_OTHER = 1e9
"""Margin of an image where there is no other class: it is finite, as scores are squared."""


def rival_of_held_out(held_out: HeldOut, rows: NDArray[np.int64]) -> Judgement:
    """Of rows (n,) of the catalog; those without a held-out prediction have no verdict."""
    n = len(rows)
    other, margin = np.full(n, -1, np.int32), np.full(n, np.nan)
    at = np.searchsorted(held_out.rows, rows)
    known = np.flatnonzero(np.isin(rows, held_out.rows))
    own = at[known]
    other[known] = held_out.best_other[own]
    margin[known] = held_out.label_log_probability[own] - held_out.best_other_log_probability[own]
    return _judgement(other, margin)


def rival_of_plain_probe(
    run: Path, recipe: Recipe, rows: NDArray[np.int64], labels: NDArray[np.integer]
) -> Judgement | None:
    """Of rows (n,) that were not trained on, by the run's classifier without weights.

    None where the run has none (it was checked only, its network was finetuned, or `training.baseline` is off), has several
    rounds, or its features are gone.
    """
    head, pointer = _plain_head(run, recipe), run / "01-features" / "pointer.json"
    if head is None or recipe.rounds or not pointer.is_file():
        return None
    place = Path(read_json(pointer)["features"])
    folder = place if place.is_absolute() else run / place
    if not folder.is_dir():
        return None
    features = open_features(folder)
    other, margin = np.full(len(rows), -1, np.int32), np.full(len(rows), np.nan)
    known = np.flatnonzero(~np.isin(rows, unreadable_rows(features)))
    start = 0
    for block in predict(head, features, rows[known]):
        here = known[start : start + len(block)]
        start += len(block)
        second, value = best_others(block, labels[here])
        other[here], margin[here] = second, block[np.arange(len(block)), labels[here]] - value
    return _judgement(other, margin)


def _judgement(other: NDArray[np.int32], margin: NDArray[np.floating]) -> Judgement:
    """Flagged where the margin of the label over the best other class is negative; that class is suggested."""
    flagged = margin < 0
    ranking = np.minimum(margin, NO_OTHER)
    return Judgement(flagged=flagged, ranking=ranking, suggested_label=np.where(flagged, other, -1).astype(np.int32))


def _plain_head(run: Path, recipe: Recipe) -> Head | None:
    folder = run / "04-training"
    if not (folder / "training.json").is_file():
        return None
    trained = read_json(folder / "training.json")
    if trained["mode"] != "probe":
        return None  # its features are not those of the run
    if trained["weighted"]:
        return read_baseline(folder)
    return load_model(folder / "model", device=recipe.device, precision=recipe.precision)
