"""Weighted multinomial logistic regression with hard or soft targets, minimised over blocks of rows.

Objective: sum_i w_i CE(t_i, softmax(W x_i + b)) / sum_i w_i + l2 / 2 |W|^2; the bias is free. Features are centred
and scaled to a mean row length of 16 = sqrt(256) first, so that `l2` means the same for every backbone. Mean and scale
are weighted too: a row of weight 0 leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from reweigh.optimization.lbfgs import Minimum, minimise_convex
from reweigh.optimization.row_blocks import blas_threads, block_ranges, map_blocks, map_in_order, one_blas_thread
from reweigh.ranks import ALONE, Ranks, from_owner

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

ROW_LENGTH = 16.0
"""Mean length of a centred, scaled feature row: sqrt(256)."""
HELD_BYTES = 1 << 30
"""Below this size the centred float32 rows are held in memory; above it they are read again by block."""
MAX_ROTATED = 4096
"""Largest feature size whose covariance is diagonalised (cubic cost); beyond it only variances precondition."""
GRADIENT_FLOOR = 2e-7
"""Preconditioned gradient that float32 products can be trusted to resolve."""


class BlockTargets(Protocol):
    """Soft targets (n, k), read a block at a time."""

    def __getitem__(self, block: slice, /) -> NDArray[np.floating]: ...


@dataclass(frozen=True, kw_only=True)
class RegressionRows:
    """What a fit reads: rows of weight > 0, by block."""

    n: int
    d: int
    k: int
    centred: Callable[[slice], F32]
    """Block -> rows less `mean`, (b, d) float32, not to be written to."""
    targets: NDArray[np.int64] | BlockTargets
    """(n,) class of each row, or (n, k) rows of non-negative numbers that sum to 1."""
    weights: F32
    """(n,), mean 1."""
    mean: F64
    """(d,) weighted mean of the features."""
    scale: float
    """Weighted mean length of a centred row, over 16; features are divided by it."""
    shares: F64
    """(k,) weighted share of each class in the targets, all > 0, sum 1."""
    n_threads: int
    """Threads that work on blocks; the results do not depend on it."""
    ranks: Ranks = ALONE
    """Who owns which blocks; nor on this."""


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """Coordinates in which the objective's Hessian is near the unit matrix at every strength of regularisation."""

    rotation: F64 | None
    """(d, d) eigenvectors of the feature covariance as columns; None: the axes themselves."""
    variances: F64
    """(d,) variance along each."""
    spread: F64
    """(k,) p (1 - p) of each class, by which the covariance enters its Hessian."""


def read_rows(
    read: Callable[[slice], F32],
    *,
    n: int,
    d: int,
    k: int,
    targets: NDArray[np.int64] | BlockTargets,
    weights: F64,
    shares: F64,
    held_bytes: int = HELD_BYTES,
    ranks: Ranks = ALONE,
) -> RegressionRows:
    """Centre the rows and measure their scale in two passes; held in memory where they take less than `held_bytes`.

    `read` gives a block's rows, (b, d) float32, finite and free to be changed; `weights` (n,) > 0.
    """
    relative = (weights * (n / weights.sum())).astype(np.float32)
    held = np.empty((n, d), np.float32) if n * d * 4 < held_bytes else None

    def total(block: slice) -> F32:
        rows = read(block)
        if held is not None:
            held[block] = rows
        return cast(F32, relative[block] @ rows)

    weight_sum = float(relative.sum(dtype=np.float64))
    mean = _summed(map_blocks(total, n, ranks=ranks), np.zeros(d)) / weight_sum
    mean32 = mean.astype(np.float32)

    def lengths(block: slice) -> float:
        rows = read(block) if held is None else held[block]
        rows -= mean32
        return float(np.sqrt(np.einsum("ij,ij->i", rows, rows)) @ relative[block].astype(np.float64))

    length = sum(map_blocks(lengths, n, ranks=ranks)) / weight_sum

    def centred(block: slice) -> F32:
        if held is not None:
            return held[block]
        rows = read(block)
        rows -= mean32
        return rows

    scale = length / ROW_LENGTH if length > 0 else 1.0
    return RegressionRows(
        n=n,
        d=d,
        k=k,
        centred=centred,
        targets=targets,
        weights=relative,
        mean=mean32.astype(np.float64),
        scale=scale,
        shares=shares,
        n_threads=blas_threads(),
        ranks=ranks,
    )


