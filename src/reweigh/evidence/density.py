"""How densely each image lies among those of its label: CurriculumNet's measure of a class's core."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reweigh.cores import available_cores
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.stored_arrays import load_arrays, save_arrays
from reweigh.features.projection import fit_projection, project

QUANTILE = 0.6
"""Cut-off among a class's pairwise distances, zeros of the diagonal included (CurriculumNet's published code)."""
ALL_PAIRS_UP_TO = 1000
"""Rows of a class whose pairs are all compared to find the cut-off; above, a million random pairs."""
RANDOM_PAIRS = 1_000_000
BLOCK = 2048
COMPONENTS = 256
ARRAYS = ("rows", "share")


@dataclass(frozen=True, kw_only=True)
class Density:
    """Density of n rows within their classes."""

    rows: NDArray[np.int64]
    """(n,) positions into the features"""
    share: NDArray[np.float32]
    """(n,) share of the class's other rows that are nearer than its cut-off; NaN: no label, or alone in its class"""


def make_density(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> Density:
    """Densities on unit, centred features of at most 256 principal components, class by class over all cores."""
    labels = np.asarray(inputs.labels)
    projection = fit_projection(inputs.features, inputs.rows, n_components=COMPONENTS, seed=seed, centred=True)
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(inputs.k + 1))
    share = np.full(len(labels), np.nan, np.float32)

    def one(label: int) -> None:
        own = order[bounds[label] : bounds[label + 1]]
        if len(own) > 1:
            points = project(inputs.features, inputs.rows[own], projection)
            share[own] = density_share(points, seed=np.random.SeedSequence([seed, 2, label]))

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(available_cores()) as pool:
        for done, _ in enumerate(pool.map(one, range(inputs.k)), start=1):
            inputs.progress("density", done, inputs.k)
    return Density(rows=inputs.rows, share=share)


def density_share(points: NDArray[np.float32], *, seed: np.random.SeedSequence) -> NDArray[np.float32]:
    """(n,) share of the other points nearer than the class's cut-off; CurriculumNet (Guo et al. 2018), published code.

    points (n, c) of length 1, or zero. The cut-off is the 60 % quantile of all n x n distances, exact up to 1,000 points,
    from a million random pairs above. Distances of unit rows fall as their cosines rise, so cosines are compared.
    """
    n = len(points)
    if n <= ALL_PAIRS_UP_TO:
        cosine = points @ points.T
        np.fill_diagonal(cosine, np.inf)  # a distance of zero, also where rounding says otherwise
        near = (cosine > _cut_off(cosine.ravel())).sum(axis=1)
    else:
        cut = _cut_off(_random_cosines(points, seed))
        starts = range(0, n, BLOCK)
        near = np.concatenate([((points[s : s + BLOCK] @ points.T) > cut).sum(axis=1) for s in starts])
        near = np.maximum(near, 1)
    return ((near - 1) / (n - 1)).astype(np.float32)


def _cut_off(cosine: NDArray[np.float32]) -> float:
    """The cosine at the QUANTILE of the distances, without interpolation."""
    place = int((1 - QUANTILE) * (len(cosine) - 1))
    return float(np.partition(cosine, place)[place])


def _random_cosines(points: NDArray[np.float32], seed: np.random.SeedSequence) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    left, right = generator.integers(0, len(points), size=(2, RANDOM_PAIRS))
    parts = [slice(s, s + BLOCK) for s in range(0, RANDOM_PAIRS, BLOCK)]
    return np.concatenate([np.einsum("ij,ij->i", points[left[p]], points[right[p]]) for p in parts])


def save_density(record: Density, folder: Path) -> None:
    """Write NAME.npy of each array into an existing folder."""
    save_arrays(record, folder, ARRAYS)


def load_density(folder: Path) -> Density:
    """The record of a folder. Raises ReweighError where a file is missing."""
    return Density(**load_arrays(folder, ARRAYS, what="densities"))
