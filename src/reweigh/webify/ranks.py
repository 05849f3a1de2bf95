"""Ranks of a search that prefers right images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reweigh.webify.draw import Drawn
from reweigh.webify.generators import Purpose, class_generator
from reweigh.webify.settings import WebifySettings


def draw_ranks(drawn: Drawn, numbers: Sequence[int], settings: WebifySettings, *, seed: int) -> NDArray[np.int32]:
    """(n,) place of each row in the search of its class and source, 1 = first.

    latent = rank_signal x [right] x (1 for source 0, .5 for source 1) + N(0, 1); the
    largest is first.
    """
    factors = np.array(settings.source_rank)
    ranks = np.zeros(len(drawn.label), np.int32)
    for c, number in enumerate(numbers):
        rows = np.flatnonzero(drawn.label == c)
        is_right = drawn.truth[rows] == c
        noise = class_generator(seed, Purpose.RANKS, number).standard_normal(len(rows))
        latent = settings.rank_signal * is_right * factors[drawn.source[rows]] + noise
        for source in range(len(factors)):
            ours = rows[drawn.source[rows] == source]
            ranks[ours[np.argsort(-latent[drawn.source[rows] == source], kind="stable")]] = np.arange(1, len(ours) + 1)
    return ranks


def rank_fractions(
    rank: NDArray[np.integer], label: NDArray[np.integer], source: NDArray[np.integer]
) -> NDArray[np.float64]:
    """(n,) (place - .5) / size within the rows of one label and source that have a rank; NaN where rank is 0 or less."""
    made = np.full(len(rank), np.nan)
    rows = np.flatnonzero(rank > 0)
    order = rows[np.lexsort((rows, rank[rows], source[rows], label[rows]))]
    if len(order):
        new = np.diff(label[order], prepend=-2).astype(bool) | np.diff(source[order], prepend=-2).astype(bool)
        first = np.flatnonzero(new)
        sizes = np.diff(np.append(first, len(order)))
        place = np.arange(len(order)) - np.repeat(first, sizes)
        made[order] = (place + 0.5) / np.repeat(sizes, sizes)
    return made
