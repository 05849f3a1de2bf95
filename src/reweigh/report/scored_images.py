"""Scores of images: a histogram, and images of some scores, as URNet's slides show them."""

from __future__ import annotations

from typing import Any

from reweigh.report.arithmetic import plain
from reweigh.report.settings import ReportSettings
from reweigh.report.thumbnails import thumbnail
from reweigh.report.weight_charts import histogram
from reweigh.report.weight_records import ScoredData


def scored_images(found: ScoredData | None, settings: ReportSettings) -> dict[str, Any] | None:
    """What scored.html shows; None where there are no scores."""
    if found is None:
        return None
    return {
        "said": found.said,
        "chart": histogram(found.histogram, found.unit),
        "ends": [plain(value) for value in (found.histogram.low, found.histogram.mean, found.histogram.high)],
        "bins": [
            {
                "bin": one,
                "images": [
                    {"image": image, "thumbnail": thumbnail(image.location, side=settings.thumbnail_side)}
                    for image in one.images
                ],
            }
            for one in found.bins
        ],
    }
