"""Where an image lies, as a browser or a reader can use it."""

from __future__ import annotations

from reweigh.catalog.tables import ImageLocation


def address(location: ImageLocation) -> str:
    """The file:// address of an image that is a file of its own; empty for a member of a tar: no browser opens a range of bytes."""
    return "" if location.offset is not None else location.path.resolve().as_uri()


def byte_range(location: ImageLocation) -> str:
    """`images.tar, bytes 512 to 1,512`; empty for a file of its own."""
    path, offset, length = location.path, location.offset, location.length
    if offset is None:
        return ""
    end = "the end" if length is None else f"{offset + length:,}"
    return f"{path.name}, bytes {offset:,} to {end}"
