"""Agreement of each class, least first, and the sizes of the classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from reweigh.report.charts import class_sizes
from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings

IN_FULL = 50
"""Classes of the first table; the others are folded away."""


def classes(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Rows of the table, least agreement first and classes that nobody judged last; the chart of sizes.

    Where all classes have one size, that number stands in the chart's place.
    """
    share = np.divide(data.agreed, data.judged, out=np.full(len(data.judged), np.nan), where=data.judged > 0)
    order = np.lexsort((-data.judged, np.nan_to_num(share, nan=2.0)))
    mostly = _mostly(data)
    rows = [
        {
            "name": data.class_names[c], "size": int(data.class_sizes[c]), "judged": int(data.judged[c]), "agreed": int(data.agreed[c]),
            "share": None if np.isnan(share[c]) else float(share[c]), "mostly": mostly.get(int(c), ""),
        }
        for c in order
    ]  # fmt: skip
    sizes = data.class_sizes
    same = len(sizes) > 0 and bool((sizes == sizes[0]).all())
    return {
        "rows": rows,
        "n_classes": len(rows),
        "is_judged_above": data.verdicts is not None,
        "in_full": IN_FULL,
        "same_size": int(sizes[0]) if same else None,
        "chart": None if same or not len(sizes) else class_sizes(data.class_names, sizes),
    }


def _mostly(data: ReportData) -> dict[int, str]:
    """The class that each one's images are most often taken for: from the whole matrix, or from the most frequent pairs."""
    if data.confusion is None:
        return {a: data.class_names[b] for a, b, _ in reversed(data.confusions)}
    others = data.confusion.copy()
    np.fill_diagonal(others, 0)
    return {c: data.class_names[int(others[c].argmax())] for c in range(len(others)) if others[c].any()}
