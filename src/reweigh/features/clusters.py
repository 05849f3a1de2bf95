"""k-means on features of length 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.features.matrix import FeatureMatrix
from reweigh.features.neighbours import one_thread
from reweigh.features.projection import unit_rows

ITERATIONS = 25
POINTS_PER_CLUSTER = 256
"""Rows a cluster that centres are fitted on; more are sampled away, as faiss does by default."""
BLOCK = 4096


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """A partition of rows."""

    assignment: NDArray[np.int32]
    """(n,) the nearest centre of each row."""
    centres: NDArray[np.float32]
    """(n_clusters, d), means of rows of length 1."""
    distance: NDArray[np.float32]
    """(n,) of each row, scaled to length 1, from its centre."""


def kmeans(
    features: FeatureMatrix, rows: NDArray[np.int64], *, n_clusters: int, seed: int, n_fitted: int | None = None,
    is_fewer_allowed: bool = False,
) -> Clusters:  # fmt: skip
    """Clusters of the rows, each scaled to length 1 first, by squared distance. Same seed, same bytes.

    n_fitted: centres are those of so many first rows, and the others are only assigned; None: of all.
    A zero row (an unreadable image) is assigned like any other but fits no centre. is_fewer_allowed: as many clusters as
    there are other rows, where these are fewer; without any, one at zero.
    Raises ReweighError for fewer rows than clusters, NaN and infinity.
    """
    import faiss

    sample = np.sort(_sample(rows[:n_fitted], n_clusters * POINTS_PER_CLUSTER, seed))
    points = unit_rows(features, sample)
    points = points[points.any(axis=1)]
    if is_fewer_allowed:
        points = points if len(points) else np.zeros((1, features.d), np.float32)
        n_clusters = min(n_clusters, len(points))
    if not 1 <= n_clusters <= len(points):
        raise ReweighError(f"{n_clusters} clusters need as many images with features; there are {len(points)}.")
    with one_thread():
        fit = faiss.Kmeans(
            features.d, n_clusters, niter=ITERATIONS, seed=seed + 1, min_points_per_centroid=1,
            max_points_per_centroid=POINTS_PER_CLUSTER,
        )  # fmt: skip
        fit.train(points)
        assignment, distance = np.empty(len(rows), np.int32), np.empty(len(rows), np.float32)
        for start in range(0, len(rows), BLOCK):
            block = unit_rows(features, rows[start : start + BLOCK])
            squared, nearest = fit.index.search(block, 1)
            assignment[start : start + BLOCK] = nearest[:, 0]
            distance[start : start + BLOCK] = np.sqrt(np.maximum(squared[:, 0], 0))
    return Clusters(assignment=assignment, centres=np.asarray(fit.centroids, np.float32), distance=distance)


def _sample(rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    return rows if len(rows) <= most else np.random.default_rng(seed).choice(rows, most, replace=False)
