"""Kinds of rows, and which class a wrong row's image is of: near, far or any other one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.webify.settings import WebifySettings

KINDS = ("right", "near", "far", "random", "out_of_set", "crossed", "uniform", "pair", "matrix")
RIGHT, NEAR, FAR, RANDOM, OUT_OF_SET, CROSSED = range(6)
"""Numbers of kinds: places in KINDS."""
N_NEAR = 5


def check_similarity(similarity: NDArray[np.floating], names: Sequence[str]) -> NDArray[np.float64]:
    """The matrix as float64. Raises ReweighError for another shape than (k, k), and values that are negative or no numbers."""
    k, values = len(names), np.asarray(similarity, np.float64)
    if values.shape != (k, k):
        raise ReweighError(f"A similarity of {k} classes has shape ({k}, {k}), found {values.shape}.")
    bad = np.argwhere(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        row, column = bad[0]
        raise ReweighError(
            f"The similarity of {names[row]!r} and {names[column]!r} (row {row}, column {column}) is "
            f"{values[row, column]}; it must be a number of 0 or more."
        )
    return values


def near_probabilities(similarity: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """(k, k) probability that a near error of the row's class is of the column's; rows sum to 1, 0 on the diagonal.

    The most similar classes with probability proportional to similarity; equal ones by number. There are 5 of them; with
    fewer than 11 classes half of the others, so that there are far ones too.
    Raises ReweighError for a class that is similar to no other.
    """
    k = len(similarity)
    others = similarity.copy()
    np.fill_diagonal(others, -1.0)
    order = np.argsort(-others, axis=1, kind="stable")[:, : min(N_NEAR, k // 2)]
    made = np.zeros((k, k))
    np.put_along_axis(made, order, np.take_along_axis(others, order, axis=1), axis=1)
    total = made.sum(axis=1)
    if (total <= 0).any():
        name = names[int(np.flatnonzero(total <= 0)[0])]
        raise ReweighError(
            f"Class {name!r} is similar to no other class: its row of similarities is 0; give another --near."
        )
    return made / total[:, None]


def far_probabilities(near: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, k) the same of far errors: all classes but the row's own and its near ones, alike. Two classes: the near one."""
    rest = (near == 0) & ~np.eye(len(near), dtype=bool)
    count = rest.sum(axis=1, keepdims=True)
    return np.where(count > 0, rest / np.maximum(count, 1), near)


def random_probabilities(k: int) -> NDArray[np.float64]:
    """(k, k) the same of random errors: all other classes, alike."""
    return (1 - np.eye(k)) / max(k - 1, 1)


def error_shares(settings: WebifySettings, *, has_pool: bool) -> NDArray[np.float64]:
    """(4,) shares of near, far, random and out of set; without a pool the last goes to near and far in their proportion.

    Where neither near nor far has a share, it goes to random.
    """
    near, far, random, out = settings.near, settings.far, settings.random, settings.out_of_set
    if not has_pool and out:
        both = near + far
        near, far = (near + out * near / both, far + out * far / both) if both else (0.0, 0.0)
        random, out = (random if both else 1.0), 0.0
    return np.array([near, far, random, out])


def drawn_kinds(
    uniforms: NDArray[np.float64], rates: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.int8]:
    """(n,) kinds RIGHT to OUT_OF_SET; uniforms (n, 2): the first against `rates` (n,), the second against the shares."""
    cumulative = np.cumsum(shares)
    cumulative[np.flatnonzero(shares).max(initial=0) :] = 1.0  # rounding must not draw a kind that has no share
    kind = NEAR + np.searchsorted(cumulative, uniforms[:, 1], side="right")
    return np.where(uniforms[:, 0] < rates, kind, RIGHT).astype(np.int8)


def drawn_classes(uniforms: NDArray[np.float64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n,) classes; uniforms (n,), probabilities (n, k) with rows that sum to 1. A class of probability 0 is never drawn."""
    cumulative = np.cumsum(probabilities, axis=1)
    last = probabilities.shape[1] - 1 - (probabilities[:, ::-1] > 0).argmax(axis=1)
    return np.minimum((cumulative <= uniforms[:, None]).sum(axis=1), last)
