"""Log-probabilities of many rows over many classes: all of them in float16, or the m largest and what is left."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

DENSE_BYTES = 2 << 30
"""From this size on, (n, k) float16 is not stored in full."""
TOP_M = 32
"""Classes kept of each row above that size, unless the settings say otherwise."""
FLOOR_OF_ARRAYS = -80.0
"""Lowest log-probability of an array of probabilities: a zero must not turn differences into NaN."""
FLOOR = -60000.0
"""Lowest stored log-probability: float16 ends at -65504, and minus infinity would turn differences into NaN."""


class ProbabilityRows(Protocol):
    """n rows of log-probabilities over k classes, read a block at a time."""

    @property
    def n(self) -> int: ...

    @property
    def k(self) -> int: ...

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Log-probabilities (stop - start, k) of these rows, a copy; each row's probabilities sum to 1."""
        ...


@dataclass(frozen=True)
class ArrayProbabilities:
    """Probabilities (n, k) in memory or memory-mapped, of any float dtype; rows need not sum to 1 exactly."""

    values: NDArray[np.floating]
    rows: NDArray[np.int64] | None = None
    """positions of the rows that are meant; None: all"""

    @property
    def n(self) -> int:
        return int(self.values.shape[0]) if self.rows is None else len(self.rows)

    @property
    def k(self) -> int:
        return int(self.values.shape[1])

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Raises ReweighError for a row that is no distribution: negative, not finite, or all zero."""
        at: slice | NDArray[np.int64] = slice(start, stop) if self.rows is None else self.rows[start:stop]
        block = np.array(self.values[at], np.float32)
        total = block.sum(axis=1, keepdims=True)
        bad = ~((total[:, 0] > 0) & np.isfinite(total[:, 0]) & (block.min(axis=1) >= 0))
        if bad.any():
            row = start + int(np.flatnonzero(bad)[0])
            raise ReweighError(f"Probabilities of row {row} are no distribution: negative, NaN, or all zero.")
        np.maximum(block / total, np.exp(FLOOR_OF_ARRAYS), out=block)
        return np.log(block, out=block)


@dataclass(frozen=True, kw_only=True)
class LogProbabilities:
    """One record for both forms; `dense`, or the three arrays of the m largest. Arrays may be memory-mapped."""

    k: int
    dense: NDArray[np.float16] | None = None
    """(n, k)"""
    indices: NDArray[np.int32] | None = None
    """(n, m) classes, the most probable first"""
    values: NDArray[np.float16] | None = None
    """(n, m)"""
    remaining: NDArray[np.float32] | None = None
    """(n,) probability of all other classes together"""
    chosen: NDArray[np.int64] | None = None
    """(c,) positions into the arrays, where only some rows are meant; n is then c"""

    def __post_init__(self) -> None:
        top = (self.indices, self.values, self.remaining)
        if (self.dense is None) == any(part is None for part in top):
            raise ValueError("log-probabilities are either dense or given by indices, values and remaining")

    @property
    def n(self) -> int:
        if self.chosen is not None:
            return len(self.chosen)
        return len(self.indices if self.dense is None else self.dense)  # type: ignore[arg-type]

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows start..stop-1, (b, k) float32, probabilities summing to 1; unkept classes share what is left evenly."""
        at: slice | NDArray[np.int64] = slice(start, stop) if self.chosen is None else self.chosen[start:stop]
        if self.dense is not None:
            block = self.dense[at].astype(np.float32)
        else:
            indices, values, rest = self.largest(start, stop)
            block = np.repeat(rest[:, None], self.k, axis=1)
            np.put_along_axis(block, indices.astype(np.int64), values, 1)
        block -= block.max(axis=1, keepdims=True)
        block -= np.log(np.exp(block).sum(axis=1, keepdims=True))
        return block

    def largest(self, start: int, stop: int) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
        """(classes (b, m), their log-probabilities (b, m), log-probability (b,) of each class that is not kept) of these rows.

        Only of the form that keeps the m largest; not renormalised.
        """
        assert self.indices is not None and self.values is not None and self.remaining is not None
        at: slice | NDArray[np.int64] = slice(start, stop) if self.chosen is None else self.chosen[start:stop]
        n_others = max(self.k - self.indices.shape[1], 1)
        rest = np.log(np.maximum(self.remaining[at], 1e-30) / n_others).astype(np.float32)
        return np.asarray(self.indices[at]), self.values[at].astype(np.float32), rest


