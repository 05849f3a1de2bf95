"""The draw: which image stands under which label, of which kind, from which source. No image stands twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.webify.generators import Purpose, class_generator
from reweigh.webify.kinds import (
    FAR,
    NEAR,
    OUT_OF_SET,
    RANDOM,
    RIGHT,
    drawn_classes,
    drawn_kinds,
    error_shares,
    far_probabilities,
    near_probabilities,
    random_probabilities,
)
from reweigh.webify.settings import WebifySettings
from reweigh.webify.sizes import class_noise, class_sizes, most_images, relative_sizes


@dataclass(frozen=True, kw_only=True)
class Stock:
    """The images that may be drawn: of each kept class, and of the out-of-set pool."""

    numbers: tuple[int, ...]
    """(k,) the kept classes' numbers in the given set: what their chance is keyed by"""
    names: tuple[str, ...]
    images: tuple[NDArray[np.int64], ...]
    """k arrays of rows of the given set, each in the order in which right rows take them; errors take from the end"""
    pool: NDArray[np.int64]
    """Rows of out-of-set images, in the order in which they are taken."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The training rows that were drawn, class by class."""

    image: NDArray[np.int64]
    """(n,) row of the given set"""
    label: NDArray[np.int32]
    """(n,) 0..k-1, place in the kept classes"""
    truth: NDArray[np.int32]
    """(n,) place in the kept classes, -1 = none of them"""
    kind: NDArray[np.int8]
    """(n,) place in KINDS"""
    source: NDArray[np.int32]
    """(n,) number of the source"""
    copy: NDArray[np.int8]
    """(n,) 0: the image itself; 1: repeated with the same bytes; 2: repeated, written anew"""
    n_max: int
    facts: tuple[tuple[str, int], ...]
    """What had to be done otherwise than drawn, and how often."""


@dataclass(frozen=True, kw_only=True)
class _Wish:
    """What the rows of a class should be, before images are looked for; arrays (n_c,)."""

    kind: NDArray[np.int8]
    truth: NDArray[np.int64]
    source: NDArray[np.int32]


def draw(stock: Stock, similarity: NDArray[np.float64], settings: WebifySettings, *, seed: int) -> Drawn:
    """The training rows, without ranks, text and duplicates.

    similarity (k, k) of the kept classes. A row whose image is used up takes one from outside of the set, and where there
    is no pool, or no more of it, one of its own class; with none of these left it is dropped. All of it is counted.
    Raises ReweighError for fewer than two classes and for a class with too few images.
    """
    k = len(stock.numbers)
    if k < 2:
        raise ReweighError(f"webify needs at least two classes that are not in the pool, found {k}.")
    shares = error_shares(settings, has_pool=len(stock.pool) > 0)
    near = near_probabilities(similarity, stock.names)
    wrong_of = {NEAR: near, FAR: far_probabilities(near), RANDOM: random_probabilities(k)}
    relative = relative_sizes(stock.numbers, settings.ratio, seed=seed)
    rates = class_noise(stock.numbers, settings.noise, seed=seed)
    n_max = settings.n_max or _n_max(stock, relative, rates, shares, wrong_of, settings)
    sizes = class_sizes(relative, n_max)
    wishes = [
        _wish(c, int(sizes[c]), rates[c], shares, wrong_of, settings, number=stock.numbers[c], seed=seed)
        for c in range(k)
    ]
    _check_right(stock, wishes, n_max)
    return _filled(stock, wishes, n_max)


def _n_max(
    stock: Stock,
    relative: NDArray[np.float64],
    rates: NDArray[np.float64],
    shares: NDArray[np.float64],
    wrong_of: dict[int, NDArray[np.float64]],
    settings: WebifySettings,
) -> int:
    """The largest class that the images of all classes, and of the pool, allow."""
    factors = np.array(settings.source_noise)
    wrong = relative * np.minimum(rates[:, None] * factors, 1).mean(axis=1)
    taken = sum(share * (wrong @ wrong_of[kind]) for kind, share in zip((NEAR, FAR, RANDOM), shares[:3], strict=True))
    demand = np.append(relative - wrong + taken, wrong.sum() * shares[3])
    available = np.array([*map(len, stock.images), len(stock.pool)])
    return most_images(demand, available, [*map(repr, stock.names), "the out-of-set pool"])


