"""Probabilities of the most probable classes only, as a SciPy sparse matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reweigh.errors import ReweighError
from reweigh.probes.log_probabilities import FLOOR_OF_ARRAYS


@dataclass(frozen=True)
class SparseProbabilities:
    """(n, k) CSR: what a row lacks of 1 is spread evenly over the classes that it does not store."""

    values: sparse.csr_matrix

    @property
    def n(self) -> int:
        return int(self.values.shape[0])

    @property
    def k(self) -> int:
        return int(self.values.shape[1])

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Raises ReweighError for a row that is no distribution: negative, NaN, or of more than 1 in all."""
        block = self.values[start:stop]
        stored = np.diff(block.indptr)
        left = 1 - np.asarray(block.sum(axis=1), np.float64).ravel()
        lowest = np.full(stop - start, np.inf)
        with np.errstate(invalid="ignore"):  # NaN is named below
            np.minimum.at(lowest, np.repeat(np.arange(stop - start), stored), block.data)
        bad = np.flatnonzero(~((left > -0.05) & (lowest >= 0)))
        if len(bad):
            raise ReweighError(
                f"Probabilities of row {start + int(bad[0])} are no distribution: negative, NaN, or over 1 in all."
            )
        n_others = np.maximum(self.k - stored, 1)
        dense = np.repeat((np.maximum(left, 0) / n_others).astype(np.float32)[:, None], self.k, axis=1)
        dense[np.repeat(np.arange(stop - start), stored), block.indices] = block.data
        dense /= dense.sum(axis=1, keepdims=True)
        np.maximum(dense, np.exp(FLOOR_OF_ARRAYS), out=dense)
        return np.log(dense, out=dense)
