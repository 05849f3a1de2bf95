"""URNet's five challenges: a figure each, measured on this data, and whether the remedy is switched on."""

from __future__ import annotations

from typing import Any

from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings


def challenges(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """The rows as they came; no section in a run without weights."""
    return {"rows": data.challenges} if data.challenges else None
