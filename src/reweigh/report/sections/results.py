"""The small table of results, what weights change, and what the words mean."""

from __future__ import annotations

from typing import Any

from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings
from reweigh.report.weight_charts import scale_of, whisker
from reweigh.report.weight_records import Comparison


def results(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Header, rows and notes as they came; comparisons drawn, those of one kind of answer together."""
    kinds = dict.fromkeys(one.against for one in data.comparisons)
    compared = [
        {"against": kind, "figures": [_drawn(one) for one in data.comparisons if one.against == kind]} for kind in kinds
    ]
    return {"header": data.header, "rows": data.results, "notes": data.notes, "compared": compared}


def _drawn(one: Comparison) -> dict[str, Any]:
    scale = scale_of(one)
    return {
        "one": one,
        "low": scale[0],
        "high": scale[1],
        "before": whisker(one.before, one.before_interval, scale, "before"),
        "after": whisker(one.after, one.after_interval, scale, "after"),
        "verdict": verdict(one),
    }


def verdict(one: Comparison) -> str:
    """What the interval of the gain allows to say."""
    if one.gain_interval is None:
        return "no interval could be drawn"
    if one.gain_interval[0] > 0:
        return "better with weights: the interval lies above 0"
    if one.gain_interval[1] < 0:
        return "worse with weights: the interval lies below 0"
    return "no difference can be told: the interval holds 0"
