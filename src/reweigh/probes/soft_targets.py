"""Soft targets of a fit: an array (m, k), or rows that are made a block at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.probes.checks import name_row

BLOCK_BYTES = 64 << 20
"""Of the targets that are read at once."""


class SoftTargets(Protocol):
    """Distributions over k classes of m images; a NumPy array is one."""

    @property
    def ndim(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, at: Any, /) -> NDArray[np.floating]:
        """(b, k) of the images at these positions."""
        ...


@dataclass(frozen=True)
class ChosenTargets:
    """Some rows and classes of soft targets."""

    whole: SoftTargets
    rows: NDArray[np.int64]
    classes: NDArray[np.int64]

    def __getitem__(self, block: slice) -> NDArray[np.floating]:
        values = self.whole[self.rows[block]]
        return values if len(self.classes) == values.shape[1] else values[:, self.classes]


def checked_mass(
    targets: SoftTargets, rows: NDArray[np.int64], weights: NDArray[np.float64], kept: NDArray[np.int64], *, k: int,
    uids: Callable[[NDArray[np.int64]], list[str]] | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """(k,) weight of each class in targets (m, k) of rows (m,), over the positions `kept`.

    Raises ReweighError for another shape, and for a kept row whose numbers are below 0 or do not sum to 1 within 0.001.
    """
    if tuple(targets.shape) != (len(rows), k):
        raise ReweighError(
            f"Targets of {len(rows)} images and {k} classes must have shape {(len(rows), k)}, found {tuple(targets.shape)}."
        )
    mass = np.zeros(k)
    size = max(BLOCK_BYTES // (8 * k), 1)
    for start in range(0, len(kept), size):
        here = kept[start : start + size]
        block = np.asarray(targets[here])
        sums = block.sum(axis=1, dtype=np.float64)
        bad = np.flatnonzero(~((block.min(axis=1) >= 0) & (np.abs(sums - 1) <= 1e-3)))
        if len(bad):
            raise ReweighError(
                f"Targets must be 0 or more and sum to 1; those of {name_row(rows[here[bad[0]]], uids)} "
                f"sum to {sums[bad[0]]:.4g}, the lowest is {block[bad[0]].min():.4g}."
            )
        mass += weights[here] @ block
    return mass
