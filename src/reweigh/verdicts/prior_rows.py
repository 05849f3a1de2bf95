"""How much each class's noise is drawn to that of all: chosen by the likelihood of labels that the fit has not seen.

T has k (k - 1) free numbers. With few rows a class they fit chance, small classes vanish into large ones, and a fifth of
clean labels is flagged; with many, pair noise shows only where they are free. Differs from METHODS 8.1, where one row's
worth of prior is used always: there 32 classes of 40 images got class rates wrong by .2, here by less than half of it (docs/methods.md).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reweigh.verdicts.candidates import chosen_candidates
from reweigh.verdicts.channel import FIRST_SLOPES, Observed, first_channel, fit_channel, likelihood, observed, passed_at

CHOICES = (1.0, 10.0, 100.0, 1000.0)
MOST = 4 << 20
"""Candidates that the choice looks at, at most; of more rows every j-th is taken."""


def chosen_prior_rows(seen: Observed) -> float:
    """The choice under which each half of the rows predicts the labels of the other half best."""
    step = max(1, seen.n * seen.candidates.m // MOST)
    rows = np.random.default_rng(0).permutation(np.arange(0, seen.n, step))
    halves = [_part(seen, np.sort(half)) for half in np.array_split(rows, 2)]
    if min(half.n for half in halves) < 2:
        return CHOICES[-1]
    scores = [sum(_across(replace(a, prior_rows=s), b) for a, b in (halves, halves[::-1])) for s in CHOICES]
    return CHOICES[int(np.argmax(scores))]


def _part(seen: Observed, at: NDArray[np.int64]) -> Observed:
    return observed(chosen_candidates(seen.candidates, at), [piece[at] for piece in seen.pieces])


def _across(fitted: Observed, other: Observed) -> float:
    """Mean log P(y | x) of the other rows under the channel of these."""
    channel = fit_channel(fitted, first_channel(fitted, slope=FIRST_SLOPES[0]), clearness=0.0)
    passed = passed_at(channel, fitted.pairs, other.pairs, fitted.prior)
    return likelihood(replace(other, prior=fitted.prior), replace(channel, passed=passed))
