"""Finding wrong labels: figures by hand and against scikit-learn, intervals against copies of rows."""

import math
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from reweigh.errors import ReweighError
from reweigh.metrics import detection
from reweigh.metrics.detection import (
    auroc,
    auroc_with_interval,
    average_precision,
    brier,
    detection_figures,
    precision_at_rate,
)

DRAWN = {"n_draws": 500, "confidence": 0.95, "seed": 0}


def made(n: int, *, seed: int = 0, wrong: float = 0.3, digits: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Scores in 0..1 that lean to the truth; few digits make ties."""
    generator = np.random.default_rng(seed)
    is_right = generator.random(n) >= wrong
    return np.round(1 / (1 + np.exp(-generator.normal(size=n) - 2 * is_right + 1)), digits), is_right


def test_the_figures_by_hand() -> None:
    # Ascending: .1 wrong, .4 right, .4 wrong, .8 right, .9 right. Pairs (right, wrong): 6, of them .1 loses all 3;
    # against the wrong .4: the right .4 ties (1/2), .8 and .9 win: (3 + 2.5) / 6 = .9167.
    # Precision from below: level .1: 1/1, level .4: 2/3; recall steps 1/2 each: (1 + 2/3) / 2 = .8333.
    # The 2 lowest: .1 and one of the two at .4, wrong in half: (1 + .5) / 2 = .75.
    # Squares: .1^2, .6^2, .4^2, .2^2, .1^2 = .01 + .36 + .16 + .04 + .01 = .58, / 5 = .116.
    scores, is_right = np.array([0.9, 0.1, 0.4, 0.8, 0.4]), np.array([True, False, True, True, False])
    assert auroc(scores, is_right) == pytest.approx(5.5 / 6)
    assert average_precision(scores, is_right) == pytest.approx(5 / 6)
    assert precision_at_rate(scores, is_right) == pytest.approx(0.75)
    assert brier(scores, is_right) == pytest.approx(0.116)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60))
def test_ties_are_counted_as_scikit_learn_does(rows: list[tuple[int, bool]]) -> None:
    scores, is_right = np.array([score for score, _ in rows]) / 6, np.array([right for _, right in rows])
    assume(0 < is_right.sum() < len(rows))
    assert auroc(scores, is_right) == pytest.approx(roc_auc_score(is_right, scores))
    assert average_precision(scores, is_right) == pytest.approx(average_precision_score(~is_right, -scores))
    assert brier(scores, is_right) == pytest.approx(brier_score_loss(is_right, scores))


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30), st.randoms())
@settings(max_examples=50)
def test_the_order_of_the_rows_does_not_matter(rows: list[tuple[int, bool]], random: object) -> None:
    def figures() -> list[float]:
        scores, is_right = np.array([score for score, _ in rows]) / 6, np.array([right for _, right in rows])
        return [figure(scores, is_right) for figure in (auroc, average_precision, precision_at_rate)]

    before = figures()
    random.shuffle(rows)  # type: ignore[attr-defined]
    np.testing.assert_allclose(figures(), before)


def test_scores_that_are_all_equal_say_nothing() -> None:
    is_right = np.arange(10) >= 3
    scores = np.full(10, 0.5)
    assert auroc(scores, is_right) == 0.5
    assert average_precision(scores, is_right) == pytest.approx(0.3)
    assert precision_at_rate(scores, is_right) == pytest.approx(0.3)


def test_what_cannot_be_measured_is_nan() -> None:
    nothing = detection_figures(np.zeros(0), np.zeros(0, bool), **DRAWN)
    assert (nothing.n, nothing.n_wrong) == (0, 0)
    assert math.isnan(nothing.auroc) and math.isnan(nothing.brier) and math.isnan(nothing.brier_interval[0])
    all_right = detection_figures(np.linspace(0, 1, 5), np.ones(5, bool), **DRAWN)
    assert math.isnan(all_right.auroc) and math.isnan(all_right.average_precision_interval[1])
    assert math.isnan(all_right.precision_at_rate) and all_right.brier == pytest.approx(0.375)
    all_wrong = detection_figures(np.linspace(0, 1, 5), np.zeros(5, bool), **DRAWN)
    assert math.isnan(all_wrong.auroc) and all_wrong.average_precision == 1


def test_scores_that_are_no_probabilities_have_no_brier_score() -> None:
    scores, is_right = made(50)
    found = detection_figures(scores * 10, is_right, **DRAWN)
    assert math.isnan(found.brier) and math.isnan(found.brier_interval[0])
    assert found.auroc == auroc(scores, is_right)


def test_the_intervals_are_those_of_copied_rows() -> None:
    scores, is_right = made(120, digits=1)
    found = detection_figures(scores, is_right, n_draws=4000, confidence=0.9, seed=1)
    generator = np.random.default_rng(2)
    copies = []
    for _ in range(2000):
        rows = generator.integers(120, size=120)
        drawn = scores[rows], is_right[rows]
        copies.append([auroc(*drawn), average_precision(*drawn), precision_at_rate(*drawn), brier(*drawn)])
    low, high = np.quantile(copies, [0.05, 0.95], axis=0)
    intervals = (
        found.auroc_interval,
        found.average_precision_interval,
        found.precision_at_rate_interval,
        found.brier_interval,
    )
    np.testing.assert_allclose(np.transpose(intervals), [low, high], atol=0.015)


@pytest.mark.parametrize("wrong", [0.3, 0.002])
def test_taking_levels_together_leaves_the_figures_where_they_are(wrong: float) -> None:
    scores, is_right = made(60_000, wrong=wrong)
    counts, _ = detection.tie_levels(scores, is_right)
    coarse, _ = detection._coarse_levels(counts)
    assert counts.shape[1] > 50_000 and coarse.shape[1] <= detection.N_LEVELS
    np.testing.assert_array_equal(coarse.sum(axis=1), counts.sum(axis=1))
    for figure in detection.COUNTED:
        assert float(figure(coarse)) == pytest.approx(float(figure(counts)), abs=3e-3), figure.__name__


def test_an_interval_from_levels_taken_together_is_that_of_all_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, is_right = made(8_000)
    few = detection_figures(scores, is_right, **(DRAWN | {"n_draws": 2000}))
    monkeypatch.setattr(detection, "N_LEVELS", 10_000)
    all_levels = detection_figures(scores, is_right, **(DRAWN | {"n_draws": 2000, "seed": 1}))
    for name in ("auroc", "average_precision", "precision_at_rate", "brier"):
        interval, expected = getattr(few, f"{name}_interval"), getattr(all_levels, f"{name}_interval")
        np.testing.assert_allclose(interval, expected, atol=(expected[1] - expected[0]) / 12, err_msg=name)


def test_the_auroc_alone_is_that_of_all_figures() -> None:
    scores, is_right = made(3_000)
    found = detection_figures(scores, is_right, **DRAWN)
    assert auroc_with_interval(scores, is_right, **DRAWN) == (found.auroc, found.auroc_interval)


def test_a_few_wrong_rows_that_all_stand_lowest_are_still_found_among_many() -> None:
    is_right = np.arange(50_000) >= 20
    found = detection_figures(np.linspace(0, 1, 50_000), is_right, **DRAWN)
    assert found.average_precision_interval == (1, 1)
    assert found.precision_at_rate_interval == (1, 1)


def test_the_interval_holds_the_figure_and_comes_from_the_seed() -> None:
    scores, is_right = made(20_000)
    found = detection_figures(scores, is_right, **DRAWN)
    for name in ("auroc", "average_precision", "precision_at_rate", "brier"):
        low, high = getattr(found, f"{name}_interval")
        assert low < getattr(found, name) < high
    assert detection_figures(scores, is_right, **DRAWN) == found
    assert detection_figures(scores, is_right, **(DRAWN | {"seed": 1})) != found


def test_a_thousand_draws_of_ten_thousand_rows_are_quick() -> None:
    scores, is_right = made(10_000)
    start = time.process_time()
    detection_figures(scores, is_right, n_draws=1000, confidence=0.95, seed=0)
    assert time.process_time() - start < 3


def test_nan_and_shapes_that_differ_are_named() -> None:
    with pytest.raises(ReweighError, match="row 1 is NaN"):
        auroc(np.array([0.5, np.nan]), np.array([True, False]))
    with pytest.raises(ReweighError, match=r"found \(2,\) and \(1,\)"):
        detection_figures(np.zeros(2), np.zeros(1, bool), **DRAWN)
