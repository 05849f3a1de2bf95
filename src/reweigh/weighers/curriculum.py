"""CurriculumNet's own weights: three subsets of each class by density, from clean to highly noisy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.weighers.factor import Evidence, Kind, State

N_SUBSETS = 3


@dataclass(frozen=True, kw_only=True)
class Curriculum:
    """Weights by subset, as the paper trains with them stage after stage; `density` is the calibrated form."""

    clean: float = 1.0
    """Weight of the densest subset, 0 or more."""
    noisy: float = 0.5
    """Weight of the middle subset, 0 or more; 0 leaves it to a later round."""
    highly_noisy: float = 0.5
    """Weight of the least dense subset, 0 or more."""

    kind: ClassVar[Kind] = "multiplier"
    group: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ("density",)

    def __post_init__(self) -> None:
        for name in ("clean", "noisy", "highly_noisy"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ReweighError(f"weights.curriculum.{name} must be 0 or more, found {getattr(self, name)}.")

    def fit(self, evidence: Evidence) -> State | None:
        """The subset of every image."""
        images = evidence["images"]
        return {"subset": density_subsets(evidence["density"].share, images.labels, images.k)}

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The weight of each image's subset."""
        assert state is not None
        weights = np.array([self.clean, self.noisy, self.highly_noisy], np.float32)
        counts = np.bincount(state["subset"], minlength=N_SUBSETS)
        return weights[state["subset"]], {"subsets": counts.tolist()}


def density_subsets(share: NDArray[np.floating], labels: NDArray[np.integer], k: int) -> NDArray[np.int8]:
    """(n,) 0 clean, 1 noisy, 2 highly noisy: k-means of each class's densities in one dimension; CurriculumNet.

    Differs from the published code, which raises where a class has fewer than three different densities: there are fewer
    subsets then, the densest ones. An image alone in its class (NaN) is clean.
    """
    subset = np.zeros(len(labels), np.int8)
    order = np.lexsort((share, labels))
    bounds = np.searchsorted(labels[order], np.arange(k + 1))
    for label in range(k):
        own = order[bounds[label] : bounds[label + 1]]
        own = own[~np.isnan(share[own])]
        if len(own):
            subset[own] = _subsets(share[own].astype(np.float64))
    return subset


def _subsets(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Subset of each of the ascending values, 0 the largest."""
    from sklearn.cluster import KMeans

    n = min(N_SUBSETS, len(np.unique(values)))
    if n == 1:
        return np.zeros(len(values), np.int64)
    quantiles = np.quantile(values, (np.arange(n) + 0.5) / n)
    start = quantiles if len(np.unique(quantiles)) == n else np.linspace(values[0], values[-1], n)
    fitted = KMeans(n, init=start[:, None], n_init=1).fit(values[:, None])
    place = np.argsort(np.argsort(-fitted.cluster_centers_[:, 0]))
    return place[fitted.labels_]
