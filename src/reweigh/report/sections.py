"""The page's sections in their order: each a template and a function from the record to what it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reweigh.report import charts
from reweigh.report.records import ReportData, Shown
from reweigh.report.settings import ReportSettings
from reweigh.report.thumbnails import thumbnail

CONFUSIONS = 30
FULL_CLASSES = 50


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    title: str
    template: str
    """File in templates/."""
    content: Callable[[ReportData, ReportSettings], dict[str, Any] | None]
    """What the template shows; None leaves the section out."""


def results(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """The small table, and what its words mean."""
    return {"header": data.header, "rows": data.results, "notes": data.notes}


def gallery(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Doubted and trusted images: pictures for the first classes, links to the files for the others."""
    shown, linked = [], []
    for place, images in enumerate(data.images):
        entry = {
            "name": data.class_names[images.label],
            "judged": int(data.judged[images.label]),
            "agreed": int(data.agreed[images.label]),
        }
        if place < settings.classes_with_images:
            pictures = {
                kind: [_picture(image, settings) for image in getattr(images, kind)[: settings.images_a_class]]
                for kind in ("doubted", "trusted")
            }
            shown.append({**entry, **pictures})
        else:
            linked.append({**entry, "doubted": [_link(image) for image in images.doubted[: settings.images_a_class]]})
    return {"shown": shown, "linked": linked, "side": settings.thumbnail_side}


def classes(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Agreement of each class, least first; in full for the worst, short for the others."""
    share = np.divide(data.agreed, data.judged, out=np.full(len(data.judged), np.nan), where=data.judged > 0)
    order = np.lexsort((-data.judged, np.nan_to_num(share, nan=2.0)))
    rows = [
        {
            "name": data.class_names[c], "size": int(data.class_sizes[c]), "judged": int(data.judged[c]), "agreed": int(data.agreed[c]),
            "share": None if np.isnan(share[c]) else float(share[c]), "mostly": _mostly(data, int(c)),
        }
        for c in order
    ]  # fmt: skip
    return {"rows": rows, "full": FULL_CLASSES, "chart": charts.class_sizes(data.class_names, data.class_sizes)}


def confusions(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """The pairs of classes confused most, and the whole matrix where it is small."""
    if len(data.class_names) < 2:
        return None
    has_map = data.confusion is not None and len(data.class_names) <= charts.HEAT
    rows = [
        {
            "given": data.class_names[a],
            "predicted": data.class_names[b],
            "count": count,
            "share": count / max(int(data.judged[a]), 1),
        }
        for a, b, count in data.confusions[:CONFUSIONS]
    ]
    return {
        "rows": rows,
        "map": charts.heat_map(data.class_names, data.confusion) if has_map and data.confusion is not None else None,
    }


def facts(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """The data and how it was run."""
    return {"data_facts": data.data_facts, "run_facts": data.run_facts, "command": data.command}


SECTIONS: dict[str, Section] = {
    "results": Section("Results", "results.html", results),
    "gallery": Section("Labels to look at first", "gallery.html", gallery),
    "classes": Section("Classes", "classes.html", classes),
    "confusions": Section("Confusions", "confusions.html", confusions),
    "facts": Section("Data and run", "facts.html", facts),
}


def _mostly(data: ReportData, label: int) -> str:
    """The class that its images are most often taken for."""
    return next((data.class_names[b] for a, b, _ in data.confusions if a == label), "")


def _picture(image: Shown, settings: ReportSettings) -> dict[str, Any]:
    return {"image": image, "thumbnail": thumbnail(image.location, side=settings.thumbnail_side)}


def _link(image: Shown) -> dict[str, Any]:
    """A link to a file of its own; a member of a tar has none."""
    place = image.location
    is_file = place.offset is None
    return {
        "uid": image.uid,
        "predicted": image.predicted,
        "href": place.path.resolve().as_uri() if is_file else "",
        "place": ""
        if is_file
        else f"{place.path.name}, bytes {place.offset:,} to {(place.offset or 0) + (place.length or 0):,}",
    }
