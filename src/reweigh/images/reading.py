"""The bytes of an image: a plain file, or a range of bytes in a tar that was never unpacked."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reweigh.catalog.tables import ImageLocation

MAX_BYTES = 1 << 29
"""Encoded images beyond 512 MiB are refused; the largest photographs have a tenth of that."""

REASONS = {
    errno.ENOENT: "missing file",
    errno.ENOTDIR: "missing file",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ENAMETOOLONG: "file name too long",
    errno.ELOOP: "link that leads to itself",
}


class Unreadable(Exception):
    """An image that cannot be read or decoded. Its message is a short reason, the same for the same kind of failure."""


def read_bytes(location: ImageLocation) -> bytes:
    """The encoded image at `location`: the whole file, or `length` bytes from `offset`.

    Raises Unreadable: missing file, no permission, not a file, empty file, truncated, too many bytes.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
        handle = os.open(location.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as cause:
        raise Unreadable(_reason(cause)) from cause
    except ValueError as cause:
        raise Unreadable("impossible file name") from cause
    try:
        return _read_range(handle, location.offset, location.length)
    except OSError as cause:
        raise Unreadable(_reason(cause)) from cause
    finally:
        os.close(handle)


def _read_range(handle: int, offset: int | None, length: int | None) -> bytes:
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable("not a file")
    start = 0 if offset is None else offset
    size = max(found.st_size - start, 0) if length is None else length
    if size > MAX_BYTES:
        raise Unreadable(f"too many bytes (more than {MAX_BYTES:,})")
    data = os.pread(handle, size, start)
    while len(data) < size:
        more = os.pread(handle, size - len(data), start + len(data))
        if not more:
            break
        data += more
    if not data:
        raise Unreadable("empty file" if size == 0 else "truncated")
    if len(data) < size:
        raise Unreadable("truncated")
    return data


def _reason(cause: OSError) -> str:
    known = REASONS.get(cause.errno or 0)
    return known or f"cannot be read ({cause.strerror or type(cause).__name__})"
