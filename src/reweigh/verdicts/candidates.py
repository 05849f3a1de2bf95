"""The classes that each row may truly be of: all of them, or the m most probable ones and the given label."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reweigh.probes.log_probabilities import LogProbabilities, ProbabilityRows

KEPT = 20
"""Classes kept of each row beside its label, where not all are."""
ALL_BYTES = 32 << 20
"""All classes are kept where (n, k) float32 takes at most this, or where k is no more than would be kept."""
FLOOR = 1e-6
"""Added to each probability: a zero is never certain."""
BLOCK_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """n rows of m classes each, with what a classifier says of them."""

    k: int
    classes: NDArray[np.int32]
    """(n, m) different classes; the same for all rows, (1, m), where all k are kept"""
    log_p: NDArray[np.float32]
    """(n, m) log(p + 1e-6); (n, m + 1) where m < k: the last column is that of each class that is not kept"""
    labels: NDArray[np.int32]
    """(n,) given labels, -1 = none"""
    own: NDArray[np.int32]
    """(n,) column of the label, -1 = none"""

    @property
    def n(self) -> int:
        return len(self.log_p)

    @property
    def m(self) -> int:
        return int(self.classes.shape[1])

    @property
    def n_rest(self) -> int:
        """Classes that are not kept."""
        return self.k - self.m

    @property
    def is_whole(self) -> bool:
        """Whether all classes are kept, in their order."""
        return self.n_rest == 0

    def classes_of(self, at: slice | NDArray[np.int64]) -> NDArray[np.int32]:
        """(b, m) classes of some rows."""
        return np.broadcast_to(self.classes, (self.n, self.m))[at]


def candidates_of(probabilities: ProbabilityRows, labels: NDArray[np.integer], *, kept: int = KEPT) -> Candidates:
    """The candidates of each row, read block by block. labels (n,), -1 = none. Ties go to the lower class."""
    n, k = probabilities.n, probabilities.k
    given: NDArray[np.int32] = np.asarray(labels, np.int32)
    if k <= kept + 1 or 4 * n * k <= ALL_BYTES:
        return _all(probabilities, given)
    m = kept + 1
    classes, log_p, own = np.empty((n, m), np.int32), np.empty((n, m + 1), np.float32), np.empty(n, np.int32)
    for start, stop in row_blocks(n, 4 * k):
        here = slice(start, stop)
        if isinstance(probabilities, LogProbabilities) and probabilities.dense is None:
            found, values, others = probabilities.largest(start, stop)
            classes[here], chances = _of_largest(found, values, others, given[here], m)
        else:
            classes[here], chances = _of_all(np.exp(probabilities.read(start, stop)), given[here], m)
        left = np.maximum(1 - chances.sum(axis=1, dtype=np.float64), 0) / (k - m)
        log_p[here] = np.log(np.column_stack([chances, left]) + FLOOR)
        is_own = classes[here] == given[here, None]
        own[here] = np.where(given[here] >= 0, is_own.argmax(axis=1), -1)
    return Candidates(k=k, classes=classes, log_p=log_p, labels=given, own=own)


def class_shares(labels: NDArray[np.int32], k: int) -> NDArray[np.float64]:
    """(k,) shares of the labels (n,), -1 = none, with one row's worth for every class."""
    counts = np.bincount(labels[labels >= 0], minlength=k)
    return (counts + 1) / (counts.sum() + k)


def without_class_sizes(candidates: Candidates, shares: NDArray[np.float64]) -> NDArray[np.float32]:
    """L_1 in the shape of `log_p`: log(p / share of the class).

    Not log p as it is: a probe that knows the sizes finds the images of small classes in large ones, and
    small classes vanish (AUROC .888 against .900, .885 against .923 and .889 against .907 on three sets of size ratio 10).
    """
    logs = np.log(shares).astype(np.float32)
    own = logs[candidates.classes]
    if candidates.is_whole:
        return candidates.log_p - own
    piece = candidates.log_p.copy()
    piece[:, : candidates.m] -= own
    piece[:, candidates.m] -= logs.mean()
    return piece


def chosen_candidates(candidates: Candidates, at: NDArray[np.int64]) -> Candidates:
    """Some of the rows."""
    classes = candidates.classes if candidates.is_whole else candidates.classes[at]
    return replace(
        candidates,
        classes=classes,
        log_p=candidates.log_p[at],
        labels=candidates.labels[at],
        own=candidates.own[at],
    )


def row_blocks(n: int, row_bytes: int) -> list[tuple[int, int]]:
    """(start, stop) of blocks of at most 16 MiB."""
    size = int(np.clip(BLOCK_BYTES // max(row_bytes, 1), 1, max(n, 1)))
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def _all(probabilities: ProbabilityRows, labels: NDArray[np.int32]) -> Candidates:
    n, k = probabilities.n, probabilities.k
    log_p = np.empty((n, k), np.float32)
    for start, stop in row_blocks(n, 4 * k):
        log_p[start:stop] = np.log(np.exp(probabilities.read(start, stop)) + FLOOR)
    return Candidates(k=k, classes=np.arange(k, dtype=np.int32)[None], log_p=log_p, labels=labels, own=labels.copy())


def _of_all(
    block: NDArray[np.float32], labels: NDArray[np.int32], m: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(classes (b, m) ascending, their probabilities) of all probabilities (b, k): the label takes the place of the m-th."""
    found = np.argpartition(block, -m, axis=1)[:, -m:].astype(np.int32)
    chances = np.take_along_axis(block, found.astype(np.int64), 1)
    own = np.where(labels >= 0, block[np.arange(len(block)), np.maximum(labels, 0)], 0)
    return _with_label(found, chances, labels, own)


def _of_largest(
    found: NDArray[np.int32], values: NDArray[np.float32], others: NDArray[np.float32], labels: NDArray[np.int32], m: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:  # fmt: skip
    """The same from the stored largest ones, (b, m') with m' >= m or padded with classes that are not among them."""
    if found.shape[1] < m:
        found, values = _padded(found, values, others, m)
    kept, chances = found[:, :m].copy(), np.exp(values[:, :m])
    is_own = found == labels[:, None]
    own = np.where(is_own.any(axis=1), np.where(is_own, np.exp(values), 0).sum(axis=1), np.exp(others))
    return _with_label(kept, chances, labels, own)


def _padded(
    found: NDArray[np.int32], values: NDArray[np.float32], others: NDArray[np.float32], m: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Filled up to m columns with the lowest classes that are not there, each with what an unkept class has."""
    missing = m - found.shape[1]
    pool = np.broadcast_to(np.arange(m + found.shape[1], dtype=np.int32), (len(found), m + found.shape[1]))
    taken = (pool[:, :, None] == found[:, None, :]).any(axis=2)
    extra = np.argsort(taken, axis=1, kind="stable")[:, :missing].astype(np.int32)
    return np.hstack([found, extra]), np.hstack([values, np.repeat(others[:, None], missing, axis=1)])


def _with_label(
    found: NDArray[np.int32], chances: NDArray[np.float32], labels: NDArray[np.int32], own: NDArray[np.floating]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The label instead of the least probable class where it is not among them; columns in the order of the classes."""
    rows = np.flatnonzero((labels >= 0) & ~(found == labels[:, None]).any(axis=1))
    least = chances[rows].argmin(axis=1)
    found[rows, least], chances[rows, least] = labels[rows], own[rows]
    order = np.argsort(found, axis=1, kind="stable")
    return np.take_along_axis(found, order, 1), np.take_along_axis(chances, order, 1)
