"""How the weights spread, over images, classes, sources and queries, and how well they find wrong labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from reweigh.report.arithmetic import plain
from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings
from reweigh.report.weight_charts import histogram
from reweigh.report.weight_records import Distribution, RateTable

IN_FULL = 20
"""Rows of a table of rates that stand open; the others are folded away."""


def weights(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Everything of the section; None in a run without weights."""
    found = data.weights
    if found is None:
        return None
    return {
        "weights": found,
        "worth": found.effective_share * found.n_weighed,
        "left_out": found.n - found.n_weighed,
        "distributions": [_drawn(one) for one in found.distributions],
        "tables": [_rated(one) for one in (found.classes, *found.others)],
        "in_full": IN_FULL,
    }


def _drawn(one: Distribution) -> dict[str, Any]:
    drawn = None if one.histogram is None else histogram(one.histogram, one.name)
    ends = ("", "", "") if one.histogram is None else tuple(plain(x) for x in (one.histogram.low, one.histogram.mean, one.histogram.high))  # fmt: skip
    return {"one": one, "chart": drawn, "low": ends[0], "mean": ends[1], "high": ends[2]}


def _rated(table: RateTable) -> dict[str, Any]:
    """Bars of images and credible mass on one scale, that of the largest."""
    top = max((rate.n for rate in table.rows), default=0) or 1
    rows = [
        {
            "rate": rate,
            "size": 100 * rate.n / top,
            "mass": None if rate.mass is None else 100 * rate.mass / top,
            "times": _times(rate.weight_share, rate.image_share),
        }
        for rate in table.rows
    ]
    return {
        "of": table.of,
        "plural": {"class": "classes", "query": "queries"}.get(table.of, f"{table.of}s"),
        "rows": rows,
        "n_all": table.n_all,
        "has_mass": any(rate.mass is not None for rate in table.rows),
        "has_effective": any(rate.effective_share is not None for rate in table.rows),
    }


def _times(weight: float, images: float) -> float | None:
    """How much an image of it weighs beside the mean image."""
    return float(np.divide(weight, images)) if images > 0 else None
