"""Where each image lies among those of its class and of the classes that are taken for it: clusters in the union. URNet, eqs 5-7."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.cores import available_cores
from reweigh.evidence.held_out import HeldOut
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.stored_arrays import load_arrays, save_arrays
from reweigh.features.clusters import kmeans
from reweigh.features.matrix import FeatureMatrix
from reweigh.ranks import together

ARRAYS = ("rows", "cluster_rows", "class_rows", "union_rows", "distance")
PURPOSE = 12
"""Of the seeds in SeedSequence([seed, purpose, class])."""


@dataclass(frozen=True, kw_only=True)
class ClassClusters:
    """The cluster that each of n images fell into when those of its class and its confused classes were clustered."""

    rows: NDArray[np.int64]
    """(n,) positions into the features"""
    cluster_rows: NDArray[np.int32]
    """(n,) images of the cluster; 0 without a label"""
    class_rows: NDArray[np.int32]
    """(n,) those of them under the image's own label"""
    union_rows: NDArray[np.int32]
    """(n,) images that were clustered"""
    distance: NDArray[np.float32]
    """(n,) mean distance of the cluster's images from its centre, features of length 1; NaN without a label"""


def make_clusters(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> ClassClusters:
    """For each class, k-means of its images and those of its most confused classes (`evidence.confused_classes`).

    Classes are dealt out to the ranks and, on each, to all cores; of several `inputs.ranks`, which see the same workspace, rank
    0 calls this and the others `help_with_clusters`. The bytes do not depend on who did what.
    """
    record = _share(inputs, settings, seed)
    label_owner = np.asarray(inputs.labels) % inputs.ranks.world
    for rank in range(1, inputs.ranks.world):
        other = load_clusters(_part(inputs, rank))
        theirs = np.flatnonzero(label_owner == rank)
        for name in ARRAYS[1:]:
            getattr(record, name)[theirs] = getattr(other, name)[theirs]
    return record


def help_with_clusters(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> None:
    """What another rank than 0 does while that one calls `make_clusters` with the same inputs."""
    _share(inputs, settings, seed)


def _part(inputs: EvidenceInputs, rank: int) -> Path:
    if inputs.workspace is None:
        raise ValueError("several ranks need a workspace that all of them see")
    return inputs.workspace / f"rank-{rank}"


def _share(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> ClassClusters:
    """The classes of this rank; those of another one than 0 are left in the workspace."""
    ranks = inputs.ranks
    with together(ranks):
        record = _clusters_of(inputs, settings, seed, range(ranks.rank, inputs.k, ranks.world))
        if not ranks.is_first:
            folder = _part(inputs, ranks.rank)
            folder.mkdir(parents=True, exist_ok=True)
            save_clusters(record, folder)
    return record


def _clusters_of(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int, classes: range) -> ClassClusters:
    """The record with the rows of these classes filled in."""
    labels = np.asarray(inputs.labels)
    is_fitted = labels >= 0 if inputs.is_fitted is None else inputs.is_fitted & (labels >= 0)
    confused = confused_classes(inputs.made["held_out"], labels, is_fitted, k=inputs.k, count=settings.confused_classes)
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(inputs.k + 1))
    n = len(labels)
    record = ClassClusters(
        rows=inputs.rows, cluster_rows=np.zeros(n, np.int32), class_rows=np.zeros(n, np.int32), union_rows=np.zeros(n, np.int32),
        distance=np.full(n, np.nan, np.float32),
    )  # fmt: skip

    def one(label: int) -> None:
        own = order[bounds[label] : bounds[label + 1]]
        others = [order[bounds[other] : bounds[other + 1]] for other in confused[label]]
        union = np.concatenate([own[is_fitted[own]], *(rows[is_fitted[rows]] for rows in others)])
        if len(own) and len(union):
            _put(record, own, *_clustered(inputs.features, inputs.rows, own, union, labels, settings, seed, label))

    with ThreadPoolExecutor(available_cores()) as pool:
        for done, _ in enumerate(pool.map(one, classes), start=1):
            inputs.progress("clusters", done, len(classes))
    return record


def confused_classes(
    held_out: HeldOut, labels: NDArray[np.integer], is_fitted: NDArray[np.bool_], *, k: int, count: int
) -> list[NDArray[np.int64]]:
    """For each class the (at most `count`) classes that its images are most often predicted as, most often first.

    labels (n,) of the predictions' rows. Equal numbers are told apart by how often a class comes second, then by its
    number. A class that is never predicted for the label, neither first nor second, is not confused with it. Differs from
    the paper, which counts a model's predictions on the images it was trained on, whose errors vanish as it overfits.
    """
    own = np.flatnonzero(is_fitted & (held_out.best_other >= 0))
    other = held_out.best_other[own].astype(np.int64)
    weight = np.where(held_out.label_position[own] > 0, len(own) + 1, 1)
    pairs = labels[own].astype(np.int64) * k + other
    found, place = np.unique(pairs, return_inverse=True)
    counts = np.bincount(place, weights=weight, minlength=len(found))
    ranked = np.lexsort((found % k, -counts, found // k))
    of_class, classes = found[ranked] // k, found[ranked] % k
    starts = np.searchsorted(of_class, np.arange(k + 1))
    return [classes[starts[c] : min(starts[c] + count, starts[c + 1])].copy() for c in range(k)]


Clustered = tuple[NDArray[np.int32], NDArray[np.int32], int, NDArray[np.float32]]


def _clustered(
    features: FeatureMatrix, rows: NDArray[np.int64], own: NDArray[np.int64], union: NDArray[np.int64], labels: NDArray[np.integer],
    settings: EvidenceSettings, seed: int, label: int,
) -> Clustered:  # fmt: skip
    """(images of the cluster, those of the class among them, images in all, mean distance) for each own row."""
    union = union[np.argsort(rows[union], kind="stable")]
    draw = int(np.random.SeedSequence([seed, PURPOSE, label]).generate_state(1)[0] >> 2)
    outside = own[~np.isin(own, union)]
    asked = np.concatenate([union, outside])  # copies under two labels are judged, and fit no centre
    found = kmeans(
        features, rows[asked], n_clusters=settings.clusters_per_class, seed=draw, n_fitted=len(union), is_fewer_allowed=True
    )  # fmt: skip
    cluster, is_own = found.assignment[: len(union)], labels[union] == label
    n_clusters = len(found.centres)
    sizes = np.bincount(cluster, minlength=n_clusters)
    own_sizes = np.bincount(cluster[is_own], minlength=n_clusters)
    total = np.bincount(cluster, weights=found.distance[: len(union)], minlength=n_clusters)
    mean = (total / np.maximum(sizes, 1)).astype(np.float32)
    order = np.argsort(asked)
    at = found.assignment[order[np.searchsorted(asked[order], own)]]
    return sizes[at].astype(np.int32), own_sizes[at].astype(np.int32), len(union), mean[at]


def _put(
    record: ClassClusters, own: NDArray[np.int64], sizes: NDArray[np.int32], own_sizes: NDArray[np.int32], n: int,
    distance: NDArray[np.float32],
) -> None:  # fmt: skip
    record.cluster_rows[own], record.class_rows[own], record.union_rows[own] = sizes, own_sizes, n
    record.distance[own] = distance


def save_clusters(record: ClassClusters, folder: Path) -> None:
    """Write NAME.npy of each array into an existing folder."""
    save_arrays(record, folder, ARRAYS)


def load_clusters(folder: Path) -> ClassClusters:
    """The record of a folder. Raises ReweighError where a file is missing."""
    return ClassClusters(**load_arrays(folder, ARRAYS, what="clusters"))
