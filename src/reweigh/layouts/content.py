"""Hashes of images' bytes, read by several threads, and which images cannot be read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from reweigh.catalog.tables import ImageLocation
from reweigh.cores import available_cores
from reweigh.images.reading import Unreadable, read_bytes

MISSING = "missing file"
"""As `images.reading` calls it."""
PART = 64
"""Images a thread hashes at a time: to hand them over one by one would take as long as the hashing."""


@contextmanager
def hashing(*, threads: int = 0) -> Iterator[ThreadPoolExecutor]:
    """Threads that hash; reading and hashing both let go of the interpreter's lock."""
    with ThreadPoolExecutor(threads or min(16, 2 * available_cores())) as pool:
        yield pool


def hash_images(pool: ThreadPoolExecutor, locations: Sequence[ImageLocation]) -> list[tuple[str | None, str]]:
    """(hash, "") of each image's bytes, or (None, reason) for one that is missing, empty or otherwise unreadable."""
    parts = [locations[start : start + PART] for start in range(0, len(locations), PART)]
    return [result for results in pool.map(_hash_part, parts) for result in results]


def content_hash(data: bytes) -> str:
    """The hash of an image's bytes that stands in the column `content`."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _hash_part(locations: Sequence[ImageLocation]) -> list[tuple[str | None, str]]:
    return [_hash(location) for location in locations]


def _hash(location: ImageLocation) -> tuple[str | None, str]:
    try:
        return content_hash(read_bytes(location)), ""
    except Unreadable as reason:
        return None, str(reason)
