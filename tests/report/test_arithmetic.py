"""The arithmetic of one image's weight as a reader sees it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from reweigh.report.arithmetic import credibility_line, figure, plain, signed, weight_line
from reweigh.report.weight_records import Explanation, FactorBar
from reweigh.weighers.combine import COMBINERS, explain
from reweigh.weighers.factor import Factor


def explained(combiner: str, values: list[float | None], credibility: float) -> Explanation:
    bars = tuple(FactorBar(name=f"f{i}", kind="credibility", value=v, mean=0.8) for i, v in enumerate(values))
    return Explanation(
        combiner=combiner, factors=bars, intercept=0.0, credibility=credibility, sharpness=1.0,
        balances=(FactorBar(name="class_balance", kind="balance", value=1.31),), weight=0.25,
    )  # fmt: skip


def test_the_product_reads_as_on_the_slides() -> None:
    """.6 x .5 x .75 x .7 = .1575, said with two decimals."""
    assert credibility_line(explained("product", [0.6, 0.5, 0.75, 0.7], 0.1575)) == "0.6 × 0.5 × 0.75 × 0.7 = 0.16"


def test_where_a_factor_of_a_product_has_no_opinion_its_mean_stands_in_brackets() -> None:
    assert credibility_line(explained("product", [0.5, None], 0.4)) == "0.5 × (0.8) = 0.4"


def test_a_multiplier_is_divided_by_its_mean_in_the_product() -> None:
    """.5 / .8 = .625, and .5 x .625 = .3125."""
    one = explained("product", [0.5, 0.5], 0.3125)
    mixed = replace(one, factors=(one.factors[0], replace(one.factors[1], kind="multiplier")))
    assert credibility_line(mixed) == "0.5 × 0.62 = 0.31"


def test_the_geometric_mean_takes_the_root_over_the_factors_that_speak() -> None:
    assert credibility_line(explained("geometric", [0.6, None, 0.5], 0.55)) == "(0.6 × 0.5)^(1/2) = 0.55"
    assert credibility_line(explained("geometric", [0.6, None], 0.6)) == "one factor has an opinion: 0.6"
    assert "the mean of the other images" in credibility_line(explained("geometric", [None, None], 0.7))


def test_the_log_odds_of_the_pool_add_up_to_the_credibility() -> None:
    """Two groups, .9 and .6, lambda 1.5 and 2: what the page adds is what the combiner computed."""
    values = {"a": np.array([0.9, 0.5, 0.2], np.float32), "b": np.array([0.6, np.nan, 0.4], np.float32)}
    groups = {"a": "visual", "b": "text"}
    factors = [Factor(name=n, kind="credibility", group=groups[n], values=v) for n, v in values.items()]
    made = COMBINERS["pooled"](factors)
    for row in range(3):
        adds = explain(made.facts, {n: float(v[row]) for n, v in values.items()}, groups)
        total = made.facts["intercept"] + sum(adds.values())
        assert 1 / (1 + math.exp(-total)) == pytest.approx(float(made.credibility[row]), abs=1e-6)
        bars = tuple(FactorBar(name=n, kind="credibility", value=float(values[n][row]), adds=adds[n]) for n in adds)
        one = explained("pooled", [], float(made.credibility[row]))
        line = credibility_line(replace(one, factors=bars, intercept=made.facts["intercept"]))
        assert line.endswith(f"log-odds {signed(total)}: credibility {plain(float(made.credibility[row]))}")


def test_the_weight_is_credibility_to_its_power_times_balance() -> None:
    one = explained("product", [0.4], 0.4)
    assert weight_line(one) == "0.4 × 1.31 (class_balance), scaled: weight 0.25"
    assert weight_line(replace(one, sharpness=2.0)).startswith("0.4^2 × 1.31")
    assert weight_line(replace(one, credibility=None)) == "1.31 (class_balance), scaled: weight 0.25"
    assert weight_line(replace(one, weight=0.0, because="a copy")) == "weight 0: a copy"


def test_a_persons_word_stands_above_the_factors() -> None:
    one = explained("pooled", [0.9], 0.01)
    checked = replace(one, factors=(*one.factors, FactorBar(name="verified", kind="person", value=0.01)))
    assert credibility_line(checked) == "a person looked: credibility 0.01, whatever the factors say"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.6, "0.6"), (0.75, "0.75"), (1.0, "1"), (1.3, "1.3"), (0.004, "0.004"), (0.9992, "0.9992"), (0.0, "0"),
     (1e-12, "0"), (1 - 1e-12, "1"), (-0.4, "−0.4"), (12.346, "12.35"), (float("nan"), "–")],
)  # fmt: skip
def test_a_figure_has_as_many_decimals_as_it_needs(value: float, text: str) -> None:
    assert plain(value) == text


def test_figures_in_a_column_have_two_decimals() -> None:
    assert [figure(x) for x in (0.6, 0.0, 1.0, 0.004)] == ["0.60", "0.00", "1.00", "0.004"]
    assert [signed(x) for x in (1.25, -0.4, 0.001, -0.001)] == ["+1.25", "−0.40", "0.00", "0.00"]
