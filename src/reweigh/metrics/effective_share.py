"""How many images a set of weights is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def effective_share(weights: NDArray[np.floating]) -> float:
    """(sum w)^2 / (n sum w^2), 0 to 1; NaN without weights. (1, 1, 1, 0) -> .75, (3, 1, 0, 0) -> .40."""
    weights = np.asarray(weights, np.float64)
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / (len(weights) * squares) if squares > 0 else float("nan")


def class_effective_shares(weights: NDArray[np.floating], labels: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """(k,) effective share within each class; NaN for a class without weight."""
    weights = np.asarray(weights, np.float64)
    total = np.bincount(labels, weights=weights, minlength=k)
    squares = np.bincount(labels, weights=weights**2, minlength=k) * np.bincount(labels, minlength=k)
    return np.divide(total**2, squares, out=np.full(k, np.nan), where=squares > 0)
