"""The nearest images by cosine: exact up to 50,000 rows, through an inverted file above."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.cores import available_cores
from reweigh.errors import ReweighError
from reweigh.features.matrix import FeatureMatrix
from reweigh.features.projection import fit_projection, project

EXACT_UP_TO = 50_000
QUERIES = 1024
"""Rows searched at a time: always the same blocks on one thread each, so that results do not depend on their number."""
PROBES = 64
"""Cells of the inverted file that a search visits."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest other rows of each row, nearest first."""

    indices: NDArray[np.int32]
    """(n, n_neighbours) positions into the rows that were searched; -1: there are no more."""
    similarities: NDArray[np.float16]
    """(n, n_neighbours) cosine; 0 where the index is -1."""


def nearest_neighbours(
    features: FeatureMatrix, rows: NDArray[np.int64], *, n_neighbours: int, groups: NDArray[np.int64] | None = None,
    n_components: int = 256, seed: int = 0,
) -> Neighbours:  # fmt: skip
    """Neighbours of each of `rows` among them, by cosine on at most `n_components` principal components.

    The row itself is never its neighbour, nor is any row of the same group where `groups` (n,) is given. A zero row
    (an unreadable image) has no neighbours and is nobody's. Ties are broken by position. Same seed, same bytes, for any
    number of threads. Raises ReweighError for NaN or infinity.
    """
    own = np.arange(len(rows)) if groups is None else groups
    return nearest_to(
        features, rows, rows, own, own, n_neighbours=n_neighbours, n_components=n_components, seed=seed
    )  # fmt: skip


def nearest_to(
    features: FeatureMatrix, queries: NDArray[np.int64], rows: NDArray[np.int64], query_groups: NDArray[np.int64], groups: NDArray[np.int64], *,
    n_neighbours: int, n_components: int = 256, seed: int = 0,
) -> Neighbours:  # fmt: skip
    """Neighbours of each of `queries` (q,) among `rows` (n,), none of its own group; the projection is that of `rows`.

    As `nearest_neighbours` otherwise; indices (q, n_neighbours) are positions into `rows`.
    """
    if n_neighbours < 1:
        raise ReweighError(f"n_neighbours must be 1 or more, found {n_neighbours}.")
    projection = fit_projection(features, rows, n_components=n_components, seed=seed)
    points = project(features, rows, projection)
    asked = points if queries is rows else project(features, queries, projection)
    known, known_asked = (np.flatnonzero(p.any(axis=1)) for p in (points, asked))
    indices = np.full((len(queries), n_neighbours), -1, np.int32)
    similarities = np.zeros((len(queries), n_neighbours), np.float16)
    if len(known) and len(known_asked):
        found, cosine = _search_others(
            points[known], groups[known], asked[known_asked], query_groups[known_asked], n_neighbours, seed=seed
        )  # fmt: skip
        indices[known_asked] = np.where(found >= 0, known[found], -1)
        similarities[known_asked] = np.where(found >= 0, cosine, 0)
    return Neighbours(indices=indices, similarities=similarities)


def _search_others(
    points: NDArray[np.float32], groups: NDArray[np.int64], asked: NDArray[np.float32], own: NDArray[np.int64], n_neighbours: int, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # fmt: skip
    """The nearest points of another group than the asked one's; the search is widened for the rows that their own group has crowded."""
    n = len(points)
    search = _index(points, seed=seed)
    found = np.full((len(asked), n_neighbours), -1, np.int64)
    cosine = np.zeros((len(asked), n_neighbours), np.float32)
    pending, width = np.arange(len(asked)), min(n, n_neighbours + 8)
    while len(pending):
        values, positions = search(asked[pending], width)
        allowed = (positions >= 0) & (groups[positions] != own[pending, None])
        first = np.argsort(~allowed, axis=1, kind="stable")[:, :n_neighbours]
        kept = np.take_along_axis(allowed, first, axis=1)
        columns = first.shape[1]
        found[pending, :columns] = np.where(kept, np.take_along_axis(positions, first, axis=1), -1)
        cosine[pending, :columns] = np.where(kept, np.take_along_axis(values, first, axis=1), 0)
        exhausted = (positions < 0).any(axis=1) | (width >= n)
        pending = pending[~exhausted & (allowed.sum(axis=1) < n_neighbours)]
        width = min(n, 4 * width)
    return found, cosine


def _index(
    points: NDArray[np.float32], *, seed: int
) -> Callable[[NDArray[np.float32], int], tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """search(queries, width) -> similarities and positions (b, width), falling, ties by position."""
    import faiss

    n, width = points.shape
    index: Any
    with one_thread():
        if n <= EXACT_UP_TO:
            index = faiss.IndexFlatIP(width)
        else:
            n_cells = int(4 * np.sqrt(n))
            # Half precision: 16 million rows of 256 values are 8 GB instead of 16.
            index = faiss.index_factory(width, f"IVF{n_cells},SQfp16", faiss.METRIC_INNER_PRODUCT)
            index.cp.seed, index.nprobe = seed + 1, PROBES
            rng = np.random.default_rng(seed)
            index.train(points[np.sort(rng.choice(n, min(n, 40 * n_cells), replace=False))])
        index.add(points)

    def block(queries: NDArray[np.float32], m: int) -> tuple[Any, Any]:
        with one_thread():
            values, positions = index.search(queries, m)
        order = np.lexsort((positions, -values), axis=1)
        return np.take_along_axis(values, order, axis=1), np.take_along_axis(positions, order, axis=1)

    def search(queries: NDArray[np.float32], m: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        starts = range(0, len(queries), QUERIES)
        with ThreadPoolExecutor(available_cores()) as pool:
            parts = list(pool.map(lambda s: block(queries[s : s + QUERIES], m), starts))
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    return search


@contextmanager
def one_thread() -> Iterator[None]:
    """Let faiss use one thread in this thread of ours; OpenMP keeps the number for each thread apart."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
