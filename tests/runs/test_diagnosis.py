"""The five challenges as figures, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reweigh.runs.diagnosis import ambiguity, disagreement, doubt, outside_core, saliency, size_ratio

NAN = float("nan")


def test_imbalance_is_the_largest_class_over_the_smallest_that_has_images() -> None:
    assert size_ratio(np.array([40, 0, 10, 5])) == 8
    assert size_ratio(np.array([7, 7])) == 1
    assert np.isnan(size_ratio(np.zeros(3, np.int64)))


def test_diversity_is_the_mean_over_classes_of_the_share_outside_the_core() -> None:
    """Class 0: .2 and .4 of five lie under 1/2, 2/5; class 1: one of two; class 2: not measured. Mean of .4 and .5 is .45."""
    share = np.array([0.2, 0.4, 0.5, 0.7, 0.9, 0.1, 0.8, NAN, 0.0], np.float32)
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 2, -1])
    assert outside_core(share, labels, 3) == pytest.approx(0.45)
    assert np.isnan(outside_core(np.full(2, NAN), np.array([0, 1]), 2))


def test_images_apart_from_the_main_look_lie_outside_the_core() -> None:
    """60 images about one point and 20 that are anywhere: those 20 of 80 are outside, and few others."""
    from reweigh.evidence.density import density_share

    generator = np.random.default_rng(0)

    def group(centre: np.ndarray, n: int) -> np.ndarray:
        points = centre + 0.1 * generator.standard_normal((n, 8))
        return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)

    axes = np.eye(8)
    points = np.concatenate([group(axes[0], 60), *(group(-axes[i % 8], 1) for i in range(20))])
    share = density_share(points, seed=np.random.SeedSequence(0))
    assert (share[60:] < 0.5).all()
    assert 0.25 <= outside_core(share, np.zeros(80, np.int64), 1) < 0.35


def test_disagreement_counts_labels_that_are_not_the_most_probable_class() -> None:
    """Positions 0, 2, 1 of labelled rows, and one without a label: 2 of 3."""
    assert disagreement(np.array([0, 2, 1, -1]), np.array([3, 1, 0, -1])) == pytest.approx(2 / 3)
    assert np.isnan(disagreement(np.array([-1]), np.array([-1])))


def test_doubt_is_one_less_the_mean_credibility_of_the_images_that_have_one() -> None:
    assert doubt(np.array([0.9, 0.5, NAN], np.float32)) == pytest.approx(0.3)
    assert np.isnan(doubt(np.array([NAN])))


def test_saliency_is_the_mean_of_the_classes_effective_shares() -> None:
    assert saliency(np.array([0.75, 0.4, NAN])) == pytest.approx(0.575)
    assert np.isnan(saliency(np.array([NAN])))


def test_a_label_is_ambiguous_where_neither_it_nor_its_rival_is_twice_as_probable() -> None:
    """p(label), p(rival): .6/.3 yes (twice), .3/.6 yes, .5/.1 no, .1/.5 no (doubted), and no label: 2 of 4."""
    own = np.log(np.array([0.6, 0.3, 0.5, 0.1, 1.0], np.float32))
    other = np.log(np.array([0.3, 0.6, 0.1, 0.5, 1.0], np.float32))
    labels = np.array([0, 1, 0, 1, -1])
    assert ambiguity(own, other, labels) == pytest.approx(0.5)


def test_one_class_has_no_rival() -> None:
    nothing = np.full(2, -np.inf, np.float32)
    assert ambiguity(np.zeros(2, np.float32), nothing, np.zeros(2, np.int32)) == 0
    assert ambiguity(nothing, nothing, np.zeros(2, np.int32)) == 0
