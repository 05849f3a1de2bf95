"""What a probe refuses: the row is named, by its uid where uids are at hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

Uids = Callable[[NDArray[np.int64]], list[str]]


def check_weights(
    weights: NDArray[np.floating] | None, rows: NDArray[np.int64], *, uids: Uids | None = None
) -> NDArray[np.float64]:
    """The weights (m,) float64, ones where None. Refuses none above 0, negative or infinite ones, another length."""
    if len(rows) == 0:
        raise ReweighError("A probe needs images to learn from, found none.")
    if weights is None:
        return np.ones(len(rows))
    values = np.asarray(weights, np.float64)
    if values.shape != rows.shape:
        raise ReweighError(f"A probe of {len(rows)} images needs as many weights, found shape {values.shape}.")
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        raise ReweighError(
            f"Weights must be finite and 0 or more; {name_row(rows[bad[0]], uids)} has {values[bad[0]]}."
        )
    if not values.any():
        raise ReweighError(f"All {len(rows)} weights are 0: a probe has nothing to learn from.")
    return values


def check_labels(
    labels: NDArray, rows: NDArray[np.int64], *, k: int, uids: Uids | None = None, lowest: int = 0
) -> None:
    """Refuses labels that are no integers in `lowest`..k-1 or not one a row."""
    if labels.shape != rows.shape:
        raise ReweighError(f"{len(rows)} images need as many labels, found shape {labels.shape}.")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ReweighError(
            f"Labels must be integers, found {labels.dtype}; distributions have shape (images, classes)."
        )
    bad = np.flatnonzero((labels < lowest) | (labels >= k))
    if len(bad):
        label = labels[bad[0]]
        hint = " (-1 is no label: give it weight 0)" if label == -1 else ""
        raise ReweighError(f"Labels must lie in {lowest}..{k - 1}; {name_row(rows[bad[0]], uids)} has {label}{hint}.")


def check_finite(
    block: NDArray[np.float32], rows: NDArray[np.int64], *, uids: Uids | None = None
) -> NDArray[np.float32]:
    """The block (b, d) itself. Refuses NaN and infinite features, naming the image."""
    if not np.isfinite(np.dot(block.sum(axis=1, dtype=np.float64), np.ones(len(block)))):
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(bad):
            raise ReweighError(
                f"Features must be finite numbers; those of {name_row(rows[bad[0]], uids)} are not. "
                "A backbone that overflows in half precision does this: extract again with precision = float32."
            )
    return block


def name_row(row: np.integer, uids: Uids | None) -> str:
    """'image <uid>', or 'row <number>' where no uids are known."""
    return f"row {row}" if uids is None else f"image {uids(np.array([row], np.int64))[0]}"
