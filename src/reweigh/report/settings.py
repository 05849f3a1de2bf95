"""Settings of the page."""

from __future__ import annotations

from dataclasses import dataclass

from reweigh.errors import ReweighError


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What the page shows, and how large it may grow."""

    images_to_review: int = 200
    """Images shown of those to look at first, over all classes; verdicts.csv lists all of them. 0 shows none."""
    classes_with_images: int = 50
    """Classes whose images are shown, those with the least agreement first; the others get links to their files."""
    images_a_class: int = 3
    """Images shown of each class where the label is most doubted, and as many where it is most trusted."""
    classes_explained: int = 12
    """Of these classes, those under whose images each factor is drawn; the others' images say credibility and weight."""
    neighbours_an_image: int = 4
    """Nearest neighbours shown under an explained image, where they were found for its weight; 0 to 8."""
    thumbnail_side: int = 96
    """Side of a shown image in pixels, 16 to 512."""

    def __post_init__(self) -> None:
        if self.images_to_review < 0:
            raise ReweighError(f"report.images_to_review must be 0 or more, found {self.images_to_review}.")
        if self.classes_with_images < 0:
            raise ReweighError(f"report.classes_with_images must be 0 or more, found {self.classes_with_images}.")
        if self.images_a_class < 1:
            raise ReweighError(f"report.images_a_class must be 1 or more, found {self.images_a_class}.")
        if self.classes_explained < 0:
            raise ReweighError(f"report.classes_explained must be 0 or more, found {self.classes_explained}.")
        if not 0 <= self.neighbours_an_image <= 8:
            raise ReweighError(f"report.neighbours_an_image must be 0 to 8, found {self.neighbours_an_image}.")
        if not 16 <= self.thumbnail_side <= 512:
            raise ReweighError(f"report.thumbnail_side must be 16 to 512 pixels, found {self.thumbnail_side}.")
