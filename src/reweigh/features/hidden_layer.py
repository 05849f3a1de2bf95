"""A hidden layer between features and the last layer: max(0, W x + b)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ACTIVATION = "relu"


@dataclass(frozen=True, kw_only=True)
class HiddenLayer:
    """For features as they are stored."""

    weight: NDArray[np.float32]
    """(h, d)"""
    bias: NDArray[np.float32]
    """(h,)"""


def behind(hidden: HiddenLayer | None, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, h) what the last layer sees of features (n, d); None: the features themselves."""
    if hidden is None:
        return features
    values = features @ hidden.weight.T
    values += hidden.bias
    return np.maximum(values, 0, out=values)
