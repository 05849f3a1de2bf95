"""Bytes -> uint8 RGB pixels: JPEG through libjpeg-turbo at a smaller scale, everything else through Pillow."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from reweigh.images.orientation import ORIENTATION_TAG, jpeg_orientation, upright
from reweigh.images.reading import Unreadable

if TYPE_CHECKING:
    import torch

JPEG_START = b"\xff\xd8"
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF", "PPM", "JPEG2000", "ICO")
"""What Pillow may open. Not all it knows: its EPS reader, for one, starts another program on the file."""
WITH_ALPHA = {"RGBA", "LA", "PA", "RGBa", "La"}
SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N", "I"}


def decode(data: bytes, *, cover: int = 0, max_pixels: int) -> torch.Tensor:
    """The image as a uint8 tensor (3, h, w), RGB, upright; its memory order is (h, w, 3).

    A JPEG is decoded at the smallest DCT scale (n/8) whose short side still has `cover` pixels; 0 = full size.
    First frame of animations; transparent parts become white; 16 bits are cut to their upper 8.
    max_pixels bounds width x height and is checked from the header, before decoding.
    Raises Unreadable with a short reason.
    """
    import torch

    return torch.from_numpy(decode_pixels(data, cover=cover, max_pixels=max_pixels)).permute(2, 0, 1)


def decode_pixels(data: bytes, *, cover: int = 0, max_pixels: int) -> NDArray[np.uint8]:
    """As `decode`, as an array (h, w, 3)."""
    if not data:
        raise Unreadable("empty file")
    if data.startswith(JPEG_START):
        pixels = _decode_jpeg(data, cover=cover, max_pixels=max_pixels)
        if pixels is not None:
            return upright(pixels, jpeg_orientation(data))
    return _decode_with_pillow(data, cover=cover, max_pixels=max_pixels)


def _decode_jpeg(data: bytes, *, cover: int, max_pixels: int) -> NDArray[np.uint8] | None:
    """Pixels of an ordinary JPEG; None for an odd one, which Pillow shall judge (CMYK, junk between its parts)."""
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except ValueError:
        return None
    _check_size(width, height, max_pixels)
    if colorspace not in ("YCbCr", "RGB", "Gray"):
        return None
    try:
        return simplejpeg.decode_jpeg(data, "RGB", min_height=cover, min_width=cover)
    except ValueError as cause:
        # Cut data with an end marker after it: Pillow would fill the rest with grey and say nothing.
        if "premature end of data segment" in str(cause):
            raise Unreadable("truncated") from cause
        return None


def _decode_with_pillow(data: bytes, *, cover: int, max_pixels: int) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            _check_size(*image.size, max_pixels)
            if cover:
                image.draft(None, (cover, cover))
            orientation = _orientation(image)
            image.load()
            return upright(_rgb(image), orientation)
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
