"""Which files are images by their names, and their order."""

from __future__ import annotations

import re

ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".ppm", ".pgm")


def is_image(name: str) -> bool:
    """Whether the name ends like an image and is not hidden (macOS leaves `._x.jpg` beside x.jpg)."""
    base = name.rsplit("/", 1)[-1]
    return not base.startswith(".") and base.lower().endswith(ENDINGS)


def is_unicode(name: str) -> bool:
    """Whether a file's name is valid Unicode; bytes that are not come as lone surrogates, which no table can hold."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def natural_order(name: str) -> tuple[list[tuple[int, int | str]], str]:
    """Sort key: numbers inside names by their value, so that 10 comes after 2."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part], name
