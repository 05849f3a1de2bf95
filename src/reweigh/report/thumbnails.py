"""Small pictures as data URIs, so that the page needs no other file."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from reweigh.catalog.tables import ImageLocation
from reweigh.images.decoding import decode_pixels
from reweigh.images.reading import Unreadable, read_bytes

QUALITY = 72
MAX_PIXELS = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A picture to embed, or why there is none."""

    uri: str
    reason: str = ""


def thumbnail(location: ImageLocation, *, side: int) -> Thumbnail:
    """The image within side x side pixels, its proportions kept, as a JPEG data URI; small ones stay as they are."""
    from PIL import Image

    try:
        pixels = decode_pixels(read_bytes(location), cover=side, max_pixels=MAX_PIXELS)
    except Unreadable as reason:
        return Thumbnail(uri="", reason=str(reason))
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    data = io.BytesIO()
    if max(image.size) <= 32:
        image.save(data, "PNG", optimize=True)  # a few pixels: lossless is smaller
        return Thumbnail(uri=f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}")
    image.save(data, "JPEG", quality=QUALITY)
    return Thumbnail(uri=f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}")
