"""How well flags find wrong labels, and how true a stated rate and class rates are: figures with bootstrap intervals.

Flags (n,): True = judged wrong. Whatever cannot be measured is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.metrics.detection import Interval
from reweigh.metrics.intervals import accuracy_interval, percentile_interval

Cells = NDArray[np.integer]
"""(..., k, 2, 2) rows of each class: [..., right or wrong, kept or flagged]"""
Flags = NDArray[np.bool_]

DRAW_BYTES = 16 << 20
"""Counts of one block of draws take at most this."""
NOT_MEASURED = (math.nan, math.nan)


@dataclass(frozen=True, kw_only=True)
class Draws:
    """How intervals are drawn."""

    n_draws: int
    confidence: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A figure and its interval; NaN where it cannot be measured."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class FlagFigures:
    """How well flags find wrong labels."""

    precision: Measured
    """Share of wrong rows among the flagged."""
    recall: Measured
    """Share of flagged rows among the wrong."""
    miss_rate: Measured
    """1 - recall."""
    f1: Measured
    """2 found / (flagged + wrong)."""
    class_averaged_error: Measured
    """Mean over the classes with rows of the share judged wrongly: flagged though right, kept though wrong (CleanNet's measure)."""


@dataclass(frozen=True, kw_only=True)
class RateFigures:
    """An estimate of the share of wrong rows against that share."""

    true: Measured
    estimated: float
    error: Measured
    """estimated - true; its interval is that of the true share"""


@dataclass(frozen=True, kw_only=True)
class ClassRateFigures:
    """Estimated rates of classes against the true ones; intervals draw classes, not rows."""

    n_classes: int
    """Classes with an estimate and known rows."""
    mean_absolute_error: Measured
    n_ranges: int
    """Classes of them with a range and enough known rows to ask it."""
    ranges_that_hold: Measured
    """Share of these ranges that hold the true rate."""


def flag_figures(flagged: Flags, is_right: Flags, labels: NDArray[np.integer], *, draws: Draws) -> FlagFigures:
    """Figures of these flags; the rows are drawn with replacement, their counts in each class exactly so.

    flagged, is_right (n,); labels (n,) >= 0: the classes that errors are averaged over. Raises ReweighError for shapes
    that differ and for a row without a label.
    """
    return _named(_measured(_cells([flagged], is_right, labels), _figures, draws=draws), negated=1.0)


def flag_differences(
    flagged: Flags, rival: Flags, is_right: Flags, labels: NDArray[np.integer], *, draws: Draws
) -> FlagFigures:
    """Each figure of `flagged` minus that of `rival` on the same rows, drawn together; arguments as for `flag_figures`."""
    cells = _cells([flagged, rival], is_right, labels)

    def difference(counts: Cells) -> NDArray[np.float64]:
        own, other = counts.sum(axis=-1), counts.sum(axis=-2)
        return _figures(own) - _figures(other)

    return _named(_measured(cells, difference, draws=draws), negated=0.0)


def class_errors(
    flagged: Flags, is_right: Flags, labels: NDArray[np.integer], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(k,) rows, wrong rows, and rows judged wrongly, of each class."""
    _check([flagged], is_right, labels)
    misjudged = flagged == is_right
    return tuple(np.bincount(labels[part], minlength=k) for part in (slice(None), ~is_right, misjudged))  # type: ignore[return-value]


def share(n_of_it: int, n: int, *, draws: Draws) -> Measured:
    """n_of_it / n; NaN without rows."""
    interval = accuracy_interval(n_of_it, n, n_draws=draws.n_draws, confidence=draws.confidence, seed=draws.seed)
    return Measured(value=n_of_it / n if n else math.nan, interval=interval)


def rate_figures(estimated: float, is_right: Flags, *, draws: Draws) -> RateFigures:
    """An estimated share of wrong rows against that of these rows, (n,)."""
    true = share(int((~is_right).sum()), len(is_right), draws=draws)
    low, high = true.interval
    error = Measured(value=estimated - true.value, interval=_if_known((estimated - high, estimated - low)))
    return RateFigures(true=true, estimated=estimated, error=error)


def class_rate_figures(
    estimated: NDArray[np.floating],
    ranges: NDArray[np.floating],
    sizes: NDArray[np.integer],
    n_wrong: NDArray[np.integer],
    *,
    least_rows: int,
    draws: Draws,
) -> ClassRateFigures:
    """Rates of classes (k,), NaN = none, and their ranges (k, 2), NaN = none, against n_wrong (k,) of sizes (k,) known rows.

    A range is asked only where `least_rows` rows of the class are known: below, the true rate itself is a guess.
    """
    shapes = [np.shape(values) for values in (estimated, ranges, sizes, n_wrong)]
    if shapes != [(len(sizes),), (len(sizes), 2), (len(sizes),), (len(sizes),)]:
        raise ReweighError(f"Class rates must be (k,), their ranges (k, 2), counts (k,) and (k,); found {shapes}.")
    true = np.divide(n_wrong, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)
    errors = np.abs(np.asarray(estimated, np.float64) - true)
    errors = errors[~np.isnan(errors)]
    asked = ~np.isnan(ranges).any(axis=1) & (sizes >= least_rows)
    holds = (ranges[asked, 0] <= true[asked]) & (true[asked] <= ranges[asked, 1])
    return ClassRateFigures(
        n_classes=len(errors),
        mean_absolute_error=_mean_over_classes(errors, draws=draws),
        n_ranges=int(asked.sum()),
        ranges_that_hold=share(int(holds.sum()), int(asked.sum()), draws=draws),
    )


def _mean_over_classes(values: NDArray[np.float64], *, draws: Draws) -> Measured:
    """The mean, drawn over classes: over rows the errors of draws would all be larger than those measured."""
    if not len(values):
        return Measured(value=math.nan, interval=NOT_MEASURED)
    interval = percentile_interval(
        np.ones(len(values), np.int64),
        lambda drawn: drawn @ values / len(values),
        n_draws=draws.n_draws, confidence=draws.confidence, seed=draws.seed,
    )  # fmt: skip
    return Measured(value=float(values.mean()), interval=interval)


def _figures(cells: Cells) -> NDArray[np.float64]:
    """(4, ...) precision, recall, F1 and error averaged over classes of cells (..., k, 2, 2)."""
    of_all = cells.sum(axis=-3)
    found, missed, false = of_all[..., 1, 1], of_all[..., 1, 0], of_all[..., 0, 1]
    sizes, misjudged = cells.sum(axis=(-2, -1)), cells[..., 0, 1] + cells[..., 1, 0]
    errors = np.divide(misjudged, sizes, out=np.zeros(sizes.shape), where=sizes > 0)
    return np.stack(
        [
            _ratio(found, found + false),
            _ratio(found, found + missed),
            _ratio(2 * found, 2 * found + false + missed),
            _ratio(errors.sum(axis=-1), (sizes > 0).sum(axis=-1)),
        ]
    )


def _ratio(numerator: NDArray, denominator: NDArray) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator > 0)


def _cells(flags: list[Flags], is_right: Flags, labels: NDArray[np.integer]) -> Cells:
    """(classes with rows, 2, 2, ...) counts: right or wrong, then kept or flagged by each of the flags."""
    _check(flags, is_right, labels)
    classes, number = np.unique(labels, return_inverse=True)
    cell = number * 2 + ~is_right
    for flagged in flags:
        cell = cell * 2 + flagged
    shape = (len(classes), *[2] * (1 + len(flags)))
    return np.bincount(cell, minlength=math.prod(shape)).reshape(shape)


def _measured(cells: Cells, figures: Callable[[Cells], NDArray[np.float64]], *, draws: Draws) -> list[Measured]:
    """Each figure with the percentile interval of `n_draws` draws of all rows; draws in which it is NaN are left out."""
    total = int(cells.sum())
    exact = figures(cells)
    if not total:
        return [Measured(value=math.nan, interval=NOT_MEASURED) for _ in exact]
    generator = np.random.default_rng(draws.seed)
    used = np.flatnonzero(cells)
    block = int(np.clip(DRAW_BYTES // (8 * cells.size), 1, draws.n_draws))
    values = np.empty((len(exact), draws.n_draws))
    for start in range(0, draws.n_draws, block):
        size = min(block, draws.n_draws - start)
        drawn = np.zeros((size, cells.size), np.int64)
        drawn[:, used] = generator.multinomial(total, cells.ravel()[used] / total, size=size)
        values[:, start : start + size] = figures(drawn.reshape(size, *cells.shape))
    return [
        Measured(
            value=float(value), interval=_percentiles(row, draws.confidence) if np.isfinite(value) else NOT_MEASURED
        )
        for value, row in zip(exact, values, strict=True)
    ]


def _percentiles(values: NDArray[np.float64], confidence: float) -> Interval:
    values = values[np.isfinite(values)]
    if not len(values):
        return NOT_MEASURED
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _named(figures: list[Measured], *, negated: float) -> FlagFigures:
    """The record of the four figures; the miss rate is `negated` - recall: 1 of a figure, 0 of a difference."""
    precision, recall, f1, error = figures
    low, high = recall.interval
    miss_rate = Measured(value=negated - recall.value, interval=(negated - high, negated - low))
    return FlagFigures(precision=precision, recall=recall, miss_rate=miss_rate, f1=f1, class_averaged_error=error)


def _if_known(interval: Interval) -> Interval:
    return NOT_MEASURED if any(map(math.isnan, interval)) else interval


def _check(flags: list[Flags], is_right: Flags, labels: NDArray[np.integer]) -> None:
    for values in (*flags, is_right):
        if np.shape(values) != np.shape(labels) or np.ndim(values) != 1:
            raise ReweighError(
                f"Flags, is_right and labels must be one a row; found {np.shape(values)} and {np.shape(labels)}."
            )
        if np.asarray(values).dtype != np.bool_:
            raise ReweighError(f"Flags and is_right must be bool, found {np.asarray(values).dtype}.")
    without = np.flatnonzero(np.asarray(labels) < 0)
    if len(without):
        raise ReweighError(f"Row {without[0]} has no label ({labels[without[0]]}); leave such rows out first.")
