"""Settings of reading and decoding images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reweigh.errors import ReweighError


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """How images are read, and how many of them may fail."""

    unreadable_limit: float = 0.01
    """Share of the images, 0 to 1, that may be unreadable; more stop the run early. They are listed, never replaced."""
    max_pixels: int = 100_000_000
    """Images of more pixels (width x height, from the header) are refused before decoding: decompression bombs."""

    def __post_init__(self) -> None:
        if not 0 <= self.unreadable_limit <= 1:
            raise ReweighError(f"images.unreadable_limit is a share from 0 to 1, found {self.unreadable_limit}.")
        if self.max_pixels < 1:
            raise ReweighError(f"images.max_pixels must be 1 or more, found {self.max_pixels}.")


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings:
    """How an image is changed each time a network sees it in training."""

    crop: Literal["resized", "padded", "center"] = "resized"
    """`resized`: a random part, resized; `padded`: the image resized to the view, padded by an eighth and cut, as is usual
    for CIFAR; `center`: the evaluation view."""
    crop_scale: tuple[float, float] = (0.08, 1.0)
    """Least and largest share of the area that a random part has."""
    crop_ratio: tuple[float, float] = (0.75, 4 / 3)
    """Least and largest ratio of its width to its height."""
    flip: float = 0.5
    """Probability of a mirror image, 0 to 1."""
    augment: Literal["none", "trivial", "rand", "auto"] = "none"
    """TrivialAugment (wide), RandAugment, or AutoAugment's policy for ImageNet."""
    rand_operations: int = 2
    """Operations of RandAugment, one after the other."""
    rand_magnitude: int = 9
    """Their strength, 0 to 30."""
    erasing: float = 0.0
    """Probability that a random box is erased, 0 to 1."""
    mixup: float = 0.0
    """Alpha of mixup's Beta distribution; 0: none."""
    cutmix: float = 0.0
    """Alpha of cutmix's; with mixup, each step takes one of the two by a fair coin. 0: none."""

    def __post_init__(self) -> None:
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise ReweighError(
                f"finetune.augmentation.crop_scale must be two rising shares above 0 and at most 1, found {self.crop_scale}."
            )
        low, high = self.crop_ratio
        if not 0 < low <= high < float("inf"):
            raise ReweighError(
                f"finetune.augmentation.crop_ratio must be two rising numbers above 0, found {self.crop_ratio}."
            )
        for name in ("flip", "erasing"):
            if not 0 <= getattr(self, name) <= 1:
                raise ReweighError(
                    f"finetune.augmentation.{name} is a probability from 0 to 1, found {getattr(self, name)}."
                )
        for name in ("mixup", "cutmix"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ReweighError(
                    f"finetune.augmentation.{name} must be 0 (none) or more, found {getattr(self, name)}."
                )
        if self.rand_operations < 1:
            raise ReweighError(
                f"finetune.augmentation.rand_operations must be 1 or more, found {self.rand_operations}."
            )
        if not 0 <= self.rand_magnitude <= 30:
            raise ReweighError(f"finetune.augmentation.rand_magnitude must lie in 0..30, found {self.rand_magnitude}.")
