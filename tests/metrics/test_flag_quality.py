"""Flags against known answers: figures by hand and against scikit-learn, intervals against copies of rows."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from reweigh.errors import ReweighError
from reweigh.metrics.flag_quality import (
    Draws,
    FlagFigures,
    class_errors,
    class_rate_figures,
    flag_differences,
    flag_figures,
    rate_figures,
    share,
)

DRAWS = Draws(n_draws=400, confidence=0.95, seed=0)

# class    0     0     0     0     1     1     1     2
RIGHT = [True, True, False, False, True, False, True, True]
FLAGS = [False, True, True, False, False, True, False, False]
RIVAL = [True, True, True, True, False, False, False, False]
LABELS = [0, 0, 0, 0, 1, 1, 1, 2]


def arrays(*values: list) -> tuple[np.ndarray, ...]:
    return tuple(np.array(v) for v in values)


def values_of(figures: FlagFigures) -> tuple[float, ...]:
    return tuple(
        getattr(figures, name).value for name in ("precision", "recall", "miss_rate", "f1", "class_averaged_error")
    )


def made(n: int, *, seed: int, k: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Flags, worse flags, is_right, labels."""
    generator = np.random.default_rng(seed)
    is_right = generator.random(n) > 0.25
    flags = np.where(generator.random(n) < 0.85, ~is_right, is_right)
    rival = np.where(generator.random(n) < 0.8, flags, ~flags)
    return flags, rival, is_right, generator.integers(k, size=n)


def test_figures_of_flags_by_hand() -> None:
    # Flagged: rows 1 (right), 2 and 5 (wrong): precision 2/3. Wrong: 2, 3, 5: recall 2/3, missed 1/3. F1 = 4 / (3 + 3) = 2/3.
    # Judged wrongly: class 0: rows 1 and 3 of 4; class 1: none of 3; class 2: none of 1: (1/2 + 0 + 0) / 3 = 1/6.
    found = flag_figures(*arrays(FLAGS, RIGHT, LABELS), draws=DRAWS)
    assert values_of(found) == pytest.approx((2 / 3, 2 / 3, 1 / 3, 2 / 3, 1 / 6))


def test_differences_by_hand() -> None:
    # The rival flags all of class 0: precision 2/4, recall 2/3, F1 = 4 / (4 + 3) = 4/7; wrongly judged 2 of 4, 1 of 3, none:
    # (1/2 + 1/3) / 3 = 5/18. Differences: 1/6, 0, 0, 2/3 - 4/7, 1/6 - 5/18 = -1/9.
    found = flag_differences(*arrays(FLAGS, RIVAL, RIGHT, LABELS), draws=DRAWS)
    assert values_of(found) == pytest.approx((1 / 6, 0, 0, 2 / 3 - 4 / 7, -1 / 9))


def test_errors_of_classes_by_hand() -> None:
    found = class_errors(*arrays(FLAGS, RIGHT, LABELS), 4)
    assert [part.tolist() for part in found] == [[4, 3, 1, 0], [2, 1, 0, 0], [2, 0, 0, 0]]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40))
def test_figures_are_those_of_scikit_learn(rows: list[tuple[bool, bool, int]]) -> None:
    flags, is_right, labels = arrays(*map(list, zip(*rows, strict=True)))
    found = flag_figures(flags, is_right, labels, draws=Draws(n_draws=2, confidence=0.9, seed=0))
    precision, recall, f1, _ = precision_recall_fscore_support(~is_right, flags, average="binary", zero_division=np.nan)
    assert found.precision.value == pytest.approx(precision, nan_ok=True)
    assert found.recall.value == pytest.approx(recall, nan_ok=True)
    assert found.f1.value == pytest.approx(f1, nan_ok=True)
    errors = [np.mean(flags[labels == c] == is_right[labels == c]) for c in np.unique(labels)]
    assert found.class_averaged_error.value == pytest.approx(np.mean(errors))


