"""Pairs of a true class and a given label: those that occur are numbered, so that noise is kept at no others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.verdicts.candidates import Candidates


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Numbers of the (true class, given label) pairs that occur: T is needed at no others."""

    number: NDArray[np.int32]
    """(n, m) pair of each candidate and its row's label"""
    truth: NDArray[np.int32]
    """(p,)"""
    label: NDArray[np.int32]
    """(p,)"""
    diagonal: NDArray[np.int64]
    """(d,) the pairs of a class with itself"""


def pairs_of(candidates: Candidates) -> Pairs:
    """The pairs of these rows, numbered in the order of (label, truth)."""
    k, shape = candidates.k, (candidates.n, candidates.m)
    keys = candidates.labels[:, None].astype(np.int64) * k + candidates.classes  # the pairs of a row lie side by side
    if k * k <= max(candidates.n * candidates.m, 1 << 16):
        there, number = np.arange(k * k), keys
    else:
        there, number = np.unique(keys, return_inverse=True)
    label, truth = (there // k).astype(np.int32), (there % k).astype(np.int32)
    return Pairs(
        number=np.asarray(number.reshape(shape), np.int32), truth=truth, label=label, diagonal=np.flatnonzero(truth == label)
    )  # fmt: skip


def fitted_pairs(truth: NDArray[np.int32], label: NDArray[np.int32]) -> Pairs:
    """The pairs of a stored channel, for `passed_at`; the rows that it was fitted to are not kept."""
    return Pairs(number=np.zeros((0, 0), np.int32), truth=truth, label=label, diagonal=np.flatnonzero(truth == label))


def by_truth(values: NDArray[np.float64], pairs: Pairs, k: int) -> NDArray[np.float64]:
    """(k,) sums of the pairs' values (p,) over the given labels of each true class."""
    if len(values) == k * k:
        return np.asarray(values.reshape(k, k).sum(axis=0), np.float64)
    return np.asarray(np.bincount(pairs.truth, weights=values, minlength=k), np.float64)
