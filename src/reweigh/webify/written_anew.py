"""Near duplicates: images of the given set as JPEG files of another quality."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

from reweigh.catalog.tables import ImageLocation
from reweigh.errors import ReweighError
from reweigh.images.reading import Unreadable, read_bytes
from reweigh.layouts.content import content_hash

FOLDER = "recompressed"
QUALITY = 60
"""Below what photographs on the web have (75 to 95), so that the bytes differ and the picture does not."""


def write_anew(locations: Sequence[ImageLocation], uids: Sequence[str], folder: Path) -> list[tuple[str, str]]:
    """Write each image into the folder; (name of its file, hash of its bytes). Names are hashes of the uids.

    Raises ReweighError for an image that cannot be read, naming it.
    """
    made = []
    for location, uid in zip(locations, uids, strict=True):
        data = recompressed(location, uid)
        name = f"{hashlib.blake2b(uid.encode(), digest_size=12).hexdigest()}.jpg"
        (folder / name).write_bytes(data)
        made.append((name, content_hash(data)))
    return made


def recompressed(location: ImageLocation, uid: str) -> bytes:
    """The image as a JPEG of quality 60, upright and without metadata; grey stays grey, all else becomes RGB."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(read_bytes(location))) as image:
            upright = ImageOps.exif_transpose(image)
            data = io.BytesIO()
            upright.convert("L" if upright.mode == "L" else "RGB").save(data, "JPEG", quality=QUALITY)
    except (Unreadable, OSError, SyntaxError, Image.DecompressionBombError) as cause:
        raise ReweighError(
            f"Image {uid!r} cannot be written anew as a duplicate ({cause}); set webify.recompressed = 0 for exact ones."
        ) from cause
    return data.getvalue()
