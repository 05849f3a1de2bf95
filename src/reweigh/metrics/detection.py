"""How well a score finds wrong labels. Scores (n,): high = more probably right; ties as scikit-learn counts them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

Interval = tuple[float, float]
Counts = NDArray[np.integer]
"""(..., 2, g) rows of each of g score levels, ascending: [..., 0, :] wrong, [..., 1, :] right."""
Figure = Callable[[Counts], NDArray[np.float64]]
"""(b, 2, g) counts of b draws -> (b,) values"""

N_LEVELS = 1024
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

    The figures are exact. Draws are exact up to 1,024 different scores; above, neighbouring scores are drawn as one level
    (at most 1/512 of the wrong and of the right rows) and the interval is moved by what that did to the figure itself.
    Raises ReweighError for shapes that differ and for NaN.
    """
    _check(scores, is_right)
    counts, level = tie_levels(scores, is_right)
    drawn, coarse = _coarse_levels(counts)
    errors = _mean_errors(scores, is_right, coarse[level], drawn)
    figures = (*COUNTED, lambda draws: (draws * errors).sum(axis=(-2, -1)) / max(len(scores), 1))
    exact = [*(float(figure(counts)) for figure in COUNTED), _brier(scores, is_right)]
    intervals = _intervals(figures, drawn, exact, n_draws=n_draws, confidence=confidence, seed=seed)
    return DetectionFigures(
        n=len(scores),
        n_wrong=int(counts[0].sum()),
        auroc=exact[0],
        auroc_interval=intervals[0],
        average_precision=exact[1],
        average_precision_interval=intervals[1],
        precision_at_rate=exact[2],
        precision_at_rate_interval=intervals[2],
        brier=exact[3],
        brier_interval=intervals[3],
    )


def auroc_with_interval(
    scores: NDArray[np.floating], is_right: NDArray[np.bool_], *, n_draws: int, confidence: float, seed: int
) -> tuple[float, Interval]:
    """The AUROC and its interval as in `detection_figures`, for where it is the one figure asked for."""
    _check(scores, is_right)
    counts, _ = tie_levels(scores, is_right)
    exact = float(_auroc(counts))
    drawn, _ = _coarse_levels(counts)
    return exact, _intervals([_auroc], drawn, [exact], n_draws=n_draws, confidence=confidence, seed=seed)[0]


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


COUNTED: tuple[Figure, ...] = (_auroc, _average_precision, _precision_at_rate)
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


def _value(figure: Figure, scores: NDArray, is_right: NDArray[np.bool_]) -> float:
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
    figures: Sequence[Figure], counts: Counts, exact: Sequence[float], *, n_draws: int, confidence: float, seed: int
) -> list[Interval]:
    """Percentile interval of each figure, all from the same draws: n rows with replacement have multinomial counts.

    exact: the figures of the rows themselves; where one of them cannot be measured, neither can its interval.
    """
    total = int(counts.sum())
    if total == 0:
        return [(math.nan, math.nan)] * len(figures)
    generator = np.random.default_rng(seed)
    cells = np.flatnonzero(counts)
    share = counts.ravel()[cells] / total
    block = int(np.clip(DRAW_BYTES // (8 * counts.size), 1, n_draws))
    values = np.empty((len(figures), n_draws))
    for start in range(0, n_draws, block):
        size = min(block, n_draws - start)
        draws = np.zeros((size, counts.size), np.int64)
        draws[:, cells] = generator.multinomial(total, share, size=size)
        for i, figure in enumerate(figures):
            values[i, start : start + size] = figure(draws.reshape(size, *counts.shape))
    shifts = [own - float(figure(counts)) for own, figure in zip(exact, figures, strict=True)]
    return [_percentiles(row + shift, confidence) for row, shift in zip(values, shifts, strict=True)]


def _percentiles(values: NDArray[np.float64], confidence: float) -> Interval:
    """(low, high) of the draws in which the figure, a share, could be measured; NaN, NaN without any."""
    values = np.clip(values[np.isfinite(values)], 0, 1)
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
