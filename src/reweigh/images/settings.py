"""Settings of reading and decoding images."""

from __future__ import annotations

from dataclasses import dataclass

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
