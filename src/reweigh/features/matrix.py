"""What probes, neighbours and weighers read features through: any matrix of rows, in memory or on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class FeatureMatrix(Protocol):
    """A matrix (n, d) that is read a block of rows at a time."""

    @property
    def n(self) -> int: ...

    @property
    def d(self) -> int: ...

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows at these positions, (len(rows), d) float32, a copy."""
        ...


@dataclass(frozen=True)
class ArrayFeatures:
    """A `FeatureMatrix` over an array (n, d) in memory or memory-mapped, of any float dtype."""

    values: NDArray[np.floating]

    @property
    def n(self) -> int:
        return int(self.values.shape[0])

    @property
    def d(self) -> int:
        return int(self.values.shape[1])

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(self.values[rows], dtype=np.float32)
