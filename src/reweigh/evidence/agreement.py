"""How far held-out predictions agree with each label: a soft target between 0 and 1, without the sizes of the classes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.probes.log_probabilities import ProbabilityRows

FILE = "agreement.npy"
BLOCK_BYTES = 32 << 20
"""Log-probabilities of one block take at most this."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The soft target that scores are calibrated on."""

    share: NDArray[np.float32]
    """(n,) 0 to 1; NaN without a label"""


def label_agreement(log_probabilities: ProbabilityRows, labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """(n,) t = sigma(m) = p(y) / (p(y) + max over other classes of p), of p_c / N_c renormalised; METHODS 0.5 and 0.13.

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
        stop = min(start + size, len(labels))
        block = log_probabilities.read(start, stop)
        block -= offset
        here, own = np.arange(stop - start), np.maximum(labels[start:stop], 0)
        mine = block[here, own].astype(np.float64)
        block[here, own] = -np.inf
        with np.errstate(over="ignore"):
            result[start:stop] = 1 / (1 + np.exp(block.max(axis=1) - mine))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(one, range(0, len(labels), size)))
    result[labels < 0] = np.nan
    return result


def save_agreement(record: Agreement, folder: Path) -> None:
    """Write agreement.npy into an existing folder."""
    np.save(folder / FILE, record.share, allow_pickle=False)


def load_agreement(folder: Path) -> Agreement:
    """The record of a folder. Raises ReweighError where its file is missing."""
    if not (folder / FILE).exists():
        raise ReweighError(f"No agreement of labels in {folder}: {FILE} is missing.")
    return Agreement(share=np.load(folder / FILE, allow_pickle=False))
