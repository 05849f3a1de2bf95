"""The classes that a row may be of: all of them, or the most probable ones and the label."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from reweigh.errors import ReweighError
from reweigh.probes.log_probabilities import ArrayProbabilities, compact
from reweigh.verdicts.candidates import Candidates, candidates_of, class_shares, without_class_sizes
from reweigh.verdicts.sparse_probabilities import SparseProbabilities


def drawn(n: int, k: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.2), n).astype(np.float32)


def few(
    probabilities: np.ndarray, labels: np.ndarray, kept: int, monkeypatch: pytest.MonkeyPatch | None = None
) -> Candidates:
    if monkeypatch is not None:
        monkeypatch.setattr("reweigh.verdicts.candidates.ALL_BYTES", 0)
    return candidates_of(ArrayProbabilities(probabilities), labels, kept=kept)


@given(st.integers(1, 30), st.integers(6, 40), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_the_label_is_among_different_classes_in_their_order(n: int, k: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(-1, k, n).astype(np.int32)
    with pytest.MonkeyPatch.context() as patch:
        found = few(drawn(n, k, seed), labels, 3, patch)
    assert found.classes.shape == (n, 4)
    assert found.log_p.shape == (n, 5)
    assert (np.diff(found.classes, axis=1) > 0).all()
    at = np.flatnonzero(labels >= 0)
    np.testing.assert_array_equal(found.classes[at, found.own[at]], labels[at])
    assert (found.own[labels < 0] == -1).all()
    total = np.exp(found.log_p[:, :4]).sum(axis=1) + found.n_rest * np.exp(found.log_p[:, 4])
    np.testing.assert_allclose(total, 1, atol=1e-3)


def test_all_classes_are_kept_where_there_is_room() -> None:
    found = few(drawn(5, 12), np.arange(5), 3)
    assert found.is_whole
    assert found.log_p.shape == (5, 12)


def test_the_stored_form_and_a_sparse_matrix_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities = drawn(40, 30)
    labels = np.random.default_rng(1).integers(0, 30, 40).astype(np.int32)
    whole = few(probabilities, labels, 5, monkeypatch)
    stored = candidates_of(compact(np.log(probabilities + 1e-12), m=12), labels, kept=5)
    top = np.where(probabilities >= np.sort(probabilities, axis=1)[:, -12][:, None], probabilities, 0)
    scipys = candidates_of(SparseProbabilities(sparse.csr_matrix(top)), labels, kept=5)
    for other in (stored, scipys):
        same = (other.classes == whole.classes).all(axis=1)
        assert same.mean() > 0.6, "ties among the least probable ones may differ"
        is_label = (
            np.arange(6) == whole.own[same, None]
        )  # outside of the stored ones it has what is left, spread evenly
        found, wanted = np.exp(other.log_p[same, :6]), np.exp(whole.log_p[same, :6])
        np.testing.assert_allclose(found[~is_label], wanted[~is_label], atol=4e-3)
        assert np.abs(found - wanted).max() < 0.02


def test_fewer_stored_classes_than_wanted_are_filled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reweigh.verdicts.candidates.ALL_BYTES", 0)
    found = candidates_of(compact(np.log(drawn(20, 30)), m=3), np.zeros(20, np.int32), kept=5)
    assert (np.diff(found.classes, axis=1) > 0).all()


@pytest.mark.parametrize("bad", [np.nan, -0.1])
def test_a_row_that_is_no_distribution_is_named(bad: float) -> None:
    values = sparse.csr_matrix(np.array([[0.5, 0.5], [bad, 0.4]]))
    with pytest.raises(ReweighError, match="row 1"):
        SparseProbabilities(values).read(0, 2)


def test_class_sizes_are_taken_out_by_hand() -> None:
    """Labels 0, 0, 0, 1 of two classes: shares (3 + 1) / 6 and (1 + 1) / 6; p = (.6, .4) -> log(.9), log(1.2)."""
    labels = np.array([0, 0, 0, 1], np.int32)
    shares = class_shares(labels, 2)
    np.testing.assert_allclose(shares, [4 / 6, 2 / 6])
    found = candidates_of(ArrayProbabilities(np.tile(np.float32([0.6, 0.4]), (4, 1))), labels)
    np.testing.assert_allclose(without_class_sizes(found, shares)[0], np.log([0.9, 1.2]), atol=1e-4)
