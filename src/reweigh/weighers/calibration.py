"""A score calibrated to a credibility: isotonic regression of a soft target on it, one curve for each source on request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.factor import Evidence, State

FLAT_P = 0.01
"""A score whose order goes with the target no more than chance does (p of Spearman's correlation) says nothing."""
FEWEST = 20
"""Rows that a curve needs."""


def fit_curves(
    score: NDArray[np.floating], target: NDArray[np.floating], parts: NDArray[np.integer] | None = None
) -> State:
    """Isotonic curves of the target on the score, rising or falling as the data says.

    score (n,), NaN = none; target (n,) in [0, 1]; parts (n,) >= 0: which curve a row belongs to (-1: a curve of its own);
    None: one for all. Never calibrate a score on a target made from itself: it becomes a step.
    Returns `part`, `score`, `value` (points of all curves, by part and score) and `known` (c, 3): part, number of
    rows, direction (1, -1; 0 = flat, the curve is its mean). A part of fewer than 20 rows, or flat, has no curve.
    """
    parts = np.zeros(len(score), np.int64) if parts is None else np.asarray(parts, np.int64)
    has_score = ~np.isnan(score)
    points: list[tuple[NDArray, NDArray, NDArray]] = []
    known = []
    for part, own in _by_part(parts, has_score):
        direction, x, y = _curve(score[own].astype(np.float64), target[own].astype(np.float64))
        points.append((np.full(len(x), part), x, y))
        known.append((part, len(own), direction))
    joined = [np.concatenate([p[i] for p in points]) if points else np.zeros(0) for i in range(3)]
    return {
        "part": joined[0].astype(np.int64),
        "score": joined[1],
        "value": joined[2],
        "known": np.array(known, np.int64).reshape(-1, 3),
    }


def apply_curves(
    state: State, score: NDArray[np.floating], parts: NDArray[np.integer] | None = None
) -> NDArray[np.float32]:
    """(n,) credibility of each score by its part's curve; NaN without a score, or where its part has no curve."""
    parts = np.zeros(len(score), np.int64) if parts is None else np.asarray(parts, np.int64)
    result = np.full(len(score), np.nan, np.float32)
    has_curve = {part for part, _, direction in state["known"].tolist() if direction}
    for part, rows in _by_part(parts, ~np.isnan(score)):
        if part in has_curve:
            points = slice(*np.searchsorted(state["part"], [part, part + 1]))
            result[rows] = np.interp(score[rows], state["score"][points], state["value"][points])
    return result


def _by_part(parts: NDArray[np.integer], kept: NDArray[np.bool_]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """(part, ascending rows of it that are kept), by part: there may be as many parts as there are hosts of a crawl."""
    rows = np.flatnonzero(kept)
    order = rows[np.argsort(parts[rows], kind="stable")]
    values, starts = np.unique(parts[order], return_index=True)
    yield from zip(values.tolist(), np.split(order, starts[1:])[: len(values)], strict=True)


def curve_facts(state: State, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """What became of each part's curve, as JSON: rows and `rising`, `falling`, `flat`, `too few`."""
    words = {1: "rising", -1: "falling", 0: "flat"}
    told = {}
    for part, n, direction in state["known"].tolist():
        name = names[part] if 0 <= part < len(names) else "all" if not names else "no source"
        told[name] = {"rows": n, "curve": "too few" if n < FEWEST else words[direction]}
    return {"curves": told}


def _curve(score: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[int, NDArray, NDArray]:
    """(direction, scores, values) of one isotonic curve's corners; direction 0 and no corners where it is flat."""
    from scipy.stats import spearmanr
    from sklearn.isotonic import IsotonicRegression

    empty = np.zeros(0)
    if len(score) < FEWEST or (score == score[0]).all() or (target == target[0]).all():
        return 0, empty, empty
    correlation = spearmanr(score, target)
    if not correlation.pvalue < FLAT_P:
        return 0, empty, empty
    direction = 1 if correlation.statistic > 0 else -1
    fitted = IsotonicRegression(increasing=direction > 0, out_of_bounds="clip").fit(score, target)
    return direction, fitted.X_thresholds_, fitted.y_thresholds_


def fit_score(score: NDArray[np.floating], evidence: Evidence, *, per_source: bool) -> State:
    """Curves of a score on the soft agreement of labels, from the rows that models may learn from."""
    images = evidence["images"]
    used = np.where(images.is_fitted, score, np.nan)
    return fit_curves(used, evidence["agreement"].share, images.source if per_source else None)


def weigh_score(
    score: NDArray[np.floating], evidence: Evidence, state: State, *, per_source: bool
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """(credibility (n,), facts) of a score by its curves."""
    images = evidence["images"]
    values = apply_curves(state, score, images.source if per_source else None)
    facts = curve_facts(state, images.source_names if per_source else ())
    return values, {**facts, "without_opinion": int(np.isnan(values).sum())}
