"""Plain orders of labels from predicted probabilities: one pass over the array, nothing of its size is made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

BLOCK_BYTES = 1 << 20
"""float32 of one block: it stays in a core's own cache while it is looked at twice."""


def self_confidence(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """(n,) probability of the given label, low = look first; NaN where the label is -1.

    probabilities (n, k), in memory or memory-mapped; labels (n,). Raises ReweighError for a label outside -1..k-1.
    """
    own = _checked(probabilities, labels)
    found = np.asarray(probabilities[np.arange(len(own)), own], np.float32)
    found[labels < 0] = np.nan
    return found


def margins(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """(n,) probability of the given label less that of the best other class, -1 to 1; below 0 another one is more probable.

    As `self_confidence`. cleanlab's normalized margin is (margin + 1) / 2, the same order. With k = 1 the probability itself.
    """
    own, k = _checked(probabilities, labels), probabilities.shape[1]
    found = np.empty(len(own), np.float32)
    size = max(BLOCK_BYTES // (4 * k), 1)
    buffer, rows = np.empty((size, k), np.float32), np.arange(size)
    for start in range(0, len(own), size):
        here = slice(start, min(start + size, len(own)))
        block, at = buffer[: here.stop - start], (rows[: here.stop - start], own[here])
        np.copyto(block, probabilities[here])
        mine = block[at]
        block[at] = -np.inf if k > 1 else 0
        np.subtract(mine, block.max(axis=1), out=found[here])
    found[labels < 0] = np.nan
    return found


def _checked(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """(n,) labels with 0 for none."""
    if probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise ReweighError(
            f"Probabilities {probabilities.shape} do not fit {len(labels)} labels: one row a label is wanted."
        )
    bad = np.flatnonzero((labels < -1) | (labels >= probabilities.shape[1]))
    if len(bad):
        raise ReweighError(
            f"Label {labels[bad[0]]} of row {bad[0]} is no class: the probabilities have {probabilities.shape[1]}; none is -1."
        )
    return np.maximum(labels, 0).astype(np.int64)
