"""How well images match their labels' texts: the histogram of scores, and images of some scores as URNet's slides show them."""

from __future__ import annotations

from typing import Any

from reweigh.report.arithmetic import plain
from reweigh.report.records import ReportData
from reweigh.report.settings import ReportSettings
from reweigh.report.thumbnails import thumbnail
from reweigh.report.weight_charts import histogram


def image_text(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """Everything of the section; None in a run without image-text matching."""
    found = data.matches
    if found is None:
        return None
    return {
        "said": found.said,
        "chart": histogram(found.histogram, "cosines"),
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
