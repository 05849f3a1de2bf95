"""Where chance comes from: one generator for each seed, purpose and class, and an order of images by their names.

So what is drawn for one class does not depend on how many others there are, and an image that is added takes one place
and leaves the others in theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Purpose(IntEnum):
    """What is drawn; the numbers are part of what a seed means and never change."""

    SIZES = 1
    ERRORS = 2
    IMAGES = 3
    RANKS = 4
    TEXT = 5
    DUPLICATES = 6
    LABELS = 7


def class_generator(seed: int, purpose: Purpose, label: int) -> np.random.Generator:
    """The generator of one class, by its number in the set that is given."""
    return np.random.default_rng(np.random.SeedSequence([seed, int(purpose), label]))


def uniforms_by_uid(uids: Sequence[str], *, seed: int, purpose: Purpose) -> NDArray[np.float64]:
    """(n, 4) numbers in [0, 1), each row a hash of the uid, the seed and the purpose alone."""
    key = f"{seed} {int(purpose)}".encode()
    digests = b"".join(
        hashlib.blake2b(uid.encode(errors="surrogateescape"), key=key, digest_size=32).digest() for uid in uids
    )
    numbers = np.frombuffer(digests, "<u8").reshape(len(uids), 4) >> np.uint64(11)
    return numbers.astype(np.float64) * 2.0**-53
