"""What weights changed on the test images, for the page."""

from __future__ import annotations

from typing import Any

from reweigh.report.weight_records import Comparison, Interval
from reweigh.runs.measured import AGAINST, told

MEASURES = {"top_1": "top-1", "class_averaged": "mean over classes"}


def comparisons(metrics: dict[str, Any]) -> tuple[Comparison, ...]:
    """Baseline against weights by kind of answer and measure; empty where there is no baseline or no test image.

    Agreement is left out where the labels of all test images are known to be right: it is accuracy then.
    """
    gain = metrics.get("gain") or {}
    if not gain or not metrics.get("baseline"):
        return ()
    before, after = _by_kind(metrics["baseline"]), _by_kind(metrics["test"])
    return tuple(
        _comparison(AGAINST[kind], measure, before[kind], after[kind], gain[kind])
        for kind in told(metrics["test"])
        if kind in gain and kind in before
        for measure in MEASURES
        if gain[kind][measure] is not None
    )


def _by_kind(figures: dict[str, Any]) -> dict[str, Any]:
    return {"agreement": figures["agreement"], **figures["accuracy"]}


def _comparison(
    against: str, measure: str, before: dict[str, Any], after: dict[str, Any], gain: dict[str, Any]
) -> Comparison:
    interval = f"{measure}_interval"
    return Comparison(
        against=against, measure=MEASURES[measure], n=gain["n"], before=before[measure], before_interval=_pair(before[interval]),
        after=after[measure], after_interval=_pair(after[interval]), gain=gain[measure], gain_interval=_pair(gain[interval]),
    )  # fmt: skip


def _pair(value: list[float] | None) -> Interval | None:
    return None if value is None else (value[0], value[1])
