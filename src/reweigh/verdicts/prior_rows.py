"""How much each class's noise is drawn to that of all: chosen by the likelihood of labels that the fit has not seen.

T has k (k - 1) free numbers. With few rows a class they fit chance, small classes vanish into large ones, and a fifth of
clean labels is flagged; with many, pair noise shows only where they are free. With one row's worth of
prior always, 32 classes of 40 images got class rates wrong by .2, chosen by less than half of it (docs/methods.md).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reweigh.verdicts.candidates import chosen_candidates
from reweigh.verdicts.channel import (
    FIRST_SLOPES,
    Observed,
    first_channel,
    fit_channel,
    likelihood,
    observed,
    passed_at,
)

CHOICES = (1.0, 10.0, 100.0, 1000.0)
"""Tried in this order; a larger one must predict labels better by `LEAST_BETTER`: where both explain them alike, noise that goes from a
class to one other is seen under a small one only."""
MOST = 1 << 20
"""Candidates that the choice looks at, at most; of more rows every j-th is taken."""
LEAST_BETTER = 0.002
"""In nats a row."""
LEAST_GAIN = 1e-4
"""Of the fits: they are compared in the third decimal."""


def chosen_prior_rows(seen: Observed) -> float:
    """The choice under which each half of the rows predicts the labels of the other half best."""
    step = max(1, seen.n * seen.candidates.m // MOST)
    rows = np.random.default_rng(0).permutation(np.arange(0, seen.n, step))
    halves = [_part(seen, np.sort(half)) for half in np.array_split(rows, 2)]
    if min(half.n for half in halves) < 2:
        return CHOICES[0]
    best, most = CHOICES[0], -np.inf
    for prior_rows in CHOICES:
        score = sum(_across(replace(halves[i], prior_rows=prior_rows), halves[1 - i]) for i in (0, 1)) / 2
        if score > most + LEAST_BETTER:
            best, most = prior_rows, score
    return best


def _part(seen: Observed, at: NDArray[np.int64]) -> Observed:
    return observed(chosen_candidates(seen.candidates, at), [piece[at] for piece in seen.pieces])


def _across(fitted: Observed, other: Observed) -> float:
    """Mean log P(y | x) of the other rows under the channel of these.

    Each is fitted from the start: a fit that has found no noise cannot get away from there under the next choice.
    """
    start = first_channel(fitted, slope=FIRST_SLOPES[0])
    channel = fit_channel(fitted, start, clearness=0.0, least_gain=LEAST_GAIN)
    passed = passed_at(channel, fitted.pairs, other.pairs, fitted.prior)
    return likelihood(replace(other, prior=fitted.prior), replace(channel, passed=passed))