def should_be_dense(n: int, k: int) -> bool:
    """Whether (n, k) float16 takes less than 2 GiB."""
    return n * k * 2 < DENSE_BYTES


def compact(block: NDArray[np.float32], *, m: int | None) -> LogProbabilities:
    """A block of exact log-probabilities (b, k) in the stored form: dense for m None or m >= k, else the m largest."""
    k = block.shape[1]
    if m is None or m >= k:
        return LogProbabilities(k=k, dense=np.maximum(block, FLOOR).astype(np.float16))
    indices = np.argpartition(-block, m - 1, axis=1)[:, :m]
    indices.sort(axis=1)  # so that equal values come by class number
    values = np.take_along_axis(block, indices, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    values = np.take_along_axis(values, order, 1)
    remaining = np.clip(1 - np.exp(values.astype(np.float64)).sum(axis=1), 0, 1).astype(np.float32)
    return LogProbabilities(
        k=k,
        indices=np.take_along_axis(indices, order, 1).astype(np.int32),
        values=np.maximum(values, FLOOR).astype(np.float16),
        remaining=remaining,
    )


def empty_log_probabilities(n: int, k: int, *, m: int | None, folder: Path | None = None) -> LogProbabilities:
    """Room for n rows, in memory or in new files of `folder`; the caller fills the arrays by `put`."""
    if m is None or m >= k:
        return LogProbabilities(k=k, dense=_room("dense", (n, k), np.float16, folder))
    return LogProbabilities(
        k=k,
        indices=_room("indices", (n, m), np.int32, folder),
        values=_room("values", (n, m), np.float16, folder),
        remaining=_room("remaining", (n,), np.float32, folder),
    )


def put(into: LogProbabilities, rows: NDArray[np.int64] | slice, block: LogProbabilities) -> None:
    """Write a block of the same form to these rows of `into`."""
    for name in ARRAYS:
        target, source = getattr(into, name), getattr(block, name)
        if target is not None:
            target[rows] = source


ARRAYS = tuple(field.name for field in fields(LogProbabilities) if field.name not in ("k", "chosen"))


def save_log_probabilities(record: LogProbabilities, folder: Path) -> None:
    """Write NAME.npy of each array into an existing folder; where only some rows are meant, those alone."""
    for name in ARRAYS:
        values = getattr(record, name)
        if values is not None:
            if record.chosen is not None:
                values = values[record.chosen]
            np.save(folder / f"{name}.npy", values, allow_pickle=False)


def load_log_probabilities(folder: Path, *, k: int) -> LogProbabilities:
    """The record of a folder, memory-mapped. Raises ReweighError where the files are not there or do not fit k."""
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ARRAYS
        if (folder / f"{name}.npy").exists()
    }
    if set(arrays) not in ({"dense"}, {"indices", "values", "remaining"}):
        raise ReweighError(
            f"No log-probabilities in {folder}: found {', '.join(sorted(arrays)) or 'none of the files'}."
        )
    if "dense" in arrays and arrays["dense"].shape[1] != k:
        raise ReweighError(f"Log-probabilities in {folder} are of {arrays['dense'].shape[1]} classes, expected {k}.")
    return LogProbabilities(k=k, **arrays)


def _room(name: str, shape: tuple[int, ...], dtype: type, folder: Path | None) -> NDArray:
    if folder is None:
        return np.zeros(shape, dtype)
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
