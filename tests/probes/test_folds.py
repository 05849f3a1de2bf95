"""Folds: groups together, classes even, the order of rows without meaning."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.probes.folds import assign_folds

rows = st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 4)), min_size=40, max_size=200)


@given(rows, st.integers(2, 5), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_groups_share_a_fold_and_no_fold_is_empty(pairs, n_folds, seed):
    groups, labels = (np.array(column) for column in zip(*pairs, strict=True))
    if len(np.unique(groups[labels >= 0])) < n_folds:
        return
    folds = assign_folds(groups, labels, n_folds=n_folds, seed=seed)
    assert set(folds[labels >= 0]) == set(range(n_folds)) and (folds[labels < 0] == -1).all()
    for group in np.unique(groups):
        assert len(set(folds[(groups == group) & (labels >= 0)])) <= 1


@given(rows, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_rows_changes_nothing(pairs, random):
    groups, labels = (np.array(column) for column in zip(*pairs, strict=True))
    if len(np.unique(groups[labels >= 0])) < 3:
        return
    order = list(range(len(pairs)))
    random.shuffle(order)
    folds = assign_folds(groups, labels, n_folds=3, seed=1)
    np.testing.assert_array_equal(assign_folds(groups[order], labels[order], n_folds=3, seed=1), folds[order])


def test_a_class_of_single_images_differs_by_one_between_folds():
    labels = np.repeat(np.arange(7), [3, 5, 11, 1, 20, 4, 33])
    folds = assign_folds(np.arange(len(labels)), labels, n_folds=5, seed=0)
    for label in range(7):
        sizes = np.bincount(folds[labels == label], minlength=5)
        assert sizes.max() - sizes.min() <= 1
    assert np.ptp(np.bincount(folds)) <= 1


def test_uids_make_folds_independent_of_how_groups_are_numbered():
    labels, groups = np.tile([0, 1], 50), np.arange(100) // 2
    uids = [f"photo-{i}" for i in range(100)]
    folds = assign_folds(groups, labels, uids, n_folds=5, seed=0)
    np.testing.assert_array_equal(assign_folds(1000 - groups, labels, uids, n_folds=5, seed=0), folds)


def test_another_seed_gives_other_folds():
    labels = np.zeros(100, int)
    one, other = (assign_folds(np.arange(100), labels, n_folds=5, seed=seed) for seed in (0, 1))
    assert (one != other).mean() > 0.5


def test_fewer_groups_than_folds_is_one_clear_line():
    with pytest.raises(ReweighError, match=r"5 folds need as many groups of labelled images, found 3 \(4 images\)"):
        assign_folds(np.array([0, 0, 1, 2, 3]), np.array([0, 0, 1, 1, -1]), n_folds=5, seed=0)
