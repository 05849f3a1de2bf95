"""Cut-off, rates, lambda, look-alikes: each worked by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reweigh.probes.log_probabilities import ArrayProbabilities
from reweigh.verdicts.candidates import candidates_of
from reweigh.verdicts.channel import observed
from reweigh.verdicts.class_noise import class_ranges, class_rates, overall_range, rate_from_looks
from reweigh.verdicts.clearness import clearness_of
from reweigh.verdicts.cut import cut_off
from reweigh.verdicts.look_alikes import (
    as_log_probabilities,
    asked,
    beliefs,
    look_alike_evidence,
    mean_of_look_alikes,
    stored_beliefs,
)
from reweigh.verdicts.prior_rows import chosen_prior_rows

Noisy = Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]


def test_the_cut_is_where_expected_f1_is_largest() -> None:
    """w = .9 .8 .4 .1, sum 2.2: F1 = 1.8/3.2, 3.4/4.2, 4.2/5.2, 4.4/6.2 = .56 .81 .81 .71; at .8, held to .5."""
    assert cut_off(np.array([0.1, 0.9, 0.4, 0.8])) == 0.5
    assert cut_off(np.array([0.05, 0.3, 0.42, 0.41])) == pytest.approx(0.35)
    assert cut_off(np.zeros(0)) == 0.5


def test_rates_and_their_ranges_by_hand() -> None:
    """Class 0: w .1, .3 -> .2; class 1: .5; class 2 has no row. Twenty rows are needed for a range."""
    np.testing.assert_allclose(class_rates(np.array([0.1, 0.3, 0.5]), np.array([0, 0, 1]), 3), [0.2, 0.5, np.nan])
    fits = [np.full(25, 0.2), np.full(25, 0.1), np.full(25, 0.4)]
    ranges = class_ranges(fits, np.array([0] * 20 + [1] * 5), 2)
    spread = 1.96 * np.sqrt(20 * 0.16) / 20
    np.testing.assert_allclose(ranges[0], [max(0.1 - spread, 0), 0.4 + spread])
    assert np.isnan(ranges[1]).all()
    wide = 1.96 * np.sqrt(25 * 0.16) / 25
    np.testing.assert_allclose(overall_range(fits), [max(0.1 - wide, 0), 0.4 + wide])


def test_the_rate_from_verified_rows_by_hand() -> None:
    """w = .2 everywhere; looks right, right, right, wrong: rate .2 + (.25 - .2) = .25, error sqrt(.25 / 4) = .25."""
    person = np.array([1, 1, 1, 0, np.nan, np.nan])
    rate, (low, high) = rate_from_looks(np.full(6, 0.2), person)
    assert rate == pytest.approx(0.25)
    assert (low, high) == pytest.approx((0, 0.25 + 1.96 * 0.25))


def test_lambda_by_the_ratio_of_scales() -> None:
    found = [clearness_of(ratio) for ratio in (0.9, 1.0, 1.1, 1.4, 2.0, 5.0)]
    assert found == pytest.approx([0.1, 0.1, 0.15, 0.2, 0.125, 0.05])


def test_look_alikes_by_hand() -> None:
    """Row 0 asks rows 1 and 2, posteriors (.8, .2) and (.6, .4); the mean over all three rows is f = (.7, .3).

    L_2(0, z) = log((1.4 / .7 + 1) / 3), log((.6 / .3 + 1) / 3) = log 1, log 1; row 1 asks row 2 only:
    log((.6 / .7 + 1) / 2), log((.4 / .3 + 1) / 2); row 2 has nobody: log 1.
    """
    votes = asked(np.array([[1, 2], [2, -1], [-1, -1]]), 3)
    q = np.array([[0.7, 0.3], [0.8, 0.2], [0.6, 0.4]], np.float32)
    candidates = candidates_of(ArrayProbabilities(q), np.zeros(3, np.int32))
    found = look_alike_evidence(votes, beliefs(candidates, q), candidates)
    hand = [[1, 1], [(0.6 / 0.7 + 1) / 2, (0.4 / 0.3 + 1) / 2], [1, 1]]
    np.testing.assert_allclose(found, np.log(hand), atol=1e-5)
    np.testing.assert_allclose(mean_of_look_alikes(votes, np.array([1.0, 2.0, 6.0])), [4, 6, 3])
    np.testing.assert_allclose(stored_beliefs(as_log_probabilities(candidates, q)), q, atol=1e-3)


def test_a_sparse_posterior_gives_the_same_evidence(monkeypatch: pytest.MonkeyPatch, noisy: Noisy) -> None:
    probabilities, labels, _ = noisy(60, 40)
    votes = asked(np.random.default_rng(0).integers(0, 60, (60, 5)), 60)
    whole = candidates_of(ArrayProbabilities(probabilities), labels.astype(np.int32))
    monkeypatch.setattr("reweigh.verdicts.candidates.ALL_BYTES", 0)
    some = candidates_of(ArrayProbabilities(probabilities), labels.astype(np.int32), kept=38)
    one = look_alike_evidence(votes, beliefs(whole, probabilities), whole)
    at = np.exp(some.log_p)
    other = look_alike_evidence(votes, beliefs(some, at.astype(np.float32)), some)
    taken = np.take_along_axis(one, some.classes.astype(np.int64), 1)
    gap = np.abs(other[:, : some.m] - taken)
    assert np.median(gap) < 0.01
    assert gap.mean() < 0.03, "two of 40 classes have no place of their own"
    np.testing.assert_allclose(
        stored_beliefs(as_log_probabilities(some, at)).sum(axis=1), at[:, : some.m].sum(axis=1)[:, None], atol=1e-2
    )


def test_pair_noise_wants_freedom_and_few_rows_want_none(noisy: Noisy) -> None:
    generator = np.random.default_rng(0)
    truth = np.arange(3000) % 4
    labels = np.where(generator.random(3000) < 0.3, (truth + 1) % 4, truth).astype(np.int32)
    clear = np.eye(4)[truth] * 0.8 + 0.05
    pair = candidates_of(
        ArrayProbabilities((clear @ (0.7 * np.eye(4) + 0.3 * np.roll(np.eye(4), 1, axis=1))).astype(np.float32)), labels
    )
    assert chosen_prior_rows(observed(pair, [pair.log_p])) == 1
    probabilities, noisy_labels, _ = noisy(300, 30)
    sparse = candidates_of(ArrayProbabilities(probabilities), noisy_labels.astype(np.int32))
    assert chosen_prior_rows(observed(sparse, [sparse.log_p])) >= 10
