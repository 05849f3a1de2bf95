"""The page: one self-contained HTML file that opens from the disk, without the network and without JavaScript if need be."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from reweigh.progress import Progress, silent
from reweigh.report.records import ReportData
from reweigh.report.sections import SECTIONS
from reweigh.report.settings import ReportSettings


def render(data: ReportData, settings: ReportSettings | None = None, *, progress: Progress = silent) -> str:
    """The whole page as HTML. All text that came from data is escaped; unreadable images are said, not left out."""
    settings = settings or ReportSettings()
    parts = []
    for done, (name, section) in enumerate(SECTIONS.items()):
        progress("report", done, len(SECTIONS), section.title)
        content = section.content(data, settings)
        if content is not None:
            parts.append({"id": name, "title": section.title, "template": section.template, "content": content})
    progress("report", len(SECTIONS), len(SECTIONS), "")
    return _templates().get_template("page.html").render(data=data, parts=parts)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("reweigh.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["percent"] = lambda share: "–" if share is None else f"{100 * share:.0f}\u00a0%"
    made.filters["count"] = lambda number: f"{number:,}"
    return made