def test_intervals_are_those_of_copied_rows() -> None:
    flags, rival, is_right, labels = made(150, seed=1)
    draws = Draws(n_draws=4000, confidence=0.9, seed=1)
    own = flag_figures(flags, is_right, labels, draws=draws)
    difference = flag_differences(flags, rival, is_right, labels, draws=draws)
    generator, few = np.random.default_rng(2), Draws(n_draws=1, confidence=0.9, seed=0)
    copies = []
    for _ in range(1500):
        at = generator.integers(150, size=150)
        one = values_of(flag_figures(flags[at], is_right[at], labels[at], draws=few))
        other = values_of(flag_figures(rival[at], is_right[at], labels[at], draws=few))
        copies.append([one, np.subtract(one, other)])
    for found, drawn in ((own, np.array(copies)[:, 0]), (difference, np.array(copies)[:, 1])):
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
        for i, name in enumerate(("precision", "recall", "miss_rate", "f1", "class_averaged_error")):
            np.testing.assert_allclose(getattr(found, name).interval, (low[i], high[i]), atol=0.02, err_msg=name)


def test_about_as_many_intervals_as_promised_hold_the_value_of_the_population() -> None:
    flags, rival, is_right, labels = made(20_000, seed=3)
    draws = Draws(n_draws=300, confidence=0.9, seed=0)
    truth = values_of(flag_figures(flags, is_right, labels, draws=draws))[3]
    gain = values_of(flag_differences(flags, rival, is_right, labels, draws=draws))[3]
    generator, held = np.random.default_rng(4), np.zeros(2)
    for _ in range(120):
        at = generator.integers(20_000, size=300)
        low, high = flag_figures(flags[at], is_right[at], labels[at], draws=draws).f1.interval
        below, above = flag_differences(flags[at], rival[at], is_right[at], labels[at], draws=draws).f1.interval
        held += low <= truth <= high, below <= gain <= above
    assert (held >= 0.8 * 120).all() and (held <= 0.98 * 120).all(), held / 120  # 90 % promised; sd of 120 is 3 %


def test_a_method_against_itself_differs_by_nothing() -> None:
    flags, _, is_right, labels = made(300, seed=5)
    found = flag_differences(flags, flags, is_right, labels, draws=DRAWS)
    assert values_of(found) == (0, 0, 0, 0, 0) and found.f1.interval == (0, 0)


def test_the_paired_interval_is_narrower_than_two_apart() -> None:
    flags, rival, is_right, labels = made(2_000, seed=6)
    low, high = flag_differences(flags, rival, is_right, labels, draws=DRAWS).f1.interval
    own, other = (flag_figures(f, is_right, labels, draws=DRAWS).f1.interval for f in (flags, rival))
    assert high - low < (own[1] - own[0]) + (other[1] - other[0])


def test_what_cannot_be_measured_is_nan() -> None:
    nothing = flag_figures(np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, int), draws=DRAWS)
    assert all(map(math.isnan, (*values_of(nothing), *nothing.f1.interval)))
    all_right = flag_figures(np.zeros(5, bool), np.ones(5, bool), np.zeros(5, int), draws=DRAWS)
    assert math.isnan(all_right.precision.value) and math.isnan(all_right.recall.interval[0])
    assert math.isnan(all_right.f1.value) and all_right.class_averaged_error.value == 0
    none_flagged = flag_figures(np.zeros(5, bool), np.arange(5) > 1, np.zeros(5, int), draws=DRAWS)
    assert math.isnan(none_flagged.precision.value) and none_flagged.f1.value == 0
    assert math.isnan(share(0, 0, draws=DRAWS).value) and math.isnan(share(0, 0, draws=DRAWS).interval[1])


