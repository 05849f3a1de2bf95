"""L-BFGS for smooth convex functions whose value is known less exactly than their gradient."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

PAIR_BYTES = 1 << 30
"""Memory that the remembered steps may take; ten pairs of them where they fit."""

VALUE_NOISE = 1e-7
"""Relative error that a value may carry."""
STALLED = 30.0
"""A gradient that will not fall any more counts as converged up to so many times the tolerance."""


@dataclass(frozen=True, kw_only=True)
class Minimum:
    """Where a minimisation ended."""

    point: Vector
    value: float
    gradient: float
    """Largest absolute entry of the gradient at `point`."""
    iterations: int
    evaluations: int
    is_converged: bool
    """The gradient is within the tolerance, or near it and as small as the arithmetic lets it become."""


@dataclass(frozen=True)
class _Position:
    point: Vector
    value: float
    gradient: Vector


def minimise_convex(
    value_and_gradient: Callable[[Vector], tuple[float, Vector]],
    start: Vector,
    *,
    tolerance: float,
    max_iterations: int,
    patience: int = 8,
) -> Minimum:
    """The minimum of a convex function, from `start`, until no entry of the gradient exceeds `tolerance`.

    Differs from scipy's L-BFGS-B in the line search, which reads slopes alone. Sums of float32 losses carry an error
    of about 1e-8; scipy compares them, finds no descent any more, and spends four evaluations a step until it gives
    up, far from what the gradient still allows. Along a line a convex function has a rising slope, so a step is good
    when the slope at its end is small (Hager and Zhang 2005, the approximate Wolfe conditions, 10.1137/030601880).

    `patience`: steps without a smaller gradient or a clearly smaller value, after which the rest is rounding error.
    """
    here = _Position(start, *value_and_gradient(start))
    best, lowest, since_best, evaluations = here, here.value, 0, 1
    pairs: deque[tuple[Vector, Vector, float]] = deque(maxlen=_memory(start.size))
    iterations = 0
    while _size(here.gradient) > tolerance and iterations < max_iterations and since_best < patience:
        found, used = _search(value_and_gradient, here, _direction(here.gradient, pairs))
        evaluations += used
        if found is None:
            since_best = patience
            break
        step, change = found.point - here.point, found.gradient - here.gradient
        curvature = float(step @ change)
        if curvature > 1e-12 * float(change @ change):
            pairs.append((step, change, curvature))
        here = found
        iterations += 1
        since_best += 1
        if here.value < lowest - VALUE_NOISE * max(1.0, abs(lowest)):
            lowest, since_best = here.value, 0
        if _size(here.gradient) < _size(best.gradient):
            best, since_best = here, 0
    return Minimum(
        point=best.point,
        value=best.value,
        gradient=_size(best.gradient),
        iterations=iterations,
        evaluations=evaluations,
        is_converged=bool(_size(best.gradient) <= (STALLED if since_best >= patience else 1) * tolerance),
    )


def _memory(size: int) -> int:
    return int(np.clip(PAIR_BYTES // (16 * max(size, 1)), 3, 10))


def _size(gradient: Vector) -> float:
    return float(np.abs(gradient).max(initial=0.0))


def _direction(gradient: Vector, pairs: deque[tuple[Vector, Vector, float]]) -> Vector:
    """Minus the inverse Hessian, as the remembered steps suggest it, times the gradient (two-loop recursion)."""
    direction = -gradient
    shares = []
    for step, change, curvature in reversed(pairs):
        share = float(step @ direction) / curvature
        direction -= share * change
        shares.append(share)
    if pairs:
        _, change, curvature = pairs[-1]
        direction *= curvature / float(change @ change)
    for (step, change, curvature), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - float(change @ direction) / curvature) * step
    return direction


def _search(
    value_and_gradient: Callable[[Vector], tuple[float, Vector]],
    here: _Position,
    direction: Vector,
    *,
    max_evaluations: int = 60,
) -> tuple[_Position | None, int]:
    """A position along `direction` whose slope is small against the slope here, or None; and the evaluations used.

    Accepted: slope in [-0.9, 0.8] x |slope here|; 0.8 = 1 - 2 x 0.1 is Armijo's condition with 0.1 on a parabola.
    """
    slope = float(here.gradient @ direction)
    if not slope < 0:
        return None, 0
    low, low_slope, high, high_slope = 0.0, slope, np.inf, np.inf
    length = 1.0
    for evaluation in range(1, max_evaluations + 1):
        point = here.point + length * direction
        value, gradient = value_and_gradient(point)
        at_end = float(gradient @ direction)
        if np.isfinite(at_end) and 0.9 * slope <= at_end <= -0.8 * slope:
            return _Position(point, value, gradient), evaluation
        if np.isfinite(at_end) and at_end < 0:
            low, low_slope = length, at_end
        else:
            high, high_slope = length, at_end
        length = _next_length(low, low_slope, high, high_slope)
    return None, max_evaluations


def _next_length(low: float, low_slope: float, high: float, high_slope: float) -> float:
    """Where the slope should vanish: four times further without a bracket, else the secant, kept inside of it."""
    if not np.isfinite(high):
        return 4 * low
    if not np.isfinite(high_slope):
        return low + (high - low) / 10
    share = low_slope / (low_slope - high_slope)
    return low + (high - low) * float(np.clip(share, 0.1, 0.9))
