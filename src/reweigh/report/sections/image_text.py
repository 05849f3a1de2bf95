"""How well images match their labels' texts."""

from __future__ import annotations

from typing import Any

from reweigh.report.records import ReportData
from reweigh.report.scored_images import scored_images
from reweigh.report.settings import ReportSettings


def image_text(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Everything of the section; None in a run without."""
    return scored_images(data.matches, settings)