def test_the_error_of_a_rate_has_the_interval_of_the_true_share() -> None:
    is_right = np.arange(100) >= 30
    found = rate_figures(0.25, is_right, draws=DRAWS)
    low, high = found.true.interval
    assert found.true.value == 0.3 and found.error.value == pytest.approx(-0.05)
    assert found.error.interval == pytest.approx((0.25 - high, 0.25 - low))
    assert low < 0.3 < high
    assert math.isnan(rate_figures(0.25, np.zeros(0, bool), draws=DRAWS).error.interval[0])
    assert math.isnan(rate_figures(math.nan, is_right, draws=DRAWS).error.value)


def test_class_rates_by_hand() -> None:
    # true: .2, .5, 0, none known, .1. Errors: .1, .1, no estimate, -, .3: mean .5 / 3.
    # Ranges asked where 20 rows are known and a range is stated: class 0 (holds), class 4 (does not), not 1 (10 rows).
    found = class_rate_figures(
        np.array([0.3, 0.4, np.nan, 0.2, 0.4]),
        np.array([[0.2, 0.4], [0.4, 0.6], [np.nan, np.nan], [0, 1], [0.2, 0.5]]),
        np.array([40, 10, 30, 0, 20]),
        np.array([8, 5, 0, 0, 2]),
        least_rows=20,
        draws=DRAWS,
    )
    assert (found.n_classes, found.n_ranges) == (3, 2)
    assert found.mean_absolute_error.value == pytest.approx(0.5 / 3)
    assert found.ranges_that_hold.value == 0.5  # the end .2 of class 0 belongs to its range
    low, high = found.mean_absolute_error.interval
    assert (low, high) == pytest.approx((0.1, 0.3))


def test_exact_class_rates_have_no_error_and_neither_has_their_interval() -> None:
    sizes, wrong = np.full(6, 50), np.array([5, 10, 0, 50, 1, 2])
    ranges = np.full((6, 2), np.nan)
    found = class_rate_figures(wrong / sizes, ranges, sizes, wrong, least_rows=20, draws=DRAWS)
    assert found.mean_absolute_error.value == 0 and found.mean_absolute_error.interval == (0, 0)
    assert found.n_ranges == 0 and math.isnan(found.ranges_that_hold.value)


def test_no_class_with_an_estimate_measures_nothing() -> None:
    found = class_rate_figures(
        np.full(2, np.nan), np.full((2, 2), np.nan), np.array([3, 0]), np.array([1, 0]), least_rows=20, draws=DRAWS
    )
    assert found.n_classes == 0 and math.isnan(found.mean_absolute_error.value)


def test_the_same_seed_gives_the_same_interval() -> None:
    flags, _, is_right, labels = made(500, seed=7)
    first, second = (flag_figures(flags, is_right, labels, draws=DRAWS) for _ in range(2))
    assert first == second
    other = flag_figures(flags, is_right, labels, draws=Draws(n_draws=400, confidence=0.95, seed=1))
    assert other != first and values_of(other) == values_of(first)


def test_draws_cost_classes_and_not_rows() -> None:
    flags, rival, is_right, labels = made(200_000, seed=8, k=1000)
    start = time.process_time()
    flag_differences(flags, rival, is_right, labels, draws=Draws(n_draws=200, confidence=0.95, seed=0))
    assert time.process_time() - start < 5


def test_hostile_input_is_named() -> None:
    flags, is_right, labels = arrays(FLAGS, RIGHT, LABELS)
    with pytest.raises(ReweighError, match=r"found \(7,\) and \(8,\)"):
        flag_figures(flags[:7], is_right, labels, draws=DRAWS)
    with pytest.raises(ReweighError, match="must be bool, found float64"):
        flag_figures(flags.astype(float), is_right, labels, draws=DRAWS)
    with pytest.raises(ReweighError, match="Row 3 has no label"):
        flag_figures(flags, is_right, np.where(np.arange(8) == 3, -1, labels), draws=DRAWS)
    with pytest.raises(ReweighError, match=r"ranges \(k, 2\)"):
        class_rate_figures(np.zeros(2), np.zeros((3, 2)), np.ones(2, int), np.ones(2, int), least_rows=1, draws=DRAWS)
