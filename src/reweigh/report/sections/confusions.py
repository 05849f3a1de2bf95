"""The pairs of classes confused most, and the whole matrix where it is small."""

from __future__ import annotations

from typing import Any

from reweigh.report.charts import HEAT, heat_map
from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings

PAIRS = 20
"""Rows of the table."""


def confusions(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Rows of the most frequent pairs, and a heat map for up to HEAT classes.

    Where there are verdicts, their table of confused classes stands for the rows; what is left is the map, or no section.
    """
    names = data.class_names
    rows = [
        {"given": names[a], "predicted": names[b], "count": count, "share": count / max(int(data.judged[a]), 1)}
        for a, b, count in data.confusions[:PAIRS]
    ]
    drawn = data.confusion is not None and 2 <= len(names) <= HEAT and bool(data.confusion.any())
    if data.verdicts is not None and not drawn:
        return None
    return {
        "rows": rows,
        "is_judged_above": data.verdicts is not None,
        "n_classes": len(names),
        "judged": int(data.judged.sum()),
        "map": heat_map(names, data.confusion) if drawn and data.confusion is not None else None,
    }
