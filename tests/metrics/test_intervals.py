"""Bootstrap intervals: what the copies of rows would give, from a seed, without copies."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from reweigh.metrics.intervals import accuracy_interval, class_averaged_interval, percentile_interval

DRAWN = {"n_draws": 4000, "confidence": 0.95, "seed": 0}


def test_the_interval_of_a_share_is_the_binomial_one():
    low, high = accuracy_interval(70, 100, **DRAWN)
    expected = binom.ppf([0.025, 0.975], 100, 0.7) / 100
    np.testing.assert_allclose([low, high], expected, atol=0.011)


def test_the_class_averaged_interval_is_that_of_copied_rows():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [100, 40, 10])
    hits = generator.random(150) < np.array([0.9, 0.5, 0.3])[labels]
    copies = []
    for _ in range(2000):
        rows = generator.integers(150, size=150)
        copies.append(np.mean([hits[rows][labels[rows] == c].mean() for c in range(3) if (labels[rows] == c).any()]))
    sizes, right = np.bincount(labels), np.bincount(labels[hits], minlength=3)
    np.testing.assert_allclose(
        class_averaged_interval(sizes, right, **DRAWN), np.quantile(copies, [0.025, 0.975]), atol=0.015
    )


def test_all_right_has_no_width_and_no_rows_no_interval():
    assert accuracy_interval(5, 5, **DRAWN) == (1.0, 1.0)
    assert all(map(math.isnan, accuracy_interval(0, 0, **DRAWN)))
    assert all(map(math.isnan, class_averaged_interval(np.zeros(2, int), np.zeros(2, int), **DRAWN)))


def test_the_same_seed_gives_the_same_interval_and_a_higher_confidence_a_wider_one():
    one = accuracy_interval(30, 60, **DRAWN)
    assert one == accuracy_interval(30, 60, **DRAWN)
    wide = accuracy_interval(30, 60, n_draws=4000, confidence=0.99, seed=0)
    assert wide[0] < one[0] and wide[1] > one[1]


@pytest.mark.parametrize("k", [2, 5000])
def test_many_classes_are_drawn_by_block(k):
    sizes = np.full(k, 10)
    low, high = percentile_interval(
        sizes, lambda draws: draws[:, 0] / draws.sum(axis=1), n_draws=100, confidence=0.9, seed=0
    )
    assert 0 <= low <= 1 / k <= high
