"""A linear head on stored features: fitted with weights and soft targets, and its log-probabilities by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.features.hidden_layer import HiddenLayer, behind
from reweigh.features.matrix import FeatureMatrix
from reweigh.optimization.softmax_regression import Coordinates, RegressionRows, coordinates, minimise, read_rows
from reweigh.probes.checks import check_finite, check_labels, check_weights
from reweigh.probes.soft_targets import ChosenTargets, SoftTargets, checked_mass
from reweigh.progress import Progress, silent
from reweigh.ranks import ALONE, Ranks

Rows = NDArray[np.int64]
Uids = Callable[[Rows], list[str]]

ABSENT_LOG_PROBABILITY = -16.0
"""Log-probability that a class without any weight has at the mean image; its best bias would be minus infinity."""
BLOCK_BYTES = 64 << 20
"""Log-probabilities of one predicted block take at most this."""


class Head(Protocol):
    """What predicts: a probe, or the last layer of a stored model."""

    @property
    def weight(self) -> NDArray[np.float32]: ...

    @property
    def bias(self) -> NDArray[np.float32]: ...

    @property
    def hidden(self) -> HiddenLayer | None: ...


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A linear head for features as they are stored, and how its fit ended."""

    weight: NDArray[np.float32]
    """(k, d)"""
    bias: NDArray[np.float32]
    """(k,)"""
    l2: float
    """Strength of regularisation on the scaled features."""
    scale: float
    """What the centred features were divided by; `weight * scale` is what `l2` held back."""
    loss: float
    """The objective at the end, penalty included."""
    gradient: float
    """Largest entry of the preconditioned gradient at the end."""
    iterations: int
    is_converged: bool

    @property
    def hidden(self) -> None:
        """None: it reads the features themselves."""
        return None


@dataclass(frozen=True, kw_only=True)
class ProbeProblem:
    """Rows read once for several fits at different strengths."""

    rows: RegressionRows
    axes: Coordinates
    present: NDArray[np.int64]
    """Classes with some weight; only these are fitted."""
    k: int


def fit_probe(
    features: FeatureMatrix,
    rows: Rows,
    targets: NDArray[np.integer] | NDArray[np.floating] | SoftTargets,
    *,
    k: int,
    l2: float,
    weights: NDArray[np.floating] | None = None,
    start: Probe | None = None,
    tolerance: float = 1e-5,
    max_iterations: int = 300,
    uids: Uids | None = None,
    progress: Progress = silent,
    ranks: Ranks = ALONE,
) -> Probe:
    """The head that minimises sum w CE / sum w + l2/2 |W|^2 (bias free) over these rows of the features.

    rows (m,) positions into `features`; targets (m,) labels in 0..k-1, or (m, k) distributions over the classes,
    an array or rows that are made when they are asked for;
    weights (m,) >= 0, default 1. A row of weight 0 may have the label -1 and is not read at all.
    `start`: a head of the same classes and features to go on from. With one class only,
    the head gives it with certainty. A class without weight gets a zero row and a low bias. Several `ranks` call this with the
    same arguments, each reads its own blocks of rows, and all return the bits that one alone would.
    Raises ReweighError for features that are not finite, labels outside 0..k-1, and targets or weights that do not
    fit, naming the row (its uid where `uids` is given).
    """
    problem = probe_problem(features, rows, targets, k=k, weights=weights, uids=uids, ranks=ranks)
    progress("probe", 0, 1, f"{problem.rows.n} images, l2 {l2:g}")
    probe = solve(problem, l2=l2, start=start, tolerance=tolerance, max_iterations=max_iterations)
    progress("probe", 1, 1, f"{probe.iterations} steps, loss {probe.loss:.4f}")
    return probe


def probe_problem(
    features: FeatureMatrix,
    rows: Rows,
    targets: NDArray[np.integer] | NDArray[np.floating] | SoftTargets,
    *,
    k: int,
    weights: NDArray[np.floating] | None = None,
    uids: Uids | None = None,
    ranks: Ranks = ALONE,
) -> ProbeProblem:
    """The checked rows of a fit, read and centred, with the coordinates to fit them in; errors as `fit_probe`."""
    rows = np.asarray(rows, np.int64)
    weights = check_weights(weights, rows, uids=uids)
    kept = np.flatnonzero(weights > 0)
    if targets.ndim == 1:
        labels = np.asarray(targets)
        labels = labels[kept] if len(labels) == len(weights) else labels
        check_labels(labels, rows[kept], k=k, uids=uids)
        mass = np.bincount(labels, weights=weights[kept], minlength=k).astype(np.float64)
    else:
        mass = checked_mass(targets, rows, weights, kept, k=k, uids=uids)
    rows, weights = rows[kept], weights[kept]
    present = np.flatnonzero(mass > 0)

    def read(block: slice) -> NDArray[np.float32]:
        return check_finite(features.read(rows[block]), rows[block], uids=uids)

    regression = read_rows(
        read,
        n=len(rows),
        d=features.d,
        k=len(present),
        targets=_among(labels, present, k) if targets.ndim == 1 else ChosenTargets(targets, kept, present),
        weights=weights,
        shares=mass[present] / mass[present].sum(),
        ranks=ranks,
    )
    return ProbeProblem(rows=regression, axes=coordinates(regression), present=present, k=k)


