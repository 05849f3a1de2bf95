"""EXIF orientation: read from a JPEG's own header, and undone on pixels."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

ORIENTATION_TAG = 0x0112
START_OF_SCAN, END_OF_IMAGE, APP1 = 0xDA, 0xD9, 0xE1
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
"""Markers that no length follows: TEM, RST0-7, SOI."""


def jpeg_orientation(data: bytes) -> int:
    """Orientation 1-8 that the EXIF part of a JPEG names; 1 (upright) where there is none or it makes no sense."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (START_OF_SCAN, END_OF_IMAGE):
            break
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == APP1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return _tiff_orientation(data[at + 10 : at + 2 + length])
        at += 2 + length
    return 1


def _tiff_orientation(tiff: bytes) -> int:
    """The orientation entry of the first directory of a TIFF structure."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * entry)
            if tag == ORIENTATION_TAG:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:  # directory points out of the segment: a broken EXIF part says nothing
        return 1
    return 1


def _transposed(pixels: Pixels) -> Pixels:
    return pixels.transpose(1, 0, 2)


TO_UPRIGHT: dict[int, Callable[[Any], Any]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: _transposed,
    6: lambda pixels: _transposed(pixels)[:, ::-1],
    7: lambda pixels: _transposed(pixels)[::-1, ::-1],
    8: lambda pixels: _transposed(pixels)[::-1],
}
"""EXIF orientation -> what turns stored pixels (h, w, 3) upright."""


Box = tuple[float, float, float, float]


def upright_box(box: Box, height: float, width: float, orientation: int) -> Box:
    """Where a box (top, left, bottom, right) in stored pixels (height, width) lies when they are upright."""
    top, left, bottom, right = box
    if orientation in (2, 3, 7, 8):  # flipped across, before any transposition
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):  # flipped upside down
        top, bottom = height - bottom, height - top
    return (left, top, right, bottom) if orientation >= 5 else (top, left, bottom, right)


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels (h, w, 3) as they are meant to be seen, contiguous."""
    return np.ascontiguousarray(TO_UPRIGHT[orientation](pixels))
