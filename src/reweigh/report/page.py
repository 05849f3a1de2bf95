"""The page: one self-contained HTML file that opens from the disk, without the network and without JavaScript if need be."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reweigh.progress import Progress, silent
from reweigh.report.arithmetic import figure, plain
from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings
from reweigh.report.table_of_sections import SECTIONS


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
    page = _templates().get_template("page.html").render(data=data, parts=parts, side=settings.thumbnail_side)
    # A file name on disk may hold bytes that are no text; half of a surrogate pair cannot be written as UTF-8.
    return page.encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=1)
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("reweigh.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["percent"] = percent
    made.filters["count"] = lambda number: f"{number:,}"
    made.filters["end_of"] = end_of
    made.filters["plain"] = lambda number: "–" if number is None else plain(number)
    made.filters["figure"] = lambda number: "–" if number is None else figure(number)
    made.filters["tenths"] = lambda share: f"{100 * share:.1f}"
    made.filters["points"] = lambda share: f"{100 * share:+.1f}".replace("-", "−")
    script = made.get_template("page.js").render()
    made.globals["script"] = Markup(script)  # our own file, no data in it
    made.globals["script_hash"] = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return made


def percent(share: float | None) -> str:
    """`68 %`; a share that is not quite none or all never reads as `0 %` or `100 %`."""
    if share is None or share != share:
        return "–"
    if 0 < share < 0.005:
        return "<\u00a01\u00a0%"
    if 0.995 <= share < 1 - 1e-7:  # shares are made of 32-bit weights
        return ">\u00a099\u00a0%"
    return f"{100 * share:.0f}\u00a0%"


def end_of(text: str, length: int = 40) -> str:
    """The end of a path: the whole where it is short enough, else the file's name, else its last characters."""
    if len(text) <= length:
        return text
    name = text.rsplit("/", 1)[-1]
    return name if 0 < len(name) <= length else f"…{text[1 - length :]}"
