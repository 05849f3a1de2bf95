"""Folds that keep groups together, spread classes evenly and depend on nothing but groups, labels and a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

NO_FOLD = -1
"""Fold of a row without a label: no fold's probe learns from it."""


def assign_folds(
    groups: NDArray[np.int64],
    labels: NDArray[np.integer],
    uids: Sequence[str] | None = None,
    *,
    n_folds: int,
    seed: int,
) -> NDArray[np.int8]:
    """Fold 0..n_folds-1 of each row, (n,) int8; -1 where the label is -1.

    groups (n,): rows of one number share a fold. Within each class, groups are ordered by size and then by a hash of
    (group, seed), and dealt out in turn, going on across classes: classes of equal groups differ by one row between
    folds, and no fold is empty. A group belongs to the class most of its labelled rows have (the smallest such label).
    The hash reads `uids`, one a row, where given, else the group's number; the order of rows changes nothing.
    Raises ReweighError where there are fewer groups with a label than folds.
    """
    if not 2 <= n_folds <= 127:
        raise ReweighError(f"Folds must number 2 to 127, found {n_folds}.")
    if len(groups) != len(labels):
        raise ReweighError(f"{len(labels)} labels need as many groups, found {len(groups)}.")
    folds = np.full(len(labels), NO_FOLD, np.int8)
    labelled = np.flatnonzero(labels >= 0)
    numbers, members = np.unique(groups[labelled], return_inverse=True)
    if len(numbers) < n_folds:
        raise ReweighError(
            f"{n_folds} folds need as many groups of labelled images, found {len(numbers)} "
            f"({len(labelled)} images). Set evidence.n_folds lower, to at least 2, or add images."
        )
    keys = (
        hash_numbers(numbers, seed) if uids is None else _smallest_hashes(uids, labelled, members, len(numbers), seed)
    )
    sizes = np.bincount(members)
    order = np.lexsort((numbers, keys, -sizes, _main_label(members, labels[labelled])))
    fold_of_group = np.empty(len(numbers), np.int8)
    fold_of_group[order] = np.arange(len(numbers)) % n_folds
    folds[labelled] = fold_of_group[members]
    return folds


def _main_label(members: NDArray[np.int64], labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """The most frequent label of each group, the smallest of equally frequent ones."""
    pairs, counts = np.unique(np.stack([members, labels.astype(np.int64)]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -counts, pairs[0]))
    _, first = np.unique(pairs[0][order], return_index=True)
    return pairs[1][order][first]


def hash_numbers(numbers: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """A hash of each (number, seed): two rounds of splitmix64."""
    values = numbers.astype(np.uint64)
    with np.errstate(over="ignore"):
        return _mix(_mix(values) ^ _mix(np.full(1, seed + 1, np.uint64)))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _smallest_hashes(
    uids: Sequence[str], rows: NDArray[np.int64], members: NDArray[np.int64], n_groups: int, seed: int
) -> NDArray[np.uint64]:
    """The smallest hash of (uid, seed) in each group: known by its images, however groups are numbered."""
    key = seed.to_bytes(16, "little")
    digests = b"".join(hashlib.blake2b(uids[row].encode(), digest_size=8, key=key).digest() for row in rows)
    smallest = np.full(n_groups, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, members, np.frombuffer(digests, np.uint64))
    return smallest
