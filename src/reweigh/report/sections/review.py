"""The images to look at first, over all classes: a gallery in the order of review."""

from __future__ import annotations

from typing import Any

from reweigh.report.places import address
from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings
from reweigh.report.thumbnails import thumbnail
from reweigh.report.verdict_records import JudgedImage


def review(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """A picture each; None in a run without verdicts."""
    found = data.verdicts
    if found is None:
        return None
    shown = found.images[: settings.images_to_review]
    return {
        "shown": [
            {
                "image": image,
                "thumbnail": thumbnail(image.location, side=settings.thumbnail_side),
                "href": address(image.location),
                "kinds": kinds(image),
            }
            for image in shown
        ],
        "n_all": found.n_images,
        "n_more": found.n_images - len(shown),
        "side": settings.thumbnail_side,
    }


def kinds(image: JudgedImage) -> tuple[str, ...]:
    """What an image is found under: `flagged`, `none`, `also`; `kept` where neither of the first two."""
    found = [
        name
        for name, is_so in (
            ("flagged", image.wrong), ("none", image.none_of_the_classes), ("also", bool(image.also_plausible)),
            ("kept", not image.wrong and not image.none_of_the_classes),
        )
        if is_so
    ]  # fmt: skip
    return tuple(found)
