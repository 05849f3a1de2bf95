"""Images whose label is most doubted beside those most trusted: pictures for the first classes, places of the files for the others."""

from __future__ import annotations

from typing import Any

from reweigh.report.records import ClassImages, ReportData, Shown
from reweigh.report.settings import ReportSettings
from reweigh.report.thumbnails import thumbnail


def gallery(data: ReportData, settings: ReportSettings) -> dict[str, Any] | None:
    """One entry a class, in the order that came."""
    pictured, others = data.images[: settings.classes_with_images], data.images[settings.classes_with_images :]
    return {
        "shown": [_with_pictures(data, images, settings) for images in pictured],
        "linked": [_with_links(data, images, settings) for images in others],
        "judged": int(data.judged.sum()),
    }


def _about(data: ReportData, images: ClassImages) -> dict[str, Any]:
    judged, agreed = int(data.judged[images.label]), int(data.agreed[images.label])
    return {
        "name": data.class_names[images.label],
        "judged": judged,
        "agreed": agreed,
        "share": agreed / judged if judged else None,
    }


def _with_pictures(data: ReportData, images: ClassImages, settings: ReportSettings) -> dict[str, Any]:
    def pictures(shown: tuple[Shown, ...]) -> list[dict[str, Any]]:
        return [
            {"image": image, "thumbnail": thumbnail(image.location, side=settings.thumbnail_side)}
            for image in shown[: settings.images_a_class]
        ]

    return {**_about(data, images), "doubted": pictures(images.doubted), "trusted": pictures(images.trusted)}


def _with_links(data: ReportData, images: ClassImages, settings: ReportSettings) -> dict[str, Any]:
    return {**_about(data, images), "doubted": [_link(image) for image in images.doubted[: settings.images_a_class]]}


def _link(image: Shown) -> dict[str, str]:
    """A link to a file of its own; a member of a tar has its place as text, for no browser opens a range of bytes."""
    path, offset, length = image.location.path, image.location.offset, image.location.length
    if offset is None:
        return {"uid": image.uid, "predicted": image.predicted, "href": path.resolve().as_uri(), "place": ""}
    end = "the end" if length is None else f"{offset + length:,}"
    return {
        "uid": image.uid,
        "predicted": image.predicted,
        "href": "",
        "place": f"{path.name}, bytes {offset:,} to {end}",
    }
