"""URNet eqs 3 and 4 by hand, the reading that does what the text says, and effective numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from reweigh.errors import ReweighError
from reweigh.testing import example_evidence, reordered
from reweigh.weighers.class_balance import (
    ClassBalance,
    class_weights,
    effective_class_weights,
    printed_class_weights,
)
from reweigh.weighers.factor import make_factor

SIZES = np.array([4.0, 1.0])


def test_eq_4_as_printed() -> None:
    """Sizes (4, 1): eq. 3 gives (1/4, 1) / 1.25 = (.2, .8); alpha .5 -> (.6, .9), alpha 1 -> (.2, .8), masses (.8, .8)."""
    np.testing.assert_allclose(printed_class_weights(SIZES, alpha=0.5), [0.6, 0.9])
    np.testing.assert_allclose(printed_class_weights(SIZES, alpha=1.0), [0.2, 0.8])
    np.testing.assert_allclose(printed_class_weights(SIZES, alpha=1.0) * SIZES, [0.8, 0.8])


def test_eq_4_as_printed_does_next_to_nothing_for_many_classes() -> None:
    """k = 5,000 with sizes 300, 3,000 (4,998 times), 40,000: from .500007 to .500998, a ratio of 1.002."""
    weights = printed_class_weights(np.array([300.0, *[3000.0] * 4998, 40_000.0]), alpha=0.5)
    assert weights.min() == pytest.approx(0.500007, abs=1e-6)
    assert weights.max() == pytest.approx(0.500998, abs=2e-6)
    for k in (1000, 5000):
        sizes = np.geomspace(300, 40_000, k)
        printed = printed_class_weights(sizes, alpha=0.5)
        assert printed.max() / printed.min() < 1.01


def test_the_shipped_reading() -> None:
    """Sizes (4, 1), n = 5, k = 2: alpha .5 -> (.8125, 1.75); alpha 1 -> (.625, 2.5), masses (2.5, 2.5); alpha 0 -> 1."""
    np.testing.assert_allclose(class_weights(SIZES, alpha=0.5), [0.8125, 1.75])
    np.testing.assert_allclose(class_weights(SIZES, alpha=1.0), [0.625, 2.5])
    np.testing.assert_allclose(class_weights(SIZES, alpha=0.0), [1.0, 1.0])
    for alpha in (0, 0.3, 1):
        assert (class_weights(SIZES, alpha=alpha) * SIZES).sum() == pytest.approx(5)


def test_alpha_1_is_scikit_learns_balanced() -> None:
    labels = np.repeat(np.arange(3), (7, 2, 30))
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(class_weights(np.bincount(labels).astype(float), alpha=1.0), theirs)


def test_effective_numbers() -> None:
    """Sizes (4, 1), beta .9: (1 - .9) / (1 - .9^4) = .29078, and 1; mean 1: (.4506, 1.5494). Mean 1 over the images:
    divided by (4 x .4506 + 1.5494) / 5 = .6703: (.672, 2.311)."""
    weights = effective_class_weights(SIZES, beta=0.9)
    np.testing.assert_allclose(weights, [0.4506, 1.5494], atol=1e-4)
    np.testing.assert_allclose(weights / ((weights * SIZES).sum() / 5), [0.672, 2.311], atol=1e-3)
    np.testing.assert_allclose(effective_class_weights(SIZES, beta=0.0), [1.0, 1.0])


def test_an_empty_class_is_left_out_of_k() -> None:
    for weights in (class_weights, printed_class_weights):
        with_empty = weights(np.array([4.0, 0.0, 1.0]), alpha=0.5)
        np.testing.assert_allclose(with_empty[[0, 2]], weights(SIZES, alpha=0.5))
        assert with_empty[1] == 0


def test_balance_on_credible_mass_gives_every_class_the_same_credible_total() -> None:
    """b_c = sum c / (k sum of c in the class), up to the mean of 1."""
    evidence = example_evidence(n=200)
    credibility = np.random.default_rng(0).random(200).astype(np.float32)
    factor = make_factor("class_balance", ClassBalance(), evidence, credibility=credibility)
    mass = np.bincount(evidence["images"].labels, weights=factor.values * credibility)
    np.testing.assert_allclose(mass, mass.mean(), rtol=1e-5)
    counts = make_factor("class_balance", ClassBalance(on="counts"), evidence, credibility=credibility)
    totals = np.bincount(evidence["images"].labels, weights=counts.values)
    np.testing.assert_allclose(totals, totals.mean(), rtol=1e-5)


def test_a_class_that_nobody_believes_is_not_blown_up_without_end() -> None:
    evidence = reordered(example_evidence(n=40, k=2), np.arange(40))
    credibility = np.where(evidence["images"].labels == 0, 0.9, 0.0).astype(np.float32)
    values = make_factor("class_balance", ClassBalance(), evidence, credibility=credibility).values
    assert np.isfinite(values).all()
    assert values.max() / values.min() <= 1001


@pytest.mark.parametrize("changes", [{"alpha": -0.1}, {"alpha": 1.1}, {"beta": 1.0}])
def test_settings_out_of_range_are_refused_by_their_path(changes: dict[str, float]) -> None:
    with pytest.raises(ReweighError, match=rf"weights\.class_balance\.{next(iter(changes))} must"):
        ClassBalance(**changes)  # type: ignore[arg-type]
