"""How many labels are wrong, in which classes, sources and queries, and which classes are taken for which others."""

from __future__ import annotations

from typing import Any

from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings
from reweigh.report.verdict_records import NoiseTable

IN_FULL = 20
"""Rows of a table that stand open; the others are folded away."""
PAIRS_IN_FULL = 12


def labels(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Tables of rates and of confused classes; None in a run without verdicts."""
    found = data.verdicts
    if found is None:
        return None
    return {
        "verdicts": found,
        "tables": [_table(one) for one in (found.classes, *found.others) if one.rows],
        "in_full": IN_FULL,
        "pairs_in_full": PAIRS_IN_FULL,
    }


def _table(table: NoiseTable) -> dict[str, Any]:
    """Bars on the scale of the largest rate of the table, so that small rates can be told apart."""
    top = max((row.noise or 0.0 for row in table.rows), default=0.0)
    scale = max(min(1.0, 1.25 * top), 0.05)
    return {
        "of": table.of,
        "plural": {"class": "classes", "query": "queries"}.get(table.of, f"{table.of}s"),
        "rows": [{"one": row, "width": 100 * min((row.noise or 0.0) / scale, 1.0)} for row in table.rows],
        "n_all": table.n_all,
        "has_range": any(row.low is not None for row in table.rows),
        "has_mostly": any(row.mostly for row in table.rows),
        "has_agreement": any(row.agreement is not None for row in table.rows),
    }
