"""How far held-out predictions agree with each label: a soft target between 0 and 1, without the sizes of the classes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.cores import available_cores
from reweigh.evidence.stored_arrays import load_arrays, save_arrays
from reweigh.probes.log_probabilities import LogProbabilities, ProbabilityRows

ARRAYS = ("share",)
BLOCK_BYTES = 32 << 20
"""Log-probabilities of one block take at most this."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The soft target that scores are calibrated on."""

    share: NDArray[np.float32]
    """(n,) 0 to 1; NaN without a label"""


def label_agreement(log_probabilities: ProbabilityRows, labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """(n,) t = sigma(m) = p(y) / (p(y) + max over other classes of p), of p_c / N_c renormalised.

    labels (n,), -1 = none. N_c are the labelled rows of each class: dividing by them makes an unbalanced probe as good as a balanced one, and
    keeps the size of a class out of the weights of its images. 1 where k is 1, NaN without a label.
    Classes without a row are no rivals.
    """
    k = log_probabilities.k
    sizes = np.bincount(labels[labels >= 0], minlength=k)
    offset = np.where(sizes > 0, np.log(np.maximum(sizes, 1)), np.inf).astype(np.float32)
    result = np.empty(len(labels), np.float32)
    size = int(np.clip(BLOCK_BYTES // (4 * k), 1, 65_536))

    def one(start: int) -> None:
        here = slice(start, min(start + size, len(labels)))
        own = np.maximum(labels[here], 0)
        if isinstance(log_probabilities, LogProbabilities) and log_probabilities.dense is None:
            indices, values, rest = log_probabilities.largest(here.start, here.stop)
            mine, rival = _of_largest(indices, values, rest, own, offset)
        else:
            mine, rival = _of_all(log_probabilities.read(here.start, here.stop), own, offset)
        with np.errstate(over="ignore"):
            result[here] = 1 / (1 + np.exp(rival.astype(np.float64) - mine))

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(one, range(0, len(labels), size)))
    result[labels < 0] = np.nan
    return result


Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def _of_all(block: NDArray[np.float32], own: NDArray[np.integer], offset: NDArray[np.float32]) -> Pair:
    """(log p_y / N_y, the largest of the other classes), (b,) each, of all log-probabilities (b, k); the block is used up."""
    block -= offset
    rows = np.arange(len(own))
    mine = block[rows, own].copy()
    block[rows, own] = -np.inf
    return mine, block.max(axis=1)


def _of_largest(
    indices: NDArray[np.int32], values: NDArray[np.float32], rest: NDArray[np.float32], own: NDArray[np.integer], offset: NDArray[np.float32]
) -> Pair:  # fmt: skip
    """The same from the m largest (b, m) and what each other class has (b,), without a row of k classes ever being made.

    Of the classes that are not kept the rarest one is the rival.
    """
    is_own = indices == own[:, None]
    scaled = values - offset[indices]
    mine = np.where(is_own.any(axis=1), np.where(is_own, scaled, -np.inf).max(axis=1), rest - offset[own])
    rival = np.where(is_own, -np.inf, scaled).max(axis=1)
    open_rows = np.arange(len(own))
    for label in np.argsort(offset, kind="stable")[: indices.shape[1] + 2]:
        is_free = (indices[open_rows] != label).all(axis=1) & (own[open_rows] != label)
        free = open_rows[is_free]
        rival[free] = np.maximum(rival[free], rest[free] - offset[label])
        open_rows = open_rows[~is_free]
        if not len(open_rows):
            break
    return mine, rival


def save_agreement(record: Agreement, folder: Path) -> None:
    """Write share.npy into an existing folder."""
    save_arrays(record, folder, ARRAYS)


def load_agreement(folder: Path) -> Agreement:
    """The record of a folder. Raises ReweighError where its file is missing."""
    return Agreement(**load_arrays(folder, ARRAYS, what="agreement of labels"))
