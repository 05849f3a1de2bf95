"""Images that a source keeps as bytes inside its tables, written as files into the catalog."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reweigh.layouts.content import content_hash

FOLDER = "images"
"""In the catalog."""
SIGNS = {b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp", b"II*\0": "tif", b"MM\0*": "tif"}


@contextmanager
def images_beside(output: Path) -> Iterator[Path]:
    """A folder to write images into while the catalog `output` is made; gone when the block ends, as the catalog took its files."""
    images = output.with_name(f"{output.name}.images.partial")
    shutil.rmtree(images, ignore_errors=True)
    images.mkdir(parents=True)
    try:
        yield images
    finally:
        shutil.rmtree(images, ignore_errors=True)


def write_image(images: Path, uid: str, data: bytes) -> tuple[str, str]:
    """(`file` in the catalog, hash) of an image that is now images/UID.ENDING; the ending is that of its bytes, else jpg."""
    ending = next((ending for sign, ending in SIGNS.items() if data.startswith(sign)), "jpg")
    path = images / f"{uid}.{ending}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return f"{FOLDER}/{uid}.{ending}", content_hash(data)
