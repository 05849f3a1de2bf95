"""Stored log-probabilities: both forms, read back through one record."""

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.probes.log_probabilities import (
    LogProbabilities,
    compact,
    load_log_probabilities,
    save_log_probabilities,
    should_be_dense,
)


def exact_block(b=20, k=12, seed=0):
    logits = np.random.default_rng(seed).normal(size=(b, k)) * 3
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def test_dense_log_probabilities_come_back_within_half_precision_and_sum_to_1():
    block = exact_block()
    back = compact(block, m=None).read(0, 20)
    np.testing.assert_allclose(back, block, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(np.exp(back).sum(axis=1), 1, atol=1e-5)


def test_the_m_largest_are_kept_and_the_others_share_what_is_left():
    # probabilities .6 .2 .1 .06 .04 with m = 2: the other three share .2 evenly
    block = np.log(np.array([[0.1, 0.6, 0.06, 0.2, 0.04]], np.float32))
    kept = compact(block, m=2)
    assert kept.indices.tolist() == [[1, 3]] and kept.remaining[0] == pytest.approx(0.2, abs=1e-6)
    np.testing.assert_allclose(np.exp(kept.read(0, 1)), [[0.2 / 3, 0.6, 0.2 / 3, 0.2, 0.2 / 3]], atol=1e-3)


def test_m_of_all_classes_is_dense():
    assert compact(exact_block(k=5), m=5).dense is not None


def test_equal_values_are_kept_by_class_number():
    assert compact(np.log(np.full((1, 6), 1 / 6, np.float32)), m=3).values.shape == (1, 3)
    kept = compact(np.log(np.array([[0.1, 0.3, 0.3, 0.3]], np.float32)), m=3)
    assert kept.indices.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("m", [None, 3])
def test_hopeless_classes_stay_finite(m):
    block = np.full((2, 6), -1e9, np.float32)
    block[:, 2] = 0
    stored = compact(block, m=m)
    assert np.isfinite(stored.values if stored.dense is None else stored.dense).all()
    assert np.isfinite(stored.read(0, 2)).all() and np.exp(stored.read(0, 2))[0, 2] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("m", [None, 4])
def test_saved_and_loaded_are_the_same(tmp_path, m):
    stored = compact(exact_block(), m=m)
    save_log_probabilities(stored, tmp_path)
    np.testing.assert_array_equal(load_log_probabilities(tmp_path, k=12).read(3, 9), stored.read(3, 9))


def test_a_folder_without_them_is_one_clear_line(tmp_path):
    with pytest.raises(ReweighError, match="No log-probabilities in"):
        load_log_probabilities(tmp_path, k=3)


def test_another_number_of_classes_is_one_clear_line(tmp_path):
    save_log_probabilities(compact(exact_block(k=5), m=None), tmp_path)
    with pytest.raises(ReweighError, match="are of 5 classes, expected 6"):
        load_log_probabilities(tmp_path, k=6)


def test_two_gibibytes_is_the_border():
    assert (
        should_be_dense(1_000_000, 1000) and not should_be_dense(1_000_000, 1074) and not should_be_dense(2**20, 1024)
    )


def test_a_record_is_one_form_or_the_other():
    with pytest.raises(ValueError, match="either dense or"):
        LogProbabilities(k=3)
