"""How many images and how many errors each class gets, and which classes are put aside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.webify.generators import Purpose, class_generator

LOW, HIGH = 0.6, 1.4
"""Noise of a class over that of the set, at least and at most."""


def pool_positions(k: int, m: int) -> NDArray[np.int64]:
    """m of the classes 0..k-1, spread evenly: floor((j + 1) k / m) - 1 for j in 0..m-1. 8 of 40: 4, 9, ..., 39."""
    return (np.arange(1, m + 1) * k) // max(m, 1) - 1


def relative_sizes(numbers: Sequence[int], ratio: float, *, seed: int) -> NDArray[np.float64]:
    """(k,) size of each class over that of the largest: ratio^(-rank / (k - 1)), ranks a random permutation.

    numbers: the classes' numbers in the given set. Each draws a key of its own, and the permutation is the keys' order,
    so that one more class moves the others by one rank at most.
    """
    keys = np.array([class_generator(seed, Purpose.SIZES, c).random(2)[0] for c in numbers])
    ranks = np.empty(len(keys), np.int64)
    ranks[np.argsort(keys, kind="stable")] = np.arange(len(keys))
    return np.asarray(ratio ** (-ranks / max(len(keys) - 1, 1)))


def class_noise(numbers: Sequence[int], noise: float, *, seed: int) -> NDArray[np.float64]:
    """(k,) rate of wrong labels of each class: noise x U(.6, 1.4)."""
    draws = np.array([class_generator(seed, Purpose.SIZES, c).random(2)[1] for c in numbers])
    return noise * (LOW + (HIGH - LOW) * draws)


def class_sizes(relative: NDArray[np.float64], n_max: int) -> NDArray[np.int64]:
    """(k,) images of each class, rounded, at least 1."""
    return np.maximum(np.rint(relative * n_max), 1).astype(np.int64)


def most_images(demand: NDArray[np.float64], available: NDArray[np.int64], names: Sequence[str]) -> int:
    """The largest n_max at which no store of images runs dry, except by rare chance.

    demand (s,): images wanted of each store (a class, the out-of-set pool) per image of the largest class, expected;
    available (s,). A demand of x varies by about sqrt(x): what is asked is x + 2 sqrt(x) <= available, that is
    x <= (sqrt(available + 1) - 1)^2.
    Raises ReweighError, naming the scarcest store, where not one image comes out.
    """
    wanted = demand > 0
    limit = np.full(len(demand), np.inf)
    limit[wanted] = (np.sqrt(available[wanted] + 1.0) - 1) ** 2 / demand[wanted]
    scarcest = int(limit.argmin())
    if limit[scarcest] < 1:
        raise ReweighError(
            f"Too few images of {names[scarcest]}: {available[scarcest]:,} training images, which do not allow one image "
            "a class. Leave that class out, or give more images."
        )
    return int(limit[scarcest])
