"""The noisy channel: its equations by hand, its gradient against differences, its sparse forms against the dense one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from reweigh.probes.log_probabilities import ArrayProbabilities
from reweigh.verdicts.candidates import Candidates, candidates_of
from reweigh.verdicts.channel import (
    Channel,
    Observed,
    _expected,
    _passed,
    _stepped,
    clear_probabilities,
    first_channel,
    fit_channel,
    likelihood,
    observed,
    passed_at,
    posterior,
    with_own_noise,
)
from reweigh.verdicts.pairs import fitted_pairs, pairs_of

EVERY = slice(0, None)
Noisy = Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]


def rows(probabilities: list[list[float]], labels: list[int]) -> Observed:
    candidates = candidates_of(ArrayProbabilities(np.array(probabilities, np.float32)), np.array(labels, np.int32))
    return observed(candidates, [candidates.log_p])


def channel(seen: Observed, noise: list[float], *, slope: float = 1.0) -> Channel:
    start = first_channel(seen, slope=slope)
    n = np.array(noise)
    passed, unseen = _passed(np.zeros(len(seen.pairs.truth)), np.zeros(len(n)), n, seen)
    return replace(start, noise=n, passed=passed, unseen=unseen)


def test_the_posterior_of_two_classes_by_hand() -> None:
    """e = (.2, .4), slope 1, no shift, k = 2: T = [[.8, .2], [.4, .6]].

    p = (.9, .1), label 1: pi_0 T[0, 1] = .18, pi_1 T[1, 1] = .06, likelihood .24, q = (.75, .25).
    p = (.5, .5), label 0: .40, .20, likelihood .60, q = (2/3, 1/3).
    """
    seen = rows([[0.9, 0.1], [0.5, 0.5]], [1, 0])
    given = channel(seen, [0.2, 0.4])
    pi = clear_probabilities(seen.candidates, given, seen.pieces, EVERY)
    q, found = posterior(seen, given, pi, EVERY)
    np.testing.assert_allclose(q, [[0.75, 0.25], [2 / 3, 1 / 3]], atol=1e-5)
    np.testing.assert_allclose(found, [0.24, 0.6], atol=1e-5)


def test_the_noise_of_a_round_by_hand() -> None:
    """Rows as above: N[0, 1] = .75, N[0, 0] = 2/3, N[1, 1] = .25, N[1, 0] = 1/3; one row's worth of prior.

    mean noise = (.75 + 1/3) / 2 = .541667; e_0 = (.75 + .541667) / (1.416667 + 1) = .534483,
    e_1 = (.333333 + .541667) / (.583333 + 1) = .552632. With two classes all that is wrong goes to the other: T[0, 1] = e_0.
    """
    seen = rows([[0.9, 0.1], [0.5, 0.5]], [1, 0])
    given = channel(seen, [0.2, 0.4])
    moved = _stepped(given, _expected(seen, given, clearness=0.0, is_noisy=True), seen, is_noisy=True)
    np.testing.assert_allclose(moved.noise, [0.534483, 0.552632], atol=1e-4)
    table = {(int(z), int(y)): t for z, y, t in zip(seen.pairs.truth, seen.pairs.label, moved.passed, strict=True)}
    assert table[0, 1] == pytest.approx(0.534483, abs=1e-4)
    assert table[1, 1] == pytest.approx(1 - 0.552632, abs=1e-4)


def test_without_noise_it_is_plain_calibration(noisy: Noisy) -> None:
    """The slope is the one that scipy finds for -mean log softmax(a log p)[y], shifts left out of both."""
    probabilities, labels, _ = noisy(noise=0.1)
    seen = rows(probabilities.tolist(), labels.tolist())
    logs = seen.candidates.log_p.astype(np.float64)

    def loss(slope: float, shifts: np.ndarray) -> float:
        scores = slope * logs + shifts
        return float(-(scores[np.arange(len(labels)), labels] - np.log(np.exp(scores).sum(axis=1))).mean())

    fitted = fit_channel(seen, first_channel(seen, slope=1.0), clearness=0.0, is_noisy=False, least_gain=1e-9)
    best = minimize_scalar(lambda a: loss(a, fitted.shifts), bounds=(0, 12), method="bounded")
    assert fitted.slopes[0] == pytest.approx(best.x, abs=0.02)
    assert -fitted.objective == pytest.approx(best.fun, abs=1e-4)


@pytest.mark.parametrize("clearness", [0.0, 0.2])
def test_the_gradient_is_that_of_the_objective(clearness: float, noisy: Noisy) -> None:
    probabilities, labels, _ = noisy()
    seen = rows(probabilities.tolist(), labels.tolist())
    given = channel(seen, [0.2, 0.3, 0.1, 0.25, 0.3], slope=1.7)
    sums = _expected(seen, given, clearness=clearness, is_noisy=True)

    def objective(moved: Channel) -> float:
        return _expected(seen, moved, clearness=clearness, is_noisy=True).objective

    step = 0.01
    up, down = (replace(given, slopes=given.slopes + sign * step) for sign in (1, -1))
    assert sums.gradient[0] == pytest.approx((objective(up) - objective(down)) / (2 * step), abs=2e-3)
    unit = np.eye(5)[2] * step
    up, down = (replace(given, shifts=given.shifts + sign * unit) for sign in (1, -1))
    assert sums.shift_gradient[2] == pytest.approx((objective(up) - objective(down)) / (2 * step), abs=2e-3)


def test_a_fit_never_ends_below_its_start(noisy: Noisy) -> None:
    probabilities, labels, _ = noisy()
    seen = rows(probabilities.tolist(), labels.tolist())
    start = first_channel(seen, slope=2.0)
    before = _expected(seen, start, clearness=0.1, is_noisy=True).objective
    assert fit_channel(seen, start, clearness=0.1).objective > before


def test_a_fit_finds_the_noise_that_was_put_in(noisy: Noisy) -> None:
    probabilities, labels, _ = noisy(4000)
    seen = rows(probabilities.tolist(), labels.tolist())
    fitted = fit_channel(seen, first_channel(seen, slope=2.0), clearness=0.0)
    assert fitted.mean_noise == pytest.approx(0.3 * 4 / 5, abs=0.03)  # a fifth of the drawn labels is the right one


def test_pairs_that_occur_say_the_same_as_all_pairs(noisy: Noisy) -> None:
    """260 classes and few rows: k * k is more than the candidates, and only pairs that occur are kept."""
    probabilities, labels, _ = noisy(520, 260, noise=0.1)
    candidates = candidates_of(ArrayProbabilities(probabilities), labels.astype(np.int32))
    sparse = observed(candidates, [candidates.log_p])
    few = np.flatnonzero(np.isin(np.arange(260 * 260), sparse.pairs.label.astype(int) * 260 + sparse.pairs.truth))
    assert len(sparse.pairs.truth) <= 260 * 260
    every = np.arange(260 * 260)
    number = candidates.labels[:, None].astype(np.int64) * 260 + candidates.classes
    dense = replace(
        sparse,
        pairs=replace(
            sparse.pairs, number=number.astype(np.int32), label=(every // 260).astype(np.int32), truth=(every % 260).astype(np.int32),
            diagonal=every[every // 260 == every % 260],
        ),
    )  # fmt: skip
    assert len(few) == len(sparse.pairs.truth)
    one, other = (fit_channel(seen, first_channel(seen, slope=2.0), clearness=0.0) for seen in (sparse, dense))
    assert one.objective == pytest.approx(other.objective, abs=1e-5)
    np.testing.assert_allclose(one.noise, other.noise, atol=1e-4)


def test_pairs_that_the_fit_has_not_seen_have_the_noise_of_their_class() -> None:
    """T[z, y] = e_z prior_y / (sum over y != z) where no row of the fit had (z, y)."""
    seen = rows([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]], [0, 1])
    given = channel(seen, [0.1, 0.2, 0.3])
    fitted = fitted_pairs(np.array([0, 1], np.int32), np.array([0, 1], np.int32))
    some = replace(given, passed=np.array([0.9, 0.8], np.float32))
    asked = pairs_of(seen.candidates)
    found = passed_at(some, fitted, asked, seen.prior)
    at = {(int(z), int(y)): t for z, y, t in zip(asked.truth, asked.label, found, strict=True)}
    assert at[0, 0] == pytest.approx(0.9)
    assert at[2, 0] == pytest.approx(given.unseen[2] * seen.prior[0], rel=1e-5)


def test_rows_of_another_noise_get_their_own(noisy: Noisy) -> None:
    probabilities, labels, truth = noisy(3000)
    seen = rows(probabilities.tolist(), labels.tolist())
    fitted = fit_channel(seen, first_channel(seen, slope=2.0), clearness=0.0)
    right: Candidates = replace(seen.candidates, labels=truth.astype(np.int32), own=truth.astype(np.int32))
    clean = observed(right, [right.log_p])
    own = with_own_noise(clean, fitted)
    assert own.mean_noise < fitted.mean_noise / 3
    assert likelihood(clean, own) > likelihood(clean, fitted)
