"""The data, how it was run, and the command that does it again."""

from __future__ import annotations

from typing import Any

from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings


def facts(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Pairs of name and value, as they came."""
    return {"data_facts": data.data_facts, "run_facts": data.run_facts, "command": data.command}
