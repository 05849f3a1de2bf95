"""How clear-cut the truth is taken to be: lambda, the price of entropy in the fit.

P(y | x) alone cannot tell "the class is clear and the label noisy" from "the image is ambiguous"; lambda > 0 prefers the first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reweigh.verdicts.channel import FIRST_SLOPES, Channel, Observed, first_channel, fit_channel

CLEAR = 0.5
"""Of `truth = "clear"`: every image is of one class, whatever the classifier finds ambiguous."""
RATIOS, VALUES = (1.0, 1.2, 1.6, 2.4), (0.10, 0.20, 0.20, 0.05)
"""Ratio of the two scales, and the lambda that was measured best there."""
GRID = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
"""What verified rows choose from."""
RANGE = (0.05, 0.5)
"""Refits at these say how far the rates depend on the choice."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the two scales of the evidence say."""

    ratio: float
    """gamma: scale that fits the labels through noise / scale that fits them as they are; near 1 little is noise"""
    loss: float
    """Mean -log P(y | x) of the calibrated evidence without noise."""


def first_fit(seen: Observed, *, clearness: float) -> Channel:
    """The better of the fits from both starts."""
    fits = [fit_channel(seen, first_channel(seen, slope=slope), clearness=clearness) for slope in FIRST_SLOPES]
    return max(fits, key=lambda channel: channel.objective)


def calibration(seen: Observed, free: Channel) -> Calibration:
    """How Z = sum a_j L_j / sum a_j is calibrated without noise, beside its scale in `free`, the fit of lambda 0."""
    total = max(float(free.slopes.sum()), 1e-6)
    joined = _joined(seen, free.slopes / total)
    plain = replace(free, slopes=np.ones(1), shifts=np.zeros_like(free.shifts))
    fitted = fit_channel(joined, plain, clearness=0.0, is_noisy=False)
    return Calibration(ratio=float(total / max(fitted.slopes[0], 1e-6)), loss=-fitted.objective)


def clearness_of(ratio: float) -> float:
    """lambda by the ratio of scales. 1.0 -> .10, 1.2 to 1.6 -> .20, 2.4 and above -> .05."""
    return float(np.interp(ratio, RATIOS, VALUES))


def _joined(seen: Observed, shares: NDArray[np.float64]) -> Observed:
    """All pieces as one, each by its share."""
    piece = sum(np.float32(a) * piece for a, piece in zip(shares, seen.pieces, strict=True))
    return replace(seen, pieces=(np.asarray(piece, np.float32),))
