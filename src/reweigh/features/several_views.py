"""Features of several views of the same images, one extraction each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reweigh.features.extraction import Locate, Uids, extract
from reweigh.features.networks import Backbone
from reweigh.features.store import Features, unreadable_table
from reweigh.images.views import EvaluationView
from reweigh.progress import Progress, silent


def extract_views(
    backbone: Backbone, n: int, locate: Locate, uids: Uids, *, views: Sequence[EvaluationView], folders: Sequence[Path], progress: Progress = silent,
    **settings: Any,
) -> list[Features]:  # fmt: skip
    """Features of images 0..n-1 in each view, each in its folder; a killed extraction goes on. Else as `extract`."""
    made = []
    for number, view in enumerate(views):

        def told(stage: str, done: int, total: int | None = None, note: str = "", number: int = number) -> None:
            progress(stage, done, total, f"view {number + 1} of {len(views)}, {note}" if len(views) > 1 else note)

        made.append(
            extract(replace(backbone, view=view), n, locate, uids, folder=folders[number], progress=told, **settings)
        )
    return made


def unreadable_in_any(views: Sequence[Features]) -> dict[int, str]:
    """Row -> reason, ascending, of the images that at least one view could not be made of: the mean over views would take
    that view's zeros for features."""
    found: dict[int, str] = {}
    for one in views:
        table = unreadable_table(one)
        for row, reason in zip(table["row"].to_pylist(), table["reason"].to_pylist(), strict=True):
            found.setdefault(row, reason)
    return dict(sorted(found.items()))
