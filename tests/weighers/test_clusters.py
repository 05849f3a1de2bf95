"""URNet's eqs 5-6 by hand, and the other readings of a cluster."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.evidence.clusters import ClassClusters
from reweigh.evidence.settings import EvidenceSettings
from reweigh.testing import check_weigher, example_evidence
from reweigh.weighers.clusters import (
    ClusterCredibility,
    ClusterEmphasis,
    ClusterWeight,
    cluster_readings,
    mean_one_per_class,
)
from reweigh.weighers.factor import make_factor
from reweigh.weighers.settings import WeightSettings
from reweigh.weighers.weighing import weigh_images

LABELS = np.zeros(5, np.int32)
CLUSTERS = ClassClusters(
    rows=np.arange(5), cluster_rows=np.array([50, 20, 10, 10, 10], np.int32), class_rows=np.array([5, 20, 1, 4, 10], np.int32),
    union_rows=np.full(5, 100, np.int32), distance=np.array([0.5, 0.25, 1, 1, 2], np.float32),
)  # fmt: skip


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        ("size", [0.5, 0.2, 0.1, 0.1, 0.1]),  # eqs 5-6: N_G / sum of N_G
        ("purity", [0.1, 1, 0.1, 0.4, 1]),
        ("confusion", [0.9, 0, 0.9, 0.6, 0]),
        ("cover", [1, 4, 0.2, 0.8, 2]),  # of the 5 images of the class here
        ("density", [2, 4, 1, 1, 0.5]),
    ],
)
def test_five_clusters_of_50_20_10_10_and_10_images_by_hand(reading: str, expected: list[float]) -> None:
    np.testing.assert_allclose(cluster_readings(CLUSTERS, LABELS, 1)[reading], expected, rtol=1e-6)


def test_literal_weights_have_mean_one_in_each_class() -> None:
    """(.5, .2, .1, .1, .1) over their mean .2."""
    sizes = cluster_readings(CLUSTERS, LABELS, 1)["size"]
    np.testing.assert_allclose(mean_one_per_class(sizes, LABELS, 1), [2.5, 1, 0.5, 0.5, 0.5], rtol=1e-6)
    np.testing.assert_array_equal(mean_one_per_class(np.zeros(3), np.array([0, 2, 2]), 3), np.ones(3))


def test_emphasis_by_hand() -> None:
    """(.9, 0, .9, .6, 0) ^ .5 = (.949, 0, .949, .775, 0), mean .534; over it and within [.1, 5]."""
    evidence = example_evidence()
    images = replace(
        evidence["images"], **{name: getattr(evidence["images"], name)[:5] for name in ("rows", "groups", "copies", "source", "rank", "is_fitted", "person")},
        labels=LABELS, k=1,
    )  # fmt: skip
    values, _ = ClusterEmphasis().weigh({"images": images, "clusters": CLUSTERS}, None)
    np.testing.assert_allclose(values, [1.775, 0.1, 1.775, 1.450, 0.1], atol=2e-3)


def test_emphasis_multiplies_the_weights_of_the_images_that_stay() -> None:
    evidence = example_evidence()
    settings = WeightSettings(use=("held_out", "class_balance"))
    plain = weigh_images(evidence["images"], evidence, settings.use, settings)
    raised = weigh_images(evidence["images"], evidence, (*settings.use, "cluster_emphasis"), settings)
    stays = plain.weights > 0
    ratio = raised.weights[stays] / plain.weights[stays]
    expected = raised.factors["cluster_emphasis"].values[stays]
    np.testing.assert_allclose(ratio / ratio.mean(), expected / expected.mean(), rtol=1e-4)
    assert (raised.weights[~stays] == 0).all()


def test_the_papers_weights_need_the_product() -> None:
    evidence = example_evidence()
    with pytest.raises(ReweighError, match=r"'cluster_weight' is a multiplier.* Set weights\.combiner=product"):
        WeightSettings(use=("cluster_weight",))
    settings = WeightSettings(use=("cluster_weight",), combiner="product")
    made = weigh_images(evidence["images"], evidence, settings.use, settings)
    factor = make_factor("cluster_weight", ClusterWeight(), evidence)
    stays = made.weights > 0
    np.testing.assert_allclose(made.weights[stays], factor.values[stays] / factor.values[stays].mean(), rtol=1e-5)


@pytest.mark.parametrize("changes", [{"confused_classes": -1}, {"clusters_per_class": 0}])
def test_impossible_numbers_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ReweighError, match="confused_classes"):
        EvidenceSettings(**changes)


def test_an_emphasis_of_nothing_is_refused() -> None:
    with pytest.raises(ReweighError, match="exponent"):
        ClusterEmphasis(exponent=0)


@pytest.mark.parametrize(
    "weigher",
    [ClusterCredibility(reading="cover")]
    + [ClusterWeight(reading=reading) for reading in ("density", "confusion", "purity", "cover")],
)  # fmt: skip
def test_every_reading_keeps_the_contract(weigher: ClusterCredibility | ClusterWeight) -> None:
    check_weigher(weigher, name=weigher.reading)


def test_density_has_no_opinion_where_all_clusters_are_alike() -> None:
    """Blobs of one spread: the curve is flat and is dropped, instead of making up weights from chance."""
    values = make_factor("clusters", ClusterCredibility(reading="density"), example_evidence()).values
    assert np.isnan(values).all()


def test_calibrated_purity_believes_a_cluster_of_its_own_class_more() -> None:
    """Example evidence is of blobs with 30 % wrong labels: purity is high where the label is that of the blob."""
    evidence = example_evidence()
    images, clusters = evidence["images"], evidence["clusters"]
    values = make_factor("clusters", ClusterCredibility(), evidence).values
    purity = clusters.class_rows / clusters.cluster_rows
    order = np.argsort(purity, kind="stable")
    assert (np.diff(values[order]) >= -1e-6).all()  # isotonic in the score
    right = images.labels == np.arange(len(images.labels)) % images.k
    assert values[right].mean() > values[~right].mean() + 0.1
