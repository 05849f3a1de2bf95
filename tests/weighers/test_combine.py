"""Combiners by hand, and what NaN means to each combiner."""

from __future__ import annotations

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.metrics.effective_share import class_effective_shares, effective_share
from reweigh.weighers.combine import COEFFICIENTS, explain, geometric, group_log_odds, pooled, product
from reweigh.weighers.factor import Factor

NAN = float("nan")


def factor(name: str, values: list[float], *, group: str = "visual", kind: str = "credibility") -> Factor:
    return Factor(name=name, kind=kind, group=group, values=np.array(values, np.float32))  # type: ignore[arg-type]


def sigma(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def test_product_as_on_the_slides() -> None:
    """.6 x .5 x .75 x .7 = .1575."""
    factors = [factor(name, [value]) for name, value in zip("abcd", (0.6, 0.5, 0.75, 0.7), strict=True)]
    assert product(factors).credibility[0] == pytest.approx(0.1575)


def test_two_factors_of_eight_tenths() -> None:
    """lambda 1, b = logit .6, pi = .6: product .64, geometric .80, two groups .914, one group .80, one of them NaN .80."""
    two = [factor("a", [0.8]), factor("b", [0.8])]
    assert product(two).credibility[0] == pytest.approx(0.64)
    assert geometric(two).credibility[0] == pytest.approx(0.80)
    b, values = np.log(0.6 / 0.4), [np.array([0.8])]
    one = group_log_odds(values, [0.6])[0]
    assert sigma(b + one + one) == pytest.approx(0.914, abs=5e-4)
    assert sigma(b + group_log_odds(values * 2, [0.6, 0.6])[0]) == pytest.approx(0.80)
    assert sigma(b + group_log_odds([*values, np.array([NAN])], [0.6, 0.6])[0]) == pytest.approx(0.80)
    assert sigma(b + one + group_log_odds([np.array([NAN])], [0.6])[0]) == pytest.approx(0.80)


def test_pooled_by_hand() -> None:
    """held_out (.9, .5), rank (.7, NaN). pi: .7 and .7. b = logit .7 = .8473.
    Row 1: 1.5 (logit .9 - logit .7) + 2 (0) = 1.5 x 1.3499 = 2.0249 -> sigma(2.8722) = .9464.
    Row 2: 1.5 (0 - .8473) = -1.2709 -> sigma(-.4236) = .3957."""
    combined = pooled([factor("held_out", [0.9, 0.5]), factor("rank", [0.7, NAN], group="rank")])
    np.testing.assert_allclose(combined.credibility, [0.9464, 0.3957], atol=1e-4)
    assert combined.facts["intercept"] == pytest.approx(0.8473, abs=1e-4)


def test_the_intercept_makes_the_mean_the_share_of_right_labels() -> None:
    generator = np.random.default_rng(0)
    values = factor("held_out", generator.random(500).tolist())
    for share in (0.2, 0.61, 0.95):
        assert pooled([values], share_right=share).credibility.mean() == pytest.approx(share, abs=1e-5)
    with pytest.raises(ReweighError, match="between 0 and 1, found 1"):
        pooled([values], share_right=1.0)


def test_certain_credibilities_are_held_within_one_and_ninety_nine_hundredths() -> None:
    one = pooled([factor("held_out", [0.0, 1.0, 0.5, 0.5])])
    other = pooled([factor("held_out", [0.01, 0.99, 0.5, 0.5])])
    np.testing.assert_allclose(one.credibility, other.credibility, rtol=1e-6)


def test_no_opinion_is_the_mean_in_a_product_and_is_left_out_of_a_geometric_mean() -> None:
    """Factor b: (.4, .8, NaN), mean .6. Row 3 of the product .5 x .6 = .30; of the geometric mean .5."""
    factors = [factor("a", [0.5, 0.5, 0.5]), factor("b", [0.4, 0.8, NAN])]
    np.testing.assert_allclose(product(factors).credibility, [0.2, 0.4, 0.3], rtol=1e-6)
    np.testing.assert_allclose(geometric(factors).credibility, [np.sqrt(0.2), np.sqrt(0.4), 0.5], rtol=1e-6)


def test_without_any_opinion_a_row_stands_at_the_level_of_all() -> None:
    silent = [factor("held_out", [0.9, 0.5, NAN])]
    assert pooled(silent).credibility[2] == pytest.approx(0.7)
    assert geometric(silent).credibility[2] == pytest.approx(0.7)


def test_a_literal_multiplier_has_any_scale_and_only_the_product_takes_it() -> None:
    small, large = (factor("m", (np.array([1.0, 3.0]) * scale).tolist(), kind="multiplier") for scale in (1e-3, 7.0))
    np.testing.assert_allclose(product([small]).credibility, [0.5, 1.5], rtol=1e-6)
    np.testing.assert_allclose(product([small]).credibility, product([large]).credibility, rtol=1e-6)
    for combiner in (pooled, geometric):
        with pytest.raises(ReweighError, match=r"'m' is a multiplier.*weights.combiner=product"):
            combiner([factor("held_out", [0.5, 0.5]), small])
    with pytest.raises(ReweighError, match="'m' is 0 for every image"):
        product([factor("m", [0.0, 0.0], kind="multiplier")])


def test_the_explanation_of_an_image_adds_up_to_its_credibility() -> None:
    generator = np.random.default_rng(1)
    factors = [
        factor("held_out", generator.random(50).tolist()),
        factor("neighbours", [NAN if i % 3 == 0 else v for i, v in enumerate(generator.random(50))]),
        factor("rank", [NAN if i % 4 == 0 else v for i, v in enumerate(generator.random(50))], group="rank"),
    ]
    combined = pooled(factors)
    groups = {f.name: f.group for f in factors}
    for row in range(50):
        parts = explain(combined.facts, {f.name: float(f.values[row]) for f in factors}, groups)
        total = combined.facts["intercept"] + sum(parts.values())
        assert sigma(total) == pytest.approx(float(combined.credibility[row]), abs=1e-5)
    assert set(COEFFICIENTS) >= {"visual", "rank", "text", "source"}


def test_effective_sample_share_by_hand() -> None:
    """(1, 1, 1, 0): 9 / (4 x 3) = .75; (3, 1, 0, 0): 16 / (4 x 10) = .40."""
    assert effective_share(np.array([1, 1, 1, 0])) == pytest.approx(0.75)
    assert effective_share(np.array([3, 1, 0, 0])) == pytest.approx(0.40)
    shares = class_effective_shares(np.array([1, 1, 1, 0, 3, 1, 0, 0]), np.array([0] * 4 + [1] * 4), 3)
    np.testing.assert_allclose(shares, [0.75, 0.40, np.nan])
