"""Labels made wrong where the images stay as they are: the mix of near and far errors, and classical corruptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.webify.generators import Purpose, uniforms_by_uid
from reweigh.webify.kinds import (
    FAR,
    KINDS,
    NEAR,
    OUT_OF_SET,
    RANDOM,
    RIGHT,
    drawn_classes,
    drawn_kinds,
    error_shares,
    far_probabilities,
    near_probabilities,
    random_probabilities,
)
from reweigh.webify.settings import WebifySettings
from reweigh.webify.sizes import class_noise

ROWS = 8192
"""Rows whose classes are drawn at once."""


@dataclass(frozen=True, kw_only=True)
class Flipped:
    """New labels of n rows that stay where they are."""

    label: NDArray[np.int32]
    """(n,) 0..k-1; -1: the row is left out (an image of the pool that no label was given)"""
    kind: NDArray[np.int8]
    """(n,) place in KINDS"""


def corruption_matrix(
    settings: WebifySettings, k: int, given: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """(k, k) probability of each label (column) for each truth (row): uniform, pair, or the given matrix, checked.

    uniform: 1 - noise on the diagonal, noise / (k - 1) elsewhere. pair: noise to the next class, from the last to the first.
    """
    if settings.corruption == "matrix":
        if given is None:
            raise ReweighError("webify.corruption = 'matrix' needs the matrix: --corruption FILE.npy or FILE.csv.")
        return check_stochastic(given, k)
    if k < 2:
        raise ReweighError(f"A corruption needs at least two classes, found {k}.")
    eye = np.eye(k)
    other = random_probabilities(k) if settings.corruption == "uniform" else np.roll(eye, 1, axis=1)
    return (1 - settings.noise) * eye + settings.noise * other


def check_stochastic(matrix: NDArray[np.floating], k: int) -> NDArray[np.float64]:
    """The matrix as float64. Raises ReweighError for a shape other than (k, k), and for a row that is no distribution."""
    if matrix.shape != (k, k):
        raise ReweighError(f"The corruption of {k} classes is a matrix of shape ({k}, {k}), found {matrix.shape}.")
    values = np.asarray(matrix, np.float64)
    for row, line in enumerate(values):
        if not np.isfinite(line).all() or (line < 0).any():
            column = int(np.flatnonzero(~np.isfinite(line) | (line < 0))[0])
            raise ReweighError(
                f"Row {row} of the corruption holds {line[column]} in column {column}; it must be 0 or more."
            )
        if abs(line.sum() - 1) > 1e-6:
            raise ReweighError(f"Row {row} of the corruption sums to {line.sum():.6g}; each row must sum to 1.")
    return values


def read_matrix(path: Path) -> NDArray[np.float64]:
    """The numbers of a .npy file or of a .csv file without a header. Raises ReweighError for what is neither, or no matrix."""
    if not path.is_file():
        raise ReweighError(f"No matrix at {path}: looked for a .npy or .csv file.")
    if path.suffix not in (".npy", ".csv"):
        raise ReweighError(f"{path} is no matrix: its name must end in .npy or .csv.")
    try:
        values = (
            np.load(path, allow_pickle=False)
            if path.suffix == ".npy"
            else np.loadtxt(path, delimiter=",", ndmin=2, encoding="utf-8")
        )
        values = np.asarray(values, np.float64)
    except (ValueError, EOFError, TypeError) as cause:
        raise ReweighError(f"{path} holds no matrix of numbers: {str(cause).splitlines()[0]}") from cause
    if values.ndim != 2:
        raise ReweighError(f"{path} holds an array of {values.ndim} dimensions; a matrix has 2.")
    return values


def corrupted(
    truth: NDArray[np.integer], uids: Sequence[str], matrix: NDArray[np.float64], *, kind: str, seed: int
) -> Flipped:
    """Labels drawn from the truth's row of the matrix; truth (n,) in 0..k-1. A row's chance hangs on its uid alone."""
    uniforms = uniforms_by_uid(uids, seed=seed, purpose=Purpose.LABELS)[:, 0]
    label = _classes(uniforms, matrix, truth)
    return Flipped(label=label, kind=np.where(label == truth, RIGHT, KINDS.index(kind)).astype(np.int8))


def mixed(
    truth: NDArray[np.integer],
    source: NDArray[np.integer],
    uids: Sequence[str],
    similarity: NDArray[np.float64],
    names: Sequence[str],
    numbers: Sequence[int],
    settings: WebifySettings,
    *,
    seed: int,
) -> Flipped:
    """Wrong labels near, far and random in the shares of the settings; a row's chance hangs on its uid alone.

    truth (n,) 0..k-1, or -1 for an image of the out-of-set pool; source (n,) as `source_factors` reads it. Near labels are
    drawn from the classes similar to the truth. Images of the pool get labels of the kept classes, as many as the shares
    ask for (each row drawn as out of set gives its label to one of them, and stays right itself), and the others -1.
    """
    k, pool = len(names), np.flatnonzero(truth < 0)
    if k < 2:
        raise ReweighError(f"webify needs at least two classes that are not in the pool, found {k}.")
    near = near_probabilities(similarity, names)
    uniforms = uniforms_by_uid(uids, seed=seed, purpose=Purpose.LABELS)
    inside = np.flatnonzero(truth >= 0)
    rates = class_noise(numbers, settings.noise, seed=seed)[truth[inside]]
    rates = np.minimum(rates * source_factors(source[inside], settings), 1)
    kind = np.full(len(truth), OUT_OF_SET, np.int8)
    kind[inside] = drawn_kinds(uniforms[inside, :2], rates, error_shares(settings, has_pool=len(pool) > 0))
    label = np.where(truth >= 0, truth, -1).astype(np.int32)
    wrong_of = {NEAR: near, FAR: far_probabilities(near), RANDOM: random_probabilities(k)}
    for wrong, probabilities in wrong_of.items():
        rows = np.flatnonzero(kind == wrong)
        label[rows] = _classes(uniforms[rows, 2], probabilities, truth[rows])
    givers = inside[kind[inside] == OUT_OF_SET]
    kind[givers] = RIGHT
    givers = givers[np.argsort(uniforms[givers, 3], kind="stable")][: len(pool)]
    takers = pool[np.argsort(uniforms[pool, 3], kind="stable")][: len(givers)]
    label[takers] = truth[givers]
    return Flipped(label=label, kind=kind)


def source_factors(source: NDArray[np.integer], settings: WebifySettings) -> NDArray[np.float64]:
    """(n,) factor on the noise of each row, mean 1; source (n,) numbers, -1 = none.

    1 for all rows unless the set has as many sources as `source_noise` has factors, as its sources are then of no known
    order.
    """
    factors = np.array(settings.source_noise)
    if len(source) and source.min() >= 0 and source.max() + 1 == len(factors):
        own = factors[source]
        return own / own.mean() if own.mean() > 0 else np.ones(len(own))
    return np.ones(len(source))


def _classes(
    uniforms: NDArray[np.float64], probabilities: NDArray[np.float64], of: NDArray[np.integer]
) -> NDArray[np.int32]:
    """(n,) classes drawn from the rows `of` (n,) of the probabilities, a block of rows at a time."""
    made = np.empty(len(of), np.int32)
    for start in range(0, len(of), ROWS):
        here = slice(start, start + ROWS)
        made[here] = drawn_classes(uniforms[here], probabilities[of[here]])
    return made
