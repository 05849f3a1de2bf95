"""Clusters of a class and its confused classes: who is confused with whom, what is counted, poor data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import KMeans

from reweigh.errors import ReweighError
from reweigh.evidence.clusters import confused_classes, make_clusters
from reweigh.evidence.held_out import HeldOut
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.table import EVIDENCE
from reweigh.features.clusters import kmeans
from reweigh.features.matrix import ArrayFeatures
from reweigh.probes.settings import ProbeSettings

SETTINGS = EvidenceSettings(n_folds=3)


def predictions(position: list[int], best_other: list[int]) -> HeldOut:
    """As far as confusion reads it."""
    blank = np.zeros(len(position), np.float32)
    return HeldOut(
        rows=np.arange(len(position)), labels=np.zeros(len(position), np.int32), label_log_probability=blank,
        label_position=np.array(position, np.int32), best_other=np.array(best_other, np.int32), best_other_log_probability=blank,
        log_probabilities=None, fold=np.zeros(len(position), np.int8), k=4, l2=1.0, strength=None, held_out_loss=0.0,  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_most_confused_classes_by_hand() -> None:
    """Class 0: once taken for 2, once for 3, 1 comes second twice, 3 second once: 3 (one and one), 2, 1. Class 1 is never in doubt."""
    held_out = predictions([1, 1, 0, 0, 0, 0], [2, 3, 1, 1, 3, -1])
    labels = np.array([0, 0, 0, 0, 0, 1])
    found = confused_classes(held_out, labels, np.ones(6, bool), k=4, count=4)
    assert [classes.tolist() for classes in found] == [[3, 2, 1], [], [], []]
    assert confused_classes(held_out, labels, np.ones(6, bool), k=4, count=1)[0].tolist() == [3]
    is_fitted = np.array([True, False, True, True, True, True])
    assert confused_classes(held_out, labels, is_fitted, k=4, count=4)[0].tolist() == [2, 1, 3]


def inputs(labels: np.ndarray, values: np.ndarray, k: int, **changes: object) -> EvidenceInputs:
    given = EvidenceInputs(
        features=ArrayFeatures(values.astype(np.float32)), rows=np.arange(len(values)), labels=labels, groups=np.arange(len(values)),
        k=k, probe=ProbeSettings(l2=0.1), **changes,
    )  # fmt: skip
    return replace(given, made={"held_out": EVIDENCE["held_out"].make(given, SETTINGS, 0)})


def blobs(n: int = 300, k: int = 3, wrong: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = np.arange(n) % k
    values = generator.standard_normal((n, 8)) + 6 * np.eye(8)[truth]
    labels = np.where(generator.random(n) < wrong, generator.integers(0, k, n), truth)
    return labels, values, truth


def test_a_wrong_label_lies_in_a_cluster_of_another_class() -> None:
    labels, values, truth = blobs()
    made = make_clusters(inputs(labels, values, 3), replace(SETTINGS, clusters_per_class=3), 0)
    purity = made.class_rows / made.cluster_rows
    assert purity[labels == truth].mean() > 0.7 > 0.35 > purity[labels != truth].mean()
    assert (made.union_rows == 300).all()


def test_clusters_are_as_tight_as_those_of_scikit_learn() -> None:
    values = np.random.default_rng(0).standard_normal((600, 12)).astype(np.float32) + 2 * np.eye(12)[np.arange(600) % 5]
    unit = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    own = kmeans(ArrayFeatures(unit), np.arange(600), n_clusters=5, seed=0)
    theirs = KMeans(5, n_init=10, random_state=0).fit(unit)
    assert np.square(own.distance).sum() < 1.05 * theirs.inertia_
    np.testing.assert_allclose(own.distance, np.linalg.norm(unit - own.centres[own.assignment], axis=1), atol=1e-3)


def test_copies_under_two_labels_are_judged_and_change_nobody() -> None:
    labels, values, _ = blobs()
    is_fitted = np.arange(300) % 10 != 0
    one = make_clusters(inputs(labels, values, 3, is_fitted=is_fitted), SETTINGS, 0)
    moved = values.copy()
    moved[~is_fitted] *= -1
    other = make_clusters(inputs(labels, moved, 3, is_fitted=is_fitted), SETTINGS, 0)
    for name in ("cluster_rows", "class_rows", "union_rows", "distance"):
        np.testing.assert_array_equal(getattr(one, name)[is_fitted], getattr(other, name)[is_fitted])
    assert (one.cluster_rows > 0).all()


@pytest.mark.parametrize(
    "case",
    ["no image of a class", "one image of a class", "all alike", "all zero", "half zero", "one class", "fewer images than clusters"],
)  # fmt: skip
def test_poor_data(case: str) -> None:
    labels, values, _ = blobs(60)
    k = 4 if case.endswith("of a class") else 3
    if case == "one image of a class":
        labels[7] = 3
    if case == "all alike":
        values[:] = 1.0
    if case.endswith("zero"):
        values[: 60 if case == "all zero" else 30] = 0.0
    if case == "one class":
        labels, k = np.zeros(60, np.int64), 1
    if case == "fewer images than clusters":
        labels, values, k = np.arange(6) % 2, values[:6], 2
        values[:3] = 0.0  # and still fewer that have features
    made = make_clusters(inputs(labels, values, k), SETTINGS, 0)
    assert (made.cluster_rows >= 1).all() and (made.class_rows <= made.cluster_rows).all()
    assert (made.cluster_rows <= made.union_rows).all() and np.isfinite(made.distance).all()


def test_images_without_a_label_have_no_cluster() -> None:
    labels, values, _ = blobs(90)
    labels[:5] = -1
    made = make_clusters(inputs(labels, values, 3), SETTINGS, 0)
    assert (made.cluster_rows[:5] == 0).all() and np.isnan(made.distance[:5]).all()


def test_features_that_are_not_finite_name_the_image() -> None:
    labels, values, _ = blobs(60)
    given = inputs(labels, values, 3)
    values[17] = np.nan
    with pytest.raises(ReweighError, match="17"):
        make_clusters(replace(given, features=ArrayFeatures(values.astype(np.float32))), SETTINGS, 0)