def coordinates(rows: RegressionRows) -> Coordinates:
    """Eigenvectors and variances of the scaled features, from every s-th block.

    float32 will do, and so will about four rows a feature, as only the speed of the fit depends on them. Blocks, not
    single rows, as a block is what one reads from disk.
    """
    step = max(1, rows.n // max(4 * rows.d, 4096))
    spread = np.maximum(rows.shares * (1 - rows.shares), 1e-12)
    rotates = rows.d <= MAX_ROTATED

    def moments(block: slice) -> tuple[F32, float]:
        x, w = rows.centred(block), rows.weights[block]
        weighted = x * w[:, None]
        products = weighted.T @ x if rotates else np.einsum("ij,ij->j", weighted, x)
        return cast(F32, products), float(w.sum(dtype=np.float64))

    total = np.zeros((rows.d, rows.d) if rotates else rows.d)
    weight = 0.0
    for products, share in map_in_order(
        moments, block_ranges(rows.n)[::step], n_threads=rows.n_threads, ranks=rows.ranks
    ):
        total += products
        weight += share
    total /= max(weight, 1e-30) * rows.scale**2
    if not rotates:
        return Coordinates(rotation=None, variances=total, spread=spread)
    with one_blas_thread():
        variances, rotation = scipy.linalg.eigh(total.astype(np.float32), driver="evd", check_finite=False)
    return Coordinates(
        rotation=rotation.astype(np.float64), variances=np.maximum(variances, 0).astype(np.float64), spread=spread
    )


def value_and_gradient(rows: RegressionRows, weight: F64, bias: F64, *, l2: float) -> tuple[float, F64, F64]:
    """The objective at `weight` (k, d) and `bias` (k,) of the scaled features, and its gradient by both.

    float32 within a block, float64 between blocks.
    """
    transposed = np.ascontiguousarray((weight / rows.scale).T, dtype=np.float32)
    offset = bias.astype(np.float32)

    def terms(block: slice) -> tuple[float, F32, F64]:
        return block_terms(rows, block, transposed, offset)

    value, by_weight, by_bias = 0.0, np.zeros((rows.k, rows.d)), np.zeros(rows.k)
    for loss, products, sums in map_blocks(terms, rows.n, n_threads=rows.n_threads, ranks=rows.ranks):
        value += loss
        by_weight += products
        by_bias += sums
    by_weight /= rows.n * rows.scale
    by_weight += l2 * weight
    return value / rows.n + l2 / 2 * float(np.square(weight).sum()), by_weight, by_bias / rows.n


def block_terms(rows: RegressionRows, block: slice, transposed: F32, offset: F32) -> tuple[float, F32, F64]:
    """One block's part of the loss and of its gradient by weight (k, d) and bias (k,), before any division.

    transposed (d, k) is the weight over the scale, offset (k,) the bias. Whoever owns the block computes these bits.
    """
    x = rows.centred(block)
    logits = np.ascontiguousarray((x @ transposed).T)
    logits += offset[:, None]
    loss, residual = _residuals(logits, rows.targets[block], rows.weights[block])
    return loss, residual @ x, residual.sum(axis=1, dtype=np.float64)


def _residuals(logits: F32, targets: NDArray, weights: F32) -> tuple[float, F32]:
    """Weighted sum of the rows' cross entropies, and weight x (softmax - target), which takes the place of logits.

    Classes are the first axis here, (k, b): with few classes sums over it are several times faster than over the last,
    and so is the product with the rows that follows.
    """
    logits -= logits.max(axis=0)
    here = np.arange(logits.shape[1])
    hard = targets.ndim == 1
    if hard:
        fitted = logits[targets, here]
    else:
        targets = np.ascontiguousarray(targets.T, np.float32)
        fitted = np.einsum("ij,ij->j", logits, targets)
    np.exp(logits, out=logits)
    sums = logits.sum(axis=0)
    loss = float((np.log(sums) - fitted) @ weights.astype(np.float64))
    logits *= weights / sums
    if hard:
        logits[targets, here] -= weights
    else:
        logits -= targets * weights
    return loss, logits


def minimise(
    rows: RegressionRows,
    axes: Coordinates,
    *,
    l2: float,
    start: tuple[F64, F64] | None,
    tolerance: float,
    max_iterations: int,
) -> tuple[F64, F64, Minimum]:
    """(weight (k, d), bias (k,), how it ended) of the scaled features, from `start` or from the classes' shares.

    `tolerance` bounds the error of a coefficient: in these coordinates the error is about the gradient, and one unit
    of a coordinate is at most 1 / sqrt(l2) units of a coefficient. Of several ranks, rank 0 decides on every step and the others
    work on their blocks of rows: processors of two kinds, which round differently, could not part ways.
    """
    if not rows.ranks.is_first:
        return _follow(rows, l2=l2)
    weight, bias = start if start is not None else (np.zeros((rows.k, rows.d)), np.log(rows.shares))
    by_weight = 1 / np.sqrt(axes.spread[:, None] * axes.variances + l2)
    by_bias = 1 / np.sqrt(axes.spread)

    def rotated(values: F64, rotation: F64) -> F64:
        parts = map_blocks(lambda classes: values[classes] @ rotation, rows.k, n_threads=rows.n_threads)
        return np.concatenate(list(parts))

    def outwards(point: F64) -> tuple[F64, F64]:
        moved = point.reshape(rows.k, rows.d + 1)
        inner = moved[:, :-1] * by_weight
        inner -= inner.mean(axis=0)
        return (inner if axes.rotation is None else rotated(inner, axes.rotation.T)), moved[:, -1] * by_bias

    def inwards(outer: F64, offsets: F64, *, divide: bool) -> F64:
        inner = outer if axes.rotation is None else rotated(outer, axes.rotation)
        inner = inner - inner.mean(axis=0)
        point = np.empty((rows.k, rows.d + 1))
        point[:, :-1] = inner / by_weight if divide else inner * by_weight
        point[:, -1] = offsets / by_bias if divide else offsets * by_bias
        return cast(F64, point.ravel())

    def objective(point: F64) -> tuple[float, F64]:
        _, *at = from_owner(rows.ranks, (True, *outwards(point)), owner=0)
        value, gradient, offsets = value_and_gradient(rows, *at, l2=l2)
        return value, inwards(gradient, offsets, divide=False)

    with one_blas_thread():
        end = minimise_convex(
            objective,
            inwards(weight, bias, divide=True),
            tolerance=max(tolerance * np.sqrt(l2), GRADIENT_FLOOR),
            max_iterations=max_iterations,
        )
        weight, bias = outwards(end.point)
    from_owner(
        rows.ranks,
        (False, weight, bias, end.value, end.gradient, end.iterations, end.evaluations, end.is_converged),
        owner=0,
    )
    return weight, bias, end


def _follow(rows: RegressionRows, *, l2: float) -> tuple[F64, F64, Minimum]:
    """What `minimise` of rank 0 returns, on another rank, which takes part in every evaluation until it hears the end."""
    while True:
        goes_on, weight, bias, *end = from_owner(rows.ranks, (), owner=0)
        if goes_on:
            value_and_gradient(rows, weight, bias, l2=l2)
            continue
        names = ("value", "gradient", "iterations", "evaluations", "is_converged")
        return weight, bias, Minimum(point=np.empty(0), **dict(zip(names, end, strict=True)))


def _summed(parts: Iterable[F32], total: F64) -> F64:
    for part in parts:
        total += part
    return total
