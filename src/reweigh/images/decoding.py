"""Bytes -> uint8 RGB pixels: JPEG through libjpeg-turbo at a smaller scale, everything else through Pillow."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from reweigh.images.orientation import ORIENTATION_TAG, jpeg_orientation, upright, upright_box
from reweigh.images.reading import Unreadable

if TYPE_CHECKING:
    import torch

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF", "PPM", "JPEG2000", "ICO")
"""What Pillow may open. Not all it knows: its EPS reader, for one, starts another program on the file."""
WITH_ALPHA = {"RGBA", "LA", "PA", "RGBa", "La"}
SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N", "I"}


LEAST_FACTOR = 2
"""A JPEG is decoded at full scale or at half and less: 7/8 to 5/8 have no fast path in libjpeg-turbo and take longer than 8/8."""


@dataclass(frozen=True)
class Decoded:
    """An upright image, perhaps decoded at a smaller scale."""

    pixels: NDArray[np.uint8]
    """(h, w, 3)"""
    height: int
    """Rows of the image at full size."""
    width: int
    """Columns at full size."""
    box: tuple[float, float, float, float]
    """Top, left, bottom, right of the image in `pixels`. At a smaller scale it ends within the last pixel: 375 rows at
    6/8 are 281.25 rows in 282; taking them for 282 would shift everything by up to half a pixel."""


def decode(data: bytes, *, cover: int = 0, max_pixels: int) -> torch.Tensor:
    """The image as a uint8 tensor (3, h, w), RGB, upright; its memory order is (h, w, 3).

    A JPEG is decoded at the smallest DCT scale (n/8, half or less, else full) whose short side has `cover` pixels; 0 = full.
    First frame of animations; transparent parts become white; 16 bits are cut to their upper 8.
    max_pixels bounds width x height and is checked from the header, before decoding.
    Raises Unreadable with a short reason.
    """
    import torch

    return torch.from_numpy(decode_pixels(data, cover=cover, max_pixels=max_pixels)).permute(2, 0, 1)


def decode_pixels(data: bytes, *, cover: int = 0, max_pixels: int) -> NDArray[np.uint8]:
    """As `decode`, as an array (h, w, 3)."""
    return decode_scaled(data, cover=cover, max_pixels=max_pixels).pixels


def decode_scaled(data: bytes, *, cover: int, max_pixels: int) -> Decoded:
    """As `decode`, with the full size and where in the pixels the image lies."""
    if not data:
        raise Unreadable("empty file")
    if data.startswith(JPEG_START):
        decoded = _decode_jpeg(data, cover=cover, max_pixels=max_pixels)
        if decoded is not None:
            return decoded
    return _decode_with_pillow(data, cover=cover, max_pixels=max_pixels)


def _decode_jpeg(data: bytes, *, cover: int, max_pixels: int) -> Decoded | None:
    """Pixels of an ordinary JPEG; None for an odd one, which Pillow shall judge (CMYK, junk between its parts)."""
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: no colour space that it has a name for
        return None
    _check_size(width, height, max_pixels)
    if colorspace not in ("YCbCr", "RGB", "Gray"):
        return None
    try:
        pixels = _strictly(data, cover)
    except ValueError as cause:
        # Cut data with an end marker after it: Pillow would fill the rest with grey and say nothing.
        if "premature end of data segment" in str(cause):
            raise Unreadable("truncated") from cause
        return None
    return _upright(pixels, height, width, jpeg_orientation(data))


def _strictly(data: bytes, cover: int) -> NDArray[np.uint8]:
    """Pixels; ValueError with libjpeg's words for anything odd but a missing end marker."""
    try:
        return simplejpeg.decode_jpeg(data, "RGB", min_height=cover, min_width=cover, min_factor=LEAST_FACTOR)
    except ValueError as cause:
        if "Premature end of JPEG file" not in str(cause):
            raise
        # Whether the picture itself is cut shows when the marker is there.
        return simplejpeg.decode_jpeg(
            data + JPEG_END, "RGB", min_height=cover, min_width=cover, min_factor=LEAST_FACTOR
        )


def _upright(pixels: NDArray[np.uint8], height: int, width: int, orientation: int) -> Decoded:
    """Of stored pixels, perhaps at a smaller scale, and the stored full size."""
    stored = pixels.shape[:2]
    # libjpeg's scales are n/8, rounded up to whole pixels.
    eighths = next((n for n in range(1, 9) if (-(-height * n // 8), -(-width * n // 8)) == stored), 8)
    box = upright_box((0.0, 0.0, height * eighths / 8, width * eighths / 8), stored[0], stored[1], orientation)
    if orientation >= 5:
        height, width = width, height
    return Decoded(upright(pixels, orientation), height, width, box)


def _decode_with_pillow(data: bytes, *, cover: int, max_pixels: int) -> Decoded:
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            width, height = image.size
            _check_size(width, height, max_pixels)
            if cover:
                image.draft(None, (cover, cover))
            orientation = _orientation(image)
            image.load()
            return _upright(_rgb(image), height, width, orientation)
    except (Unreadable, MemoryError):
        raise
    except Exception as cause:  # broken files make Pillow's readers raise almost anything
        raise Unreadable(_reason(data, cause)) from cause


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise Unreadable(f"too many pixels ({width} x {height})")


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 - a broken EXIF part says nothing about the pixels, and raises almost anything
        return 1
    return value if value in range(1, 9) else 1


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    """(h, w, 3) of an image of any mode."""
    if image.mode in SIXTEEN_BITS:
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode == "F":
        raise Unreadable("pixels are floating-point numbers")
    if image.mode in WITH_ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        return np.array(Image.alpha_composite(ground, image).convert("RGB"))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _reason(data: bytes, cause: Exception) -> str:
    if isinstance(cause, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too many pixels (for Pillow)"
    if isinstance(cause, Image.UnidentifiedImageError):
        return "truncated" if data.startswith(JPEG_START) else "not an image"
    if isinstance(cause, EOFError) or "truncated" in str(cause).lower():
        return "truncated"
    return "broken data"
