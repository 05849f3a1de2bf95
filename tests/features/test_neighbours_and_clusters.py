"""Neighbours against a slow search, groups kept apart, and the same bytes for any number of threads."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.features import neighbours
from reweigh.features.clusters import kmeans
from reweigh.features.matrix import ArrayFeatures
from reweigh.features.neighbours import nearest_neighbours


def points(n: int, d: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) * rng.gamma(1, 1, d)).astype(np.float32)


def slowly(
    values: NDArray[np.float32], groups: NDArray[np.int64], m: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    cosine = (unit @ unit.T).astype(np.float64)
    cosine[groups[:, None] == groups] = -np.inf
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :m]
    return order, np.take_along_axis(cosine, order, axis=1)


@pytest.mark.parametrize("group_size", [1, 3, 40])
def test_neighbours_equal_a_slow_search_outside_the_group(group_size: int) -> None:
    values = points(400, 24)
    groups = np.arange(400) // group_size
    found = nearest_neighbours(ArrayFeatures(values), np.arange(400), n_neighbours=10, groups=groups, seed=0)
    order, cosine = slowly(values, groups, 10)
    assert (found.indices == order).mean() > 0.999
    assert np.abs(found.similarities - cosine).max() < 1e-3
    assert (found.indices.dtype, found.similarities.dtype) == (np.int32, np.float16)


def test_without_groups_a_row_is_not_its_own_neighbour() -> None:
    values = np.repeat(points(20, 8), 2, axis=0)  # every row twice
    found = nearest_neighbours(ArrayFeatures(values), np.arange(40), n_neighbours=1, seed=0)
    assert found.indices[:, 0].tolist() == [i ^ 1 for i in range(40)]


def test_positions_point_into_the_rows_that_were_given() -> None:
    values = points(50, 8)
    rows = np.array([40, 3, 17, 22])
    few = nearest_neighbours(ArrayFeatures(values), rows, n_neighbours=3, seed=0)
    assert (
        few.indices == nearest_neighbours(ArrayFeatures(values[rows]), np.arange(4), n_neighbours=3, seed=0).indices
    ).all()


def test_where_there_are_no_more_the_index_is_minus_one() -> None:
    values = points(4, 8)
    values[2] = 0  # an unreadable image
    found = nearest_neighbours(
        ArrayFeatures(values), np.arange(4), n_neighbours=3, groups=np.array([0, 0, 1, 2]), seed=0
    )
    assert found.indices.tolist()[0] == [3, -1, -1]
    assert found.indices.tolist()[2] == [-1, -1, -1]
    assert sorted(found.indices.tolist()[3]) == [-1, 0, 1]
    assert (found.similarities[found.indices < 0] == 0).all()


def test_principal_components_keep_the_neighbours_of_low_rank_features() -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(300, 16)) @ rng.normal(size=(16, 400))).astype(np.float32)
    values -= (values / np.linalg.norm(values, axis=1, keepdims=True)).mean(axis=0)
    every = nearest_neighbours(ArrayFeatures(values), np.arange(300), n_neighbours=5, n_components=400, seed=0)
    some = nearest_neighbours(ArrayFeatures(values), np.arange(300), n_neighbours=5, n_components=17, seed=0)
    shared = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(every.indices, some.indices, strict=True)])
    assert shared > 0.8, f"{shared:.0%} of the neighbours are kept"


def test_the_inverted_file_finds_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = points(20_000, 8)
    exact = nearest_neighbours(ArrayFeatures(values), np.arange(20_000), n_neighbours=5, seed=0)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 1000)
    quick = nearest_neighbours(ArrayFeatures(values), np.arange(20_000), n_neighbours=5, seed=0)
    recall = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(exact.indices, quick.indices, strict=True)])
    assert recall > 0.95, f"{recall:.1%} of the neighbours are found"


def test_nan_names_its_row() -> None:
    values = points(10, 4)
    values[7, 2] = np.nan
    for call in (
        lambda: nearest_neighbours(ArrayFeatures(values), np.arange(10), n_neighbours=2, seed=0),
        lambda: kmeans(ArrayFeatures(values), np.arange(10), n_clusters=2, seed=0),
    ):
        with pytest.raises(ReweighError, match="Features of row 7 are NaN or infinite"):
            call()


def test_kmeans_finds_clusters_that_are_far_apart() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(4, 16, dtype=np.float32)
    labels = rng.integers(0, 4, 200)
    values = centres[labels] + rng.normal(size=(200, 16)).astype(np.float32) * 0.02
    found = kmeans(ArrayFeatures(values), np.arange(200), n_clusters=4, seed=3)
    assert (found.assignment.dtype, found.centres.shape) == (np.int32, (4, 16))
    assert len({(a, b) for a, b in zip(labels.tolist(), found.assignment.tolist(), strict=True)}) == 4


def test_kmeans_assigns_each_row_to_its_nearest_centre() -> None:
    values = points(300, 12)
    found = kmeans(ArrayFeatures(values), np.arange(300), n_clusters=7, seed=0)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    distance = ((unit[:, None] - found.centres) ** 2).sum(axis=2)
    assert (found.assignment == distance.argmin(axis=1)).all()


def test_more_clusters_than_images_are_refused() -> None:
    with pytest.raises(ReweighError, match="11 clusters need as many images with features; there are 10"):
        kmeans(ArrayFeatures(points(10, 4)), np.arange(10), n_clusters=11, seed=0)


def digest() -> str:
    """Hash of neighbours (both ways of searching) and clusters of fixed points."""
    features, rows = ArrayFeatures(points(3000, 300)), np.arange(3000)
    hashed = hashlib.sha256()
    for limit in (50_000, 1000):
        neighbours.EXACT_UP_TO = limit
        found = nearest_neighbours(features, rows, n_neighbours=10, groups=rows // 2, seed=5)
        hashed.update(found.indices.tobytes() + found.similarities.tobytes())
    clusters = kmeans(features, rows, n_clusters=9, seed=5)
    hashed.update(clusters.assignment.tobytes() + clusters.centres.tobytes())
    return hashed.hexdigest()


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_threads() -> None:
    said = set()
    for threads in ("1", "3"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        here = str(Path(__file__).parent)
        code = f"import sys; sys.path.insert(0, {here!r}); import test_neighbours_and_clusters as t; print(t.digest())"
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        said.add(done.stdout.splitlines()[-1])
    assert len(said) == 1
