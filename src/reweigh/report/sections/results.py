"""The small table of results, and what its words mean."""

from __future__ import annotations

from typing import Any

from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings


def results(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Header, rows and notes, as they came."""
    return {"header": data.header, "rows": data.results, "notes": data.notes}
