"""Scores become credibilities by isotonic curves, in whichever direction the data says."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import IsotonicRegression

from reweigh.weighers.calibration import apply_curves, curve_facts, fit_curves


def scores(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    score = generator.random(n)
    return score, np.clip(score + 0.2 * generator.standard_normal(n), 0, 1)


def test_the_curve_is_scikit_learns_isotonic_regression() -> None:
    score, target = scores()
    ours = apply_curves(fit_curves(score, target), score)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, target).predict(score)
    assert np.abs(ours - theirs).max() < 1e-6
    beyond = apply_curves(fit_curves(score, target), np.array([-5.0, 7.0]))
    np.testing.assert_allclose(beyond, [theirs.min(), theirs.max()], atol=1e-6)


def test_a_falling_score_gets_a_falling_curve() -> None:
    score, target = scores()
    state = fit_curves(-score, target)
    assert curve_facts(state) == {"curves": {"all": {"rows": 400, "curve": "falling"}}}
    np.testing.assert_allclose(apply_curves(state, -score), apply_curves(fit_curves(score, target), score), atol=1e-6)


def test_a_score_that_says_nothing_is_flat_and_has_no_opinion() -> None:
    score, _ = scores()
    target = np.random.default_rng(9).random(400)
    state = fit_curves(score, target)
    assert curve_facts(state)["curves"]["all"]["curve"] == "flat"
    assert np.isnan(apply_curves(state, score)).all()
    assert np.isnan(apply_curves(fit_curves(np.ones(400), target), np.ones(400))).all()


def test_each_part_has_a_curve_of_its_own_and_too_few_rows_have_none() -> None:
    score, target = scores()
    parts = np.repeat([0, 1, -1], [200, 190, 10])
    state = fit_curves(np.where(parts == 1, -score, score), target, parts)
    assert curve_facts(state, ("flickr", "google"))["curves"] == {
        "no source": {"rows": 10, "curve": "too few"},
        "flickr": {"rows": 200, "curve": "rising"},
        "google": {"rows": 190, "curve": "falling"},
    }
    values = apply_curves(state, np.where(parts == 1, -score, score), parts)
    assert np.isnan(values[parts == -1]).all()
    assert not np.isnan(values[parts >= 0]).any()


def test_no_score_is_no_opinion() -> None:
    score, target = scores()
    score[::3] = np.nan
    values = apply_curves(fit_curves(score, target), score)
    assert np.isnan(values[::3]).all()
    assert not np.isnan(values[1::3]).any()
