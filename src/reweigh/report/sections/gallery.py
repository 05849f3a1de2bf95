"""Images whose label is most doubted beside those most trusted: pictures for the first classes, places of the files for the others.

In a run with weights the first classes' images also say why they have their weight.
"""

from __future__ import annotations

from typing import Any

from reweigh.report.arithmetic import credibility_line, signed, weight_line
from reweigh.report.places import address, byte_range
from reweigh.report.records import ClassImages, ReportData, Shown
from reweigh.report.settings import ReportSettings
from reweigh.report.thumbnails import thumbnail
from reweigh.report.weight_records import Explanation, FactorBar

NEIGHBOUR_SIDE = 60
"""Pixels of a neighbour's picture, drawn at 44 or less: its longer side is cut to a square."""


def gallery(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """One entry a class, in the order that came; None where verdicts say what to look at and no weight asks for a reason."""
    if data.verdicts is not None and data.weights is None:
        return None
    pictured, others = data.images[: settings.classes_with_images], data.images[settings.classes_with_images :]
    return {
        "shown": [
            _with_pictures(data, images, settings, in_full=place < settings.classes_explained)
            for place, images in enumerate(pictured)
        ],
        "linked": [_with_links(data, images, settings) for images in others],
        "judged": int(data.judged.sum()),
        "by_credibility": any(images.mean_credibility is not None for images in data.images),
        "combiner": _combiner(data),
        "has_verdicts": data.verdicts is not None,
    }


def _combiner(data: ReportData) -> str:
    """The combiner that explanations speak of; empty where there is none."""
    shown = (image for images in data.images for image in (*images.doubted, *images.trusted))
    return next((image.explanation.combiner for image in shown if image.explanation is not None), "")


def _about(data: ReportData, images: ClassImages) -> dict[str, Any]:
    judged, agreed = int(data.judged[images.label]), int(data.agreed[images.label])
    return {
        "name": data.class_names[images.label],
        "judged": judged,
        "agreed": agreed,
        "share": agreed / judged if judged else None,
        "mean_credibility": images.mean_credibility,
    }


def _with_pictures(data: ReportData, images: ClassImages, settings: ReportSettings, *, in_full: bool) -> dict[str, Any]:
    def pictures(shown: tuple[Shown, ...]) -> list[dict[str, Any]]:
        return [
            {
                "image": image,
                "thumbnail": thumbnail(image.location, side=settings.thumbnail_side),
                "why": _why(image.explanation, settings, in_full=in_full),
            }
            for image in shown[: settings.images_a_class]
        ]

    return {
        **_about(data, images),
        "doubted": pictures(images.doubted),
        "trusted": pictures(images.trusted),
        "in_full": in_full and any(_has_factors(image) for image in (*images.doubted, *images.trusted)),
    }


def _has_factors(image: Shown) -> bool:
    return image.explanation is not None and bool(image.explanation.factors)


def _why(explained: Explanation | None, settings: ReportSettings, *, in_full: bool) -> dict[str, Any] | None:
    """Credibility and weight; in full also the factors as bars, the arithmetic, and the nearest neighbours."""
    if explained is None:
        return None
    in_full = in_full and bool(explained.factors)
    why: dict[str, Any] = {"credibility": explained.credibility, "weight": explained.weight, "in_full": in_full}
    if in_full:
        why["bars"] = [_bar(factor) for factor in explained.factors]
        why["lines"] = [line for line in (credibility_line(explained), weight_line(explained)) if line]
        why["neighbours"] = [
            {"one": one, "thumbnail": thumbnail(one.location, side=NEIGHBOUR_SIDE)}
            for one in explained.neighbours[: settings.neighbours_an_image]
        ]
    return why


def _bar(factor: FactorBar) -> dict[str, Any]:
    """A bar from 0 to 1 for a credibility; a multiplier has no such scale and is a number beside its mean."""
    is_drawn = factor.value is not None and factor.kind in ("credibility", "person")
    return {
        "one": factor,
        "width": 100 * factor.value if is_drawn and factor.value is not None else None,
        "adds": None if factor.adds is None else signed(factor.adds),
        "sign": "" if not factor.adds or abs(factor.adds) < 0.005 else "up" if factor.adds > 0 else "down",
    }


def _with_links(data: ReportData, images: ClassImages, settings: ReportSettings) -> dict[str, Any]:
    return {**_about(data, images), "doubted": [_link(image) for image in images.doubted[: settings.images_a_class]]}


def _link(image: Shown) -> dict[str, Any]:
    """A link to a file of its own; a member of a tar has its place as text."""
    return {
        "uid": image.uid,
        "predicted": image.predicted if image.predicted != image.label else "",
        "credibility": None if image.explanation is None else image.explanation.credibility,
        "href": address(image.location),
        "place": byte_range(image.location),
    }
