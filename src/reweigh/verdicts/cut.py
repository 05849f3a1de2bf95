"""Which labels are called wrong: the cut-off with the best expected F1, which needs no clean label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.35, 0.5


def cut_off(wrong: NDArray[np.floating]) -> float:
    """The least probability of being wrong, (n,), at which a label is flagged.

    Of m flags from the highest probability w on, expected F1 = 2 (sum of the first m w) / (m + sum of all w); the cut-off is
    w at its maximum, held within [.35, .5]. By hand: w = .9 .8 .4 .1 gives F1 .56 .81 .81 .71 -> .8, held to .5.
    """
    if not len(wrong):
        return HIGHEST
    ordered = np.sort(np.asarray(wrong, np.float64))[::-1]
    expected = 2 * np.cumsum(ordered) / (np.arange(1, len(ordered) + 1) + ordered.sum())
    return float(np.clip(ordered[int(expected.argmax())], LOWEST, HIGHEST))
