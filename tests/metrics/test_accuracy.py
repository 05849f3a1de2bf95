"""Accuracy by position, class and pair, by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from reweigh.metrics.accuracy import (
    best_others,
    class_averaged,
    confusion,
    label_positions,
    per_class,
    top_confusions,
    top_k_accuracy,
)


def test_positions_by_hand():
    scores = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.1, 0.2, 0.7]])
    assert label_positions(scores, np.array([0, 2, 1, -1])).tolist() == [0, 2, 2, -1]


def test_ties_go_to_the_smaller_class_number_as_in_argmax():
    scores = np.zeros((3, 3))
    assert label_positions(scores, np.arange(3)).tolist() == [0, 1, 2]


@given(st.integers(0, 10**6), st.integers(2, 7))
@settings(max_examples=40, deadline=None)
def test_position_0_is_the_argmax_and_positions_count_down_the_ranking(seed, k):
    generator = np.random.default_rng(seed)
    scores, labels = generator.integers(4, size=(20, k)).astype(float), generator.integers(k, size=20)
    order = np.argsort(-scores, axis=1, kind="stable")
    np.testing.assert_array_equal(label_positions(scores, labels), (order == labels[:, None]).argmax(axis=1))


def test_the_best_other_class_by_hand():
    classes, values = best_others(
        np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], np.float32), np.array([0, 1, -1])
    )
    assert classes.tolist() == [1, 0, 0]
    np.testing.assert_allclose(values, [0.3, 0.5, 0.5])


def test_one_class_has_no_other():
    classes, values = best_others(np.zeros((2, 1), np.float32), np.array([0, -1]))
    assert classes.tolist() == [-1, 0] and np.isneginf(values[0])


def test_shares_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    scores, labels = generator.random((200, 6)), generator.integers(6, size=200)
    positions, predicted = label_positions(scores, labels), scores.argmax(axis=1)
    sizes, right = per_class(positions == 0, labels, 6)
    for top in (1, 3, 5):
        assert top_k_accuracy(positions, top) == pytest.approx(
            top_k_accuracy_score(labels, scores, k=top, labels=range(6))
        )
    assert class_averaged(sizes, right) == pytest.approx(balanced_accuracy_score(labels, predicted))
    np.testing.assert_array_equal(confusion(labels, predicted, 6), confusion_matrix(labels, predicted, labels=range(6)))


def test_a_class_without_rows_does_not_count_in_the_average():
    assert class_averaged(np.array([4, 0, 2]), np.array([2, 0, 2])) == pytest.approx(0.75)


def test_nothing_measured_is_not_a_number():
    assert math.isnan(top_k_accuracy(np.zeros(0, int), 1)) and math.isnan(
        class_averaged(np.zeros(3, int), np.zeros(3, int))
    )


def test_the_most_frequent_confusions_come_first_and_right_rows_are_none():
    labels, predicted = np.array([0, 0, 1, 1, 1, 2, 2]), np.array([0, 1, 2, 2, 0, 0, 2])
    assert top_confusions(labels, predicted, 3, n=3) == [(1, 2, 2), (0, 1, 1), (1, 0, 1)]
