"""Percentile bootstrap intervals of shares, drawn from counts: no row is ever copied."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

DRAW_BYTES = 64 << 20
"""Counts of one block of draws take at most this."""


def percentile_interval(
    counts: NDArray[np.integer],
    statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    *,
    n_draws: int,
    confidence: float,
    seed: int,
) -> tuple[float, float]:
    """(low, high) of a statistic of counts when the rows behind them are drawn anew with replacement.

    counts (c,): rows of each kind. Drawing n rows with replacement gives multinomial counts, so the draws are exact.
    statistic: (b, c) counts of b draws -> (b,) values; NaN values (an empty draw) are left out.
    NaN, NaN without rows.
    """
    total = int(counts.sum())
    if total == 0:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    block = int(np.clip(DRAW_BYTES // (8 * len(counts)), 1, n_draws))
    values = []
    for start in range(0, n_draws, block):
        draws = generator.multinomial(total, counts / total, size=min(block, n_draws - start))
        values.append(statistic(draws))
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(np.concatenate(values), [tail, 1 - tail])
    return float(low), float(high)


def accuracy_interval(n_right: int, n: int, *, n_draws: int, confidence: float, seed: int) -> tuple[float, float]:
    """Interval of n_right / n."""
    counts = np.array([n_right, n - n_right])
    return percentile_interval(counts, lambda draws: draws[:, 0] / n, n_draws=n_draws, confidence=confidence, seed=seed)


def class_averaged_interval(
    sizes: NDArray[np.integer], right: NDArray[np.integer], *, n_draws: int, confidence: float, seed: int
) -> tuple[float, float]:
    """Interval of the mean over classes of right / size, (k,) each. A class that a draw misses does not count in it."""
    has_rows = sizes > 0
    sizes, right = sizes[has_rows], right[has_rows]

    def statistic(draws: NDArray[np.int64]) -> NDArray[np.float64]:
        hits, misses = draws[:, : len(sizes)], draws[:, len(sizes) :]
        drawn = hits + misses
        shares = np.divide(hits, drawn, out=np.zeros(drawn.shape), where=drawn > 0)
        return shares.sum(axis=1) / (drawn > 0).sum(axis=1)

    counts = np.concatenate([right, sizes - right])
    return percentile_interval(counts, statistic, n_draws=n_draws, confidence=confidence, seed=seed)


def paired_interval(
    before: NDArray[np.bool_], after: NDArray[np.bool_], *, n_draws: int, confidence: float, seed: int
) -> tuple[float, float]:
    """Interval of mean(after) - mean(before) on the same rows, (n,) each: rows are drawn, not the two sides apart."""
    n = len(before)
    counts = np.array([(after & ~before).sum(), (before & ~after).sum(), (before == after).sum()])
    return percentile_interval(
        counts, lambda draws: (draws[:, 0] - draws[:, 1]) / n, n_draws=n_draws, confidence=confidence, seed=seed
    )


def paired_class_averaged_interval(
    before: NDArray[np.bool_], after: NDArray[np.bool_], labels: NDArray[np.integer], k: int, *, n_draws: int, confidence: float, seed: int
) -> tuple[float, float]:  # fmt: skip
    """Interval of the mean over classes of (share after - share before) on the same rows; labels (n,) in 0..k-1."""
    kinds = (after & ~before, before & ~after, before == after)
    counts = np.stack([np.bincount(labels[kind], minlength=k) for kind in kinds])
    counts = counts[:, counts.sum(axis=0) > 0]

    def statistic(draws: NDArray[np.int64]) -> NDArray[np.float64]:
        won, lost, same = np.split(draws, 3, axis=1)
        drawn = won + lost + same
        gain = np.divide(won - lost, drawn, out=np.zeros(drawn.shape), where=drawn > 0)
        return np.asarray(gain.sum(axis=1) / (drawn > 0).sum(axis=1), np.float64)

    return percentile_interval(counts.ravel(), statistic, n_draws=n_draws, confidence=confidence, seed=seed)