def _wish(
    c: int,
    n: int,
    rate: float,
    shares: NDArray[np.float64],
    wrong_of: dict[int, NDArray[np.float64]],
    settings: WebifySettings,
    *,
    number: int,
    seed: int,
) -> _Wish:
    """Kinds, true classes and sources of the n rows of class c."""
    uniforms = class_generator(seed, Purpose.ERRORS, number).random((n, 4))
    factors = np.array(settings.source_noise)
    source = (uniforms[:, 0] * len(factors)).astype(np.int32)
    kind = drawn_kinds(uniforms[:, 1:3], np.minimum(rate * factors[source], 1), shares)
    truth = np.full(n, c, np.int64)
    truth[kind == OUT_OF_SET] = -1
    for wrong, probabilities in wrong_of.items():
        rows = kind == wrong
        truth[rows] = drawn_classes(uniforms[rows, 3], probabilities[c : c + 1])
    return _Wish(kind=kind, truth=truth, source=source)


def _check_right(stock: Stock, wishes: Sequence[_Wish], n_max: int) -> None:
    """A class must have the images of its own right rows."""
    for name, images, wish in zip(stock.names, stock.images, wishes, strict=True):
        right = int((wish.kind == RIGHT).sum())
        if right > len(images):
            raise ReweighError(
                f"Class {name!r} has {len(images):,} training images; n_max {n_max:,} needs {right:,} of them for its right "
                "rows alone. Give a smaller n_max, or 0 for the largest that the classes allow."
            )


def _filled(stock: Stock, wishes: Sequence[_Wish], n_max: int) -> Drawn:
    """Images for what the rows should be: right rows first, so that errors take only what is left of a class."""
    left = [
        deque(images[: len(images) - int((wish.kind == RIGHT).sum())].tolist())
        for images, wish in zip((images[::-1] for images in stock.images), wishes, strict=True)
    ]  # what errors may take, the end of the class's order first
    pool = deque(stock.pool.tolist())
    counts = {"pool": 0, "right": 0, "dropped": 0}
    parts: list[list[tuple[int, int, int, int, int]]] = []
    for c, wish in enumerate(wishes):
        own = iter(stock.images[c].tolist())
        rows = []
        for kind, truth, source in zip(wish.kind.tolist(), wish.truth.tolist(), wish.source.tolist(), strict=True):
            found = (next(own), truth, kind) if kind == RIGHT else _found(kind, truth, c, left, pool, counts)
            if found is not None:
                rows.append((found[0], c, found[1], found[2], source))
        parts.append(rows)
    table = np.array([row for rows in parts for row in rows], np.int64).reshape(-1, 5)
    return Drawn(
        image=table[:, 0],
        label=table[:, 1].astype(np.int32),
        truth=table[:, 2].astype(np.int32),
        kind=table[:, 3].astype(np.int8),
        source=table[:, 4].astype(np.int32),
        copy=np.zeros(len(table), np.int8),
        n_max=n_max,
        facts=(
            ("used-up class, taken from outside of the set", counts["pool"]),
            ("used-up class or pool, made right", counts["right"]),
            ("no image left, row dropped", counts["dropped"]),
        ),
    )


def _found(
    kind: int, truth: int, c: int, left: list[deque[int]], pool: deque[int], counts: dict[str, int]
) -> tuple[int, int, int] | None:
    """(image, truth, kind) for a wrong row of class c, what it should be or the next best; None where all is used up.

    `left` and `pool` lose what is taken.
    """
    if kind != OUT_OF_SET and left[truth]:
        return left[truth].popleft(), truth, kind
    if pool:
        counts["pool"] += kind != OUT_OF_SET
        return pool.popleft(), -1, OUT_OF_SET
    if left[c]:
        counts["right"] += 1
        return left[c].pop(), c, RIGHT
    counts["dropped"] += 1
    return None
