"""Which rows are trained on and which are tested on; nothing is tuned on the test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, read_groups, read_labels, read_split, read_uids

BLOCK = 65_536
"""Uids held as texts at a time."""


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Rows of a catalog, ascending."""

    train: NDArray[np.int64]
    """Rows that are trained on; those without a label get a prediction only."""
    test: NDArray[np.int64]
    """Labelled rows that are tested on and never trained on."""
    source: Literal["test", "val", "set aside"]
    """Where the test rows come from."""


def resolve_splits(catalog: Catalog, *, test_fraction: float, seed: int) -> Splits:
    """Labelled rows of split test; else those of val; else `test_fraction` of the groups of each class are set aside.

    Groups are drawn by a hash of their first uid and the seed, so that a row's place does not depend on the other rows.
    A class keeps at least one group to train on; a class with only one gives none away.
    """
    labels, in_train = read_labels(catalog), read_split(catalog, "train")
    for name in ("test", "val"):
        test = np.flatnonzero(read_split(catalog, name) & (labels >= 0))
        if len(test):
            return Splits(train=np.flatnonzero(in_train), test=test, source="test" if name == "test" else "val")
    aside = _set_aside(
        catalog, np.flatnonzero(in_train & (labels >= 0)), labels, test_fraction=test_fraction, seed=seed
    )
    train = np.setdiff1d(np.flatnonzero(in_train), aside)
    return Splits(train=train, test=aside[labels[aside] >= 0], source="set aside")


def _set_aside(
    catalog: Catalog, rows: NDArray[np.int64], labels: NDArray[np.int32], *, test_fraction: float, seed: int
) -> NDArray[np.int64]:
    """Rows of the groups that are set aside. A group of several labels is not: what it is tested against would be unsure."""
    groups = read_groups(catalog)
    heads, head_of = np.unique(groups[rows], return_inverse=True)
    lowest, highest = np.full(len(heads), np.iinfo(np.int32).max, np.int32), np.full(len(heads), -1, np.int32)
    np.minimum.at(lowest, head_of, labels[rows])
    np.maximum.at(highest, head_of, labels[rows])
    blocks = range(0, len(heads), BLOCK)
    order = np.concatenate(
        [np.zeros(0, np.uint64), *(draw(read_uids(catalog, heads[b : b + BLOCK]), seed=seed) for b in blocks)]
    )
    chosen = np.zeros(len(heads), bool)
    sure = np.flatnonzero(lowest == highest)
    drawn = sure[np.lexsort((order[sure], lowest[sure]))]  # class after class, each in the order of the draw
    _, starts, sizes = np.unique(lowest[drawn], return_index=True, return_counts=True)
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        count = min(round(test_fraction * size), size - 1)
        chosen[drawn[start : start + max(count, 0)]] = True
    return np.flatnonzero(np.isin(groups, heads[chosen]))


def draw(uids: list[str], *, seed: int) -> NDArray[np.uint64]:
    """(n,) a number for each uid that looks random and depends on nothing but the uid and the seed."""
    key = seed.to_bytes(8, "little")
    digests = (hashlib.blake2b(uid.encode(), digest_size=8, key=key).digest() for uid in uids)
    return np.frombuffer(b"".join(digests), dtype="<u8")
