"""Weights from clusters of a class with the classes that are taken for it: URNet's (eqs 5-7), and the reading that helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.evidence.clusters import ClassClusters
from reweigh.weighers.calibration import fit_score, weigh_score
from reweigh.weighers.factor import Evidence, Kind, State

Reading = Literal["purity", "cover", "density", "size", "confusion"]
LEAST_DISTANCE = 1e-6
EMPHASIS_BOUNDS = (0.1, 5.0)


@dataclass(frozen=True, kw_only=True)
class ClusterCredibility:
    """Share of the image's own class in its cluster, calibrated; differs from the paper, whose largest cluster is the diffuse one."""

    reading: Literal["purity", "cover", "density"] = "purity"
    """`purity`: share of its class in its cluster; `cover`: share of its class that is there; `density`: as the slides have it."""

    kind: ClassVar[Kind] = "credibility"
    group: ClassVar[str] = "visual"
    needs: ClassVar[tuple[str, ...]] = ("clusters", "agreement")

    def fit(self, evidence: Evidence) -> State | None:
        """The curve."""
        return fit_score(_score(evidence, self.reading), evidence, per_source=False)

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Calibrated score of each image's cluster."""
        assert state is not None
        return weigh_score(_score(evidence, self.reading), evidence, state, per_source=False)


@dataclass(frozen=True, kw_only=True)
class ClusterWeight:
    """The paper's and the slides' weights of clusters as they stand, mean 1 within each class; for the combiner `product`."""

    reading: Reading = "size"
    """`size`: URNet eqs 5-6; `density`: its slides; `confusion`: 1 - purity, what its text is about; `purity`, `cover`."""

    kind: ClassVar[Kind] = "multiplier"
    group: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ("clusters",)

    def fit(self, evidence: Evidence) -> State | None:
        """Nothing to learn."""
        return None

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The reading's value of each image's cluster over its mean in the class: classes keep their mass."""
        values = _score(evidence, self.reading)
        return mean_one_per_class(values, evidence["images"].labels, evidence["images"].k), {"reading": self.reading}


@dataclass(frozen=True, kw_only=True)
class ClusterEmphasis:
    """More weight where classes are confused, after credibility: (1 - purity) ^ exponent, mean 1 within each class."""

    exponent: float = 0.5
    """Above 0."""

    kind: ClassVar[Kind] = "balance"
    group: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ("clusters",)

    def __post_init__(self) -> None:
        if not 0 < self.exponent < float("inf"):
            raise ReweighError(f"weights.cluster_emphasis.exponent must be above 0, found {self.exponent}.")

    def fit(self, evidence: Evidence) -> State | None:
        """Nothing to learn."""
        return None

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The emphasis, within [.1, 5]."""
        images = evidence["images"]
        raised = cluster_readings(evidence["clusters"], images.labels, images.k)["confusion"] ** self.exponent
        values = mean_one_per_class(raised, images.labels, images.k)
        low, high = EMPHASIS_BOUNDS
        return np.clip(values, low, high), {"exponent": self.exponent}


def cluster_readings(clusters: ClassClusters, labels: NDArray[np.integer], k: int) -> dict[str, NDArray[np.float32]]:
    """Reading -> (n,) values. N_g images in the cluster, n of them of the class, N in all, N_j of the class.

    size N_g / N (URNet eqs 5-6), purity n / N_g, confusion 1 - purity, cover n / N_j, density 1 / mean distance from the
    centre.
    """
    of_class = np.maximum(np.bincount(labels, minlength=k), 1)[labels]
    with np.errstate(invalid="ignore"):
        purity = clusters.class_rows / np.maximum(clusters.cluster_rows, 1)
        found = {
            "size": clusters.cluster_rows / np.maximum(clusters.union_rows, 1), "purity": purity, "confusion": 1 - purity,
            "cover": clusters.class_rows / of_class, "density": 1 / np.maximum(clusters.distance, LEAST_DISTANCE),
        }  # fmt: skip
    return {name: values.astype(np.float32) for name, values in found.items()}


def mean_one_per_class(values: NDArray[np.floating], labels: NDArray[np.integer], k: int) -> NDArray[np.float32]:
    """(n,) values over their mean in the class; 1 in a class whose values are all 0."""
    counts = np.bincount(labels, minlength=k)
    means = np.bincount(labels, weights=values, minlength=k) / np.maximum(counts, 1)
    own = means[labels]
    return np.where(own > 0, values / np.where(own > 0, own, 1), 1).astype(np.float32)


def _score(evidence: Evidence, reading: str) -> NDArray[np.float32]:
    images = evidence["images"]
    return cluster_readings(evidence["clusters"], images.labels, images.k)[reading]
