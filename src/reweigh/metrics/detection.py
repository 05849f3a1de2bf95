"""How well a score finds wrong labels. Scores (n,): high = more probably right; ties as scikit-learn counts them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

Interval = tuple[float, float]
Counts = NDArray[np.integer]
"""(..., 2, g) rows of each of g score levels, ascending: [..., 0, :] wrong, [..., 1, :] right."""

N_LEVELS = 4096
"""Draws are made from this many score levels at most, so that their cost does not grow with the rows."""
DRAW_BYTES = 16 << 20
"""Counts of one block of draws take at most this."""


@dataclass(frozen=True, kw_only=True)
class DetectionFigures:
    """How well one score tells right labels from wrong ones; NaN where it cannot be measured."""

    n: int
    n_wrong: int
    auroc: float
    auroc_interval: Interval
    average_precision: float
    """Of finding the wrong ones; chance is n_wrong / n."""
    average_precision_interval: Interval
    precision_at_rate: float
    """Share of wrong ones among the n_wrong lowest scores; chance is n_wrong / n."""
    precision_at_rate_interval: Interval
    brier: float
    """Mean squared distance of the score from 1 (right) and 0 (wrong); NaN for scores outside 0..1."""
    brier_interval: Interval


def auroc(scores: NDArray[np.floating], is_right: NDArray[np.bool_]) -> float:
    """Chance that a right row scores above a wrong one, ties counted half; NaN where all are right or all wrong."""
    return _value(_auroc, scores, is_right)


def average_precision(scores: NDArray[np.floating], is_right: NDArray[np.bool_]) -> float:
    """Precision of finding wrong rows from the lowest score on, averaged over recall; NaN where none is wrong."""
    return _value(_average_precision, scores, is_right)


def precision_at_rate(scores: NDArray[np.floating], is_right: NDArray[np.bool_]) -> float:
    """Share of wrong rows among the m lowest scores, m = number of wrong rows; NaN where none is wrong.

    Of rows that tie at the m-th place, as many count as there is room for, the wrong among them in proportion.
    """
    return _value(_precision_at_rate, scores, is_right)


def brier(scores: NDArray[np.floating], is_right: NDArray[np.bool_]) -> float:
    """Mean squared distance of the score from 1 (right) and 0 (wrong); NaN without rows or for scores outside 0..1."""
    _check(scores, is_right)
    return _brier(scores, is_right)


def detection_figures(
    scores: NDArray[np.floating], is_right: NDArray[np.bool_], *, n_draws: int, confidence: float, seed: int
) -> DetectionFigures:
    """All figures, each with the percentile interval of `n_draws` draws of the rows with replacement.

    The figures are exact. Draws are exact up to 4,096 different scores; above, neighbouring scores are drawn as one level
    of at most 1/2,048 of the wrong and of the right rows, far below the width of the interval.
    Raises ReweighError for shapes that differ and for NaN.
    """
    _check(scores, is_right)
    scores = np.asarray(scores)
    counts, level_of_row = tie_levels(scores, is_right)
    values = (*(float(figure(counts)) for figure in COUNTED), _brier(scores, is_right))
    drawn, coarse = _coarse_levels(counts)
    level_of_row = coarse[level_of_row]
    errors = _mean_errors(scores, is_right, level_of_row, drawn)
    intervals = _intervals(drawn, errors, n_draws=n_draws, confidence=confidence, seed=seed)
    has_brier = math.isfinite(values[3])
    return DetectionFigures(
        n=len(scores),
        n_wrong=int(counts[0].sum()),
        auroc=values[0],
        auroc_interval=intervals[0],
        average_precision=values[1],
        average_precision_interval=intervals[1],
        precision_at_rate=values[2],
        precision_at_rate_interval=intervals[2],
        brier=values[3],
        brier_interval=intervals[3] if has_brier else (math.nan, math.nan),
    )


def tie_levels(scores: NDArray[np.floating], is_right: NDArray[np.bool_]) -> tuple[Counts, NDArray[np.int64]]:
    """(counts (2, g) of the wrong and the right rows of each different score, ascending; (n,) level of each row)."""
    values, level = np.unique(scores, return_inverse=True)
    counts = np.bincount(level + len(values) * is_right, minlength=2 * len(values)).reshape(2, len(values))
    return counts, level


def _auroc(counts: Counts) -> NDArray[np.float64]:
    wrong, right = counts[..., 0, :], counts[..., 1, :]
    below = np.cumsum(wrong, axis=-1) - wrong / 2
    return _ratio((below * right).sum(axis=-1), wrong.sum(axis=-1) * right.sum(axis=-1))


def _average_precision(counts: Counts) -> NDArray[np.float64]:
    wrong = counts[..., 0, :]
    found, taken = np.cumsum(wrong, axis=-1), np.cumsum(counts.sum(axis=-2), axis=-1)
    precision = np.divide(found, taken, out=np.zeros(found.shape), where=taken > 0)
    return _ratio((precision * wrong).sum(axis=-1), wrong.sum(axis=-1))


def _precision_at_rate(counts: Counts) -> NDArray[np.float64]:
    wrong, size = counts[..., 0, :], counts.sum(axis=-2)
    n_wrong = wrong.sum(axis=-1, keepdims=True)
    before = np.cumsum(size, axis=-1) - size
    taken = np.clip(n_wrong - before, 0, size)
    share = np.divide(wrong, size, out=np.zeros(size.shape), where=size > 0)
    return _ratio((taken * share).sum(axis=-1), n_wrong[..., 0])


COUNTED: tuple[Callable[[Counts], NDArray[np.float64]], ...] = (_auroc, _average_precision, _precision_at_rate)
"""Figures that the order of the scores says all about."""


def _brier(scores: NDArray[np.floating], is_right: NDArray[np.bool_]) -> float:
    scores = np.asarray(scores, np.float64)
    if not len(scores) or scores.min() < 0 or scores.max() > 1:
        return math.nan
    return float(np.mean((scores - is_right) ** 2))


def _ratio(numerator: NDArray, denominator: NDArray) -> NDArray[np.float64]:
    """NaN where the denominator is 0: there is nothing to tell apart."""
    return np.divide(
        numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=np.asarray(denominator) > 0
    )


def _value(figure: Callable[[Counts], NDArray[np.float64]], scores: NDArray, is_right: NDArray[np.bool_]) -> float:
    _check(scores, is_right)
    return float(figure(tie_levels(np.asarray(scores), is_right)[0]))


def _check(scores: NDArray[np.floating], is_right: NDArray[np.bool_]) -> None:
    if np.shape(scores) != np.shape(is_right) or np.ndim(scores) != 1:
        raise ReweighError(f"Scores and is_right must be one a row; found {np.shape(scores)} and {np.shape(is_right)}.")
    bad = np.flatnonzero(np.isnan(scores))
    if len(bad):
        raise ReweighError(f"Scores must be numbers; row {bad[0]} is NaN. Leave out rows without an opinion first.")


def _coarse_levels(counts: Counts) -> tuple[Counts, NDArray[np.int64]]:
    """(counts (2, at most N_LEVELS) of neighbouring levels taken together, (g,) new number of each level).

    A new level spans a share of the wrong rows plus a share of the right ones, not of all: a few wrong rows among a
    million keep levels of their own, or their precision would be that of their neighbours.
    """
    n_levels = counts.shape[1]
    if n_levels <= N_LEVELS:
        return counts, np.arange(n_levels)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    before = (np.cumsum(shares, axis=1) - shares).sum(axis=0) / 2
    coarse = np.unique((before * N_LEVELS).astype(np.int64), return_inverse=True)[1]
    n_coarse = int(coarse[-1]) + 1
    return np.stack([np.bincount(coarse, row, minlength=n_coarse).astype(np.int64) for row in counts]), coarse


def _mean_errors(
    scores: NDArray[np.floating], is_right: NDArray[np.bool_], level: NDArray[np.int64], counts: Counts
) -> NDArray[np.float64]:
    """(2, g) mean squared distance from 0 (wrong) and 1 (right) of the rows in each cell of counts (2, g)."""
    squares = (np.asarray(scores, np.float64) - is_right) ** 2
    sums = np.bincount(level + counts.shape[1] * is_right, squares, minlength=counts.size).reshape(counts.shape)
    return np.divide(sums, counts, out=np.zeros(counts.shape), where=counts > 0)


def _intervals(
    counts: Counts, errors: NDArray[np.float64], *, n_draws: int, confidence: float, seed: int
) -> list[Interval]:
    """Percentile intervals of the COUNTED figures and of the mean error; n rows with replacement are multinomial counts."""
    total = int(counts.sum())
    if total == 0:
        return [(math.nan, math.nan)] * (len(COUNTED) + 1)
    generator = np.random.default_rng(seed)
    cells = np.flatnonzero(counts)
    share = counts.ravel()[cells] / total
    block = int(np.clip(DRAW_BYTES // (8 * counts.size), 1, n_draws))
    values: list[NDArray[np.float64]] = []
    for start in range(0, n_draws, block):
        size = min(block, n_draws - start)
        draws = np.zeros((size, counts.size), np.int64)
        draws[:, cells] = generator.multinomial(total, share, size=size)
        by_level = draws.reshape(size, *counts.shape)
        values.append(np.stack([*(figure(by_level) for figure in COUNTED), draws @ errors.ravel() / total]))
    tail = (1 - confidence) / 2
    return [_percentiles(row, tail) for row in np.concatenate(values, axis=1)]


def _percentiles(values: NDArray[np.float64], tail: float) -> Interval:
    """(low, high) of the draws in which the figure could be measured; NaN, NaN without any."""
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
