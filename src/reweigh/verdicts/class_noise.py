"""How many labels are wrong: overall, in each class, and which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reweigh.verdicts.candidates import Candidates, row_blocks
from reweigh.verdicts.pairs import Pairs
from reweigh.verdicts.record import Confusions

FEWEST = 20
"""Rows from which a class's rate has a range."""
Z = 1.96
LEAST_EXPECTED = 0.01
"""Confusions of fewer expected images than this are not listed."""


def class_rates(wrong: NDArray[np.floating], labels: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """(k,) mean of P(wrong), (n,), over the rows of each given label; NaN for a class without rows."""
    n = np.bincount(labels, minlength=k)
    total = np.bincount(labels, weights=wrong, minlength=k)
    return np.divide(total, n, out=np.full(k, np.nan), where=n > 0)


def class_ranges(fits: Sequence[NDArray[np.floating]], labels: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """(k, 2) lowest and highest rate of the fits, (n,) P(wrong) each, widened by 1.96 sqrt(sum w (1 - w)) / n_c; the first is the fit.

    NaN for classes of fewer than 20 rows. A range, no interval: it held the true rate in 10 to 90 % of the classes.
    """
    n = np.bincount(labels, minlength=k)
    rates = np.stack([class_rates(w, labels, k) for w in fits])
    first = np.asarray(fits[0], np.float64)
    spread = Z * np.sqrt(np.bincount(labels, weights=first * (1 - first), minlength=k)) / np.maximum(n, 1)
    ranges = np.stack([rates.min(axis=0) - spread, rates.max(axis=0) + spread], axis=1)
    ranges[n < FEWEST] = np.nan
    return np.clip(ranges, 0, 1)


def overall_range(fits: Sequence[NDArray[np.floating]]) -> tuple[float, float]:
    """The same for all rows together."""
    rates = [float(np.mean(w, dtype=np.float64)) for w in fits]
    first = np.asarray(fits[0], np.float64)
    spread = Z * float(np.sqrt((first * (1 - first)).sum())) / len(first)
    return max(min(rates) - spread, 0.0), min(max(rates) + spread, 1.0)


def rate_from_looks(wrong: NDArray[np.floating], person: NDArray[np.floating]) -> tuple[float, tuple[float, float]]:
    """(rate, 95 % interval) from P(wrong) (n,) and verified rows drawn at random, person (n,): 1 right, 0 wrong, NaN nobody looked.

    rate = mean(w) + mean over looks of (v - w), v = 1 where wrong; standard error sqrt(var(v - w) / m), at least 1 / m.
    By hand: w = .2 everywhere, looks right, right, right, wrong -> .2 + (.25 - .2) = .25; var .25, error .25 -> 0 to .74.
    """
    looked = ~np.isnan(person)
    m = int(looked.sum())
    gaps = (1 - person[looked]) - wrong[looked]
    rate = float(np.clip(np.mean(wrong, dtype=np.float64) + gaps.mean(dtype=np.float64), 0, 1))
    error = max(float(np.sqrt(gaps.var(ddof=1) / m)) if m > 1 else 1.0, 1 / m)
    return rate, (max(rate - Z * error, 0.0), min(rate + Z * error, 1.0))


def confusions(candidates: Candidates, q: NDArray[np.float32], pairs: Pairs, at: NDArray[np.bool_]) -> Confusions:
    """Expected images of each (given, true) pair over the rows `at` (n,): sum of q(z), with the label z = y among them."""
    counts = np.zeros(len(pairs.truth))
    for start, stop in row_blocks(candidates.n, 16 * candidates.m):
        shares = q[start:stop, : candidates.m] * at[start:stop, None]
        counts += np.bincount(pairs.number[start:stop].ravel(), weights=shares.ravel(), minlength=len(counts))
    kept = np.flatnonzero(counts >= LEAST_EXPECTED)
    return Confusions(given=pairs.label[kept], truth=pairs.truth[kept], expected=counts[kept], k=candidates.k)
