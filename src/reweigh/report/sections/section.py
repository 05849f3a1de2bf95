"""What a section of the page is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    title: str
    template: str
    """File in templates/."""
    content: Callable[[ReportData, ReportSettings], dict[str, Any] | None]
    """What the template shows; None leaves the section out."""
