"""Hashes of images' bytes, read by several threads, and which images are not there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from reweigh.catalog.tables import ImageLocation

MISSING, EMPTY = "missing file", "empty file"


@contextmanager
def hashing(*, threads: int = 0) -> Iterator[ThreadPoolExecutor]:
    """Threads that hash; reading and hashing both let go of the interpreter's lock."""
    with ThreadPoolExecutor(threads or min(16, 2 * len(os.sched_getaffinity(0)))) as pool:
        yield pool


def hash_images(pool: ThreadPoolExecutor, locations: Sequence[ImageLocation]) -> list[tuple[str | None, str]]:
    """(hash, "") of each image's bytes, or (None, reason) for one that is missing or empty."""
    return list(pool.map(_hash, locations, chunksize=64))


def _hash(location: ImageLocation) -> tuple[str | None, str]:
    try:
        with Path(location.path).open("rb") as file:
            if location.offset is not None:
                file.seek(location.offset)
            data = file.read(-1 if location.length is None else location.length)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None, MISSING
    if not data:
        return None, EMPTY
    return hashlib.blake2b(data, digest_size=16).hexdigest(), ""
