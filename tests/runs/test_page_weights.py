"""Rates, histograms and tables of the page's section on weights, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reweigh.runs.page_results import comparisons
from reweigh.runs.page_weights import combined, curves_said, histogram_of, quality_tables, rates
from reweigh.runs.stored_weighing import StoredWeighing
from reweigh.weighers.settings import WeightSettings

NAN = float("nan")


def weighing(**facts: Any) -> StoredWeighing:
    """Four images of classes 0, 0, 1, 3; the second is excluded."""
    return StoredWeighing(
        rows=np.arange(4), labels=np.array([0, 0, 1, 3], np.int32), weights=np.array([1.5, 0, 0.5, 1], np.float32),
        credibility=np.array([0.9, NAN, 0.2, 0.7], np.float32), factors={}, is_weighed=np.array([True, False, True, True]),
        facts={"class_effective_shares": [0.5, 1.0, None, 1.0], "factors": {}, **facts}, settings=WeightSettings(),
    )  # fmt: skip


def test_rates_of_classes_are_sorted_by_mean_credibility_and_leave_empty_ones_out() -> None:
    """Weights 1.5, .5, 1 of 3; images 2, 1, 1 of 4; mean credibility .9, .2, .7 of those weighed."""
    table = rates(weighing(), weighing().labels, ("a", "b", "c", "d"), of="class", n_rows=10)
    assert [rate.name for rate in table.rows] == ["b", "d", "a"]
    last = table.rows[-1]
    assert (last.n, last.image_share, last.weight_share) == (2, 0.5, 0.5)
    assert last.mass == pytest.approx(0.9) and last.mean_credibility == pytest.approx(0.9)
    assert [rate.effective_share for rate in table.rows] == [1.0, 1.0, 0.5]
    assert table.n_all == 3
    assert len(rates(weighing(), weighing().labels, ("a", "b", "c", "d"), of="class", n_rows=2).rows) == 2


def test_a_part_without_a_weighed_image_comes_last() -> None:
    table = rates(weighing(), np.array([0, 1, 0, 0]), ("x", "y"), of="source", n_rows=10)
    assert [rate.mean_credibility is None for rate in table.rows] == [False, True]
    assert table.rows[1].mass is None or table.rows[1].mass == 0


def test_a_histogram_holds_every_image() -> None:
    spread = histogram_of(np.array([0.0, 0.5, 1.0], np.float32), ends_at_one=True)
    assert spread is not None
    assert (spread.counts.sum(), spread.high, spread.mean) == (3, 1.0, 0.5)
    assert spread.counts[0] == 1 and spread.counts[-1] == 1
    wide = histogram_of(np.array([0.0, 4.0], np.float32), ends_at_one=False)
    assert wide is not None and wide.high == 4.0
    zeros = histogram_of(np.zeros(3, np.float32), ends_at_one=False)
    assert zeros is not None and zeros.counts.sum() == 3
    assert histogram_of(np.zeros(0), ends_at_one=True) is None


def test_curves_are_told_in_words() -> None:
    assert curves_said({}) == ""
    assert curves_said({"curves": {"all": {"rows": 1_060, "curve": "rising"}}}) == "curve rising (1,060 images)"
    two = {"google": {"rows": 884, "curve": "falling"}, "flickr": {"rows": 9, "curve": "too few"}}
    assert (
        curves_said({"curves": two})
        == "curve google: falling (884 images); flickr: too few (9 images), so it says nothing"
    )
    many = {f"s{i}": {"rows": 30, "curve": "flat"} for i in range(6)}
    assert curves_said({"curves": many}).endswith("and 2 more")


def test_the_combiner_and_its_numbers_are_one_line() -> None:
    facts = {
        "combiner": "pooled", "coefficients": {"visual": 1.5, "rank": 2.0}, "intercept": 0.04, "sharpness": 2.0, "clipped": 3,
        "factors": {"class_balance": {"kind": "balance", "group": ""}},
    }  # fmt: skip
    said = combined(weighing(**facts))
    assert "visual × 1.5, rank × 2; start +0.04" in said
    assert "Weight = credibility^2 × class_balance" in said
    assert said.endswith("weights above 10 times the mean are cut, 3 were.")


def test_without_credibility_balance_is_the_weight() -> None:
    facts = {
        "combiner": None,
        "sharpness": None,
        "clipped": 0,
        "factors": {"class_balance": {"kind": "balance", "group": ""}},
    }
    assert combined(weighing(**facts)).startswith("No factor speaks of labels. Weight = class_balance, mean 1")


def quality(n_wrong: int, n: int) -> dict[str, Any]:
    def score(auroc: float | None) -> dict[str, Any]:
        figures = {
            "auroc": auroc, "auroc_interval": None if auroc is None else [0.8, 0.95], "average_precision": 0.7,
            "average_precision_interval": None, "precision_at_rate": None, "precision_at_rate_interval": None, "brier": None,
            "brier_interval": None,
        }  # fmt: skip
        by_kind = {"near": {"n_wrong": 4, "auroc": 0.85, "auroc_interval": [0.7, 0.9]}}
        return {"n_with_opinion": n, "figures": figures, "by_kind": by_kind}

    scores = {"weight": score(0.9), "credibility": score(0.9), "rank": score(None)}
    return {"against": {"truth": {"n": n, "n_wrong": n_wrong, "kinds": {"near": 4}, "scores": scores}}}


def test_quality_shows_the_credibility_first_and_the_weight_last() -> None:
    (table,) = quality_tables(quality(40, 100))
    assert [row[0] for row in table.rows] == ["credibility", "rank", "weight"]
    assert table.rows[0][2] == "0.900 0.800–0.950"
    assert table.rows[1][2] == "–"
    assert table.header[-1] == "AUROC, near (4)"
    assert table.rows[0][-1] == "0.850 0.700–0.900"
    assert table.caution == ""


def test_few_wrong_labels_come_with_a_caution_and_none_with_no_table() -> None:
    assert quality_tables(quality(2, 108))[0].caution == "Only 2 wrong labels are known: the figures say little."
    assert quality_tables(quality(0, 108)) == ()
    assert quality_tables(None) == ()
    balance = quality(40, 100)
    balance["against"]["truth"]["scores"] = {"weight": balance["against"]["truth"]["scores"]["weight"]}
    assert quality_tables(balance) == ()


def figures(top_1: float) -> dict[str, Any]:
    return {"n": 10, "top_1": top_1, "top_1_interval": [top_1 - 0.1, top_1 + 0.1], "class_averaged": None, "class_averaged_interval": None}  # fmt: skip


def test_before_and_after_keep_agreement_apart_from_accuracy() -> None:
    gain = {
        "n": 10,
        "top_1": 0.2,
        "top_1_interval": [0.1, 0.3],
        "class_averaged": None,
        "class_averaged_interval": None,
    }
    metrics = {
        "baseline": {"agreement": figures(0.5), "accuracy": {"truth": figures(0.6)}},
        "test": {"agreement": figures(0.7), "accuracy": {"truth": figures(0.8)}},
        "gain": {"agreement": gain, "truth": gain},
    }
    found = comparisons(metrics)
    assert [(one.against, one.measure, one.before, one.after) for one in found] == [
        ("agreement", "top-1", 0.5, 0.7), ("accuracy, truth", "top-1", 0.6, 0.8),
    ]  # fmt: skip
    assert found[0].gain_interval == (0.1, 0.3)
    assert comparisons({**metrics, "gain": None}) == ()
