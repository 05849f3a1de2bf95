"""Rows of length 1 on their first principal components: what neighbours are searched among."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reweigh.errors import ReweighError
from reweigh.features.matrix import FeatureMatrix

BLOCK = 4096
SAMPLE = 65_536
"""Rows that principal components are found from; more change them in the third digit at most."""


@dataclass(frozen=True)
class Projection:
    """Centre and principal axes of rows of length 1."""

    mean: NDArray[np.float32]
    """(d,)"""
    axes: NDArray[np.float32]
    """(d, c), orthonormal columns, by falling variance."""


def unit_rows(features: FeatureMatrix, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The rows scaled to length 1, (len(rows), d); a zero row (an unreadable image) stays zero.

    Raises ReweighError for NaN or infinity, naming the row.
    """
    values = features.read(rows)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(lengths[:, 0]))
    if len(bad):
        raise ReweighError(
            f"Features of row {int(rows[bad[0]])} are NaN or infinite; {len(bad)} such rows in this block."
        )
    return np.asarray(values / np.where(lengths > 0, lengths, 1), np.float32)


def fit_projection(
    features: FeatureMatrix, rows: NDArray[np.int64], *, n_components: int, seed: int, centred: bool = False
) -> Projection | None:
    """Principal axes of at most `SAMPLE` of the rows, drawn by `seed`; None where d is small enough as it is.

    `centred`: never None; a small d keeps all its axes and loses its mean only.

    On one thread and in float64, so that the axes do not depend on the number of threads.
    """
    if features.d <= n_components and not centred:
        return None
    if len(rows) > SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(rows, SAMPLE, replace=False))
    total, squares = np.zeros(features.d), np.zeros((features.d, features.d))
    with threadpool_limits(1, user_api="blas"):
        for start in range(0, len(rows), BLOCK):
            values = unit_rows(features, rows[start : start + BLOCK])
            total += values.sum(axis=0, dtype=np.float64)
            squares += values.T @ values
        mean = total / max(len(rows), 1)
        _, axes = np.linalg.eigh(squares / max(len(rows), 1) - np.outer(mean, mean))
    return Projection(mean.astype(np.float32), np.ascontiguousarray(axes[:, : -n_components - 1 : -1], np.float32))


def project(features: FeatureMatrix, rows: NDArray[np.int64], projection: Projection | None) -> NDArray[np.float32]:
    """(len(rows), c) of length 1; zero for a zero row. Made block by block, the same for any number of threads."""
    width = features.d if projection is None else projection.axes.shape[1]
    out = np.empty((len(rows), width), np.float32)
    with threadpool_limits(1, user_api="blas"):
        for start in range(0, len(rows), BLOCK):
            unit = unit_rows(features, rows[start : start + BLOCK])
            known = np.any(unit, axis=1, keepdims=True)
            values = unit if projection is None else (unit - projection.mean) @ projection.axes
            lengths = np.linalg.norm(values, axis=1, keepdims=True)
            out[start : start + BLOCK] = np.where(known, values / np.where(lengths > 0, lengths, 1), 0)
    return out