def solve(
    problem: ProbeProblem, *, l2: float, start: Probe | None = None, tolerance: float = 1e-5, max_iterations: int = 300
) -> Probe:
    """The head of a prepared problem at one strength; see `fit_probe`."""
    if not 0 < l2 < float("inf"):
        raise ReweighError(f"The strength l2 of a probe must be a number above 0, found {l2}.")
    rows, present = problem.rows, problem.present
    if start is not None and start.weight.shape != (problem.k, rows.d):
        raise ReweighError(f"The start of a probe must have shape {(problem.k, rows.d)}, found {start.weight.shape}.")
    weight, bias, end = minimise(
        rows,
        problem.axes,
        l2=l2,
        start=None if start is None else _scaled(start, problem),
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    bias -= _log_sum_exp(bias)  # the classes' probabilities at the mean image now sum to 1 as they stand
    full_weight = np.zeros((problem.k, rows.d), np.float32)
    full_bias = np.full(problem.k, ABSENT_LOG_PROBABILITY, np.float32)
    raw = weight / rows.scale
    full_weight[present], full_bias[present] = raw, bias - raw @ rows.mean
    return Probe(
        weight=full_weight,
        bias=full_bias,
        l2=l2,
        scale=rows.scale,
        loss=end.value,
        gradient=end.gradient,
        iterations=end.iterations,
        is_converged=end.is_converged,
    )


def predict(
    head: Head, features: FeatureMatrix, rows: Rows, *, uids: Uids | None = None
) -> Iterator[NDArray[np.float32]]:
    """Log-probabilities of these rows, blocks (b, k) float32 in order; a block takes at most 64 MB.

    Raises ReweighError for features that are not finite, as `fit_probe`.
    """
    rows = np.asarray(rows, np.int64)
    transposed = np.ascontiguousarray(head.weight.T)
    size = prediction_block(len(head.bias))
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        logits = behind(head.hidden, check_finite(features.read(block), block, uids=uids)) @ transposed
        logits += head.bias
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        yield logits


def predict_views(
    head: Head, features: Sequence[FeatureMatrix], rows: Rows, *, uids: Uids | None = None
) -> Iterator[NDArray[np.float32]]:
    """Log of the mean of the probabilities that these rows have in each of several views; blocks as `predict`, which it is for one."""
    if len(features) == 1:
        yield from predict(head, features[0], rows, uids=uids)
        return
    for blocks in zip(*(predict(head, one, rows, uids=uids) for one in features), strict=True):
        yield log_mean(blocks)


def log_mean(blocks: Sequence[NDArray[np.floating]], weights: Sequence[float] | None = None) -> NDArray[np.float32]:
    """log of the (weighted) mean of exp of each, of one shape; weights need not sum to 1."""
    given = np.ones(len(blocks)) if weights is None else np.asarray(weights, np.float64)
    # A block of weight 0 must not set the largest: all others may lie so far below it that nothing is left of them.
    counted = np.flatnonzero(given).tolist()
    shares = given / given.sum()
    largest = np.maximum.reduce([np.asarray(blocks[at], np.float32) for at in counted])
    total = np.zeros(largest.shape, np.float64)
    for at in counted:
        total += shares[at] * np.exp(blocks[at] - largest)
    return np.asarray(largest + np.log(total), np.float32)


def prediction_block(k: int) -> int:
    """Rows of a block of predictions over k classes."""
    return int(np.clip(BLOCK_BYTES // (4 * k), 1, 4096))


def _among(labels: NDArray, present: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Labels among the present classes."""
    if len(present) == k:
        return labels.astype(np.int64)
    numbers = np.zeros(k, np.int64)
    numbers[present] = np.arange(len(present))
    return numbers[labels]


def _scaled(start: Probe, problem: ProbeProblem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`start` as coefficients of the centred and scaled features, over the present classes."""
    raw = start.weight[problem.present].astype(np.float64)
    return raw * problem.rows.scale, start.bias[problem.present] + raw @ problem.rows.mean


def _log_sum_exp(values: NDArray[np.float64]) -> float:
    top = values.max()
    return float(top + np.log(np.exp(values - top).sum()))
