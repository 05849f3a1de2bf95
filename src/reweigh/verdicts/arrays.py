"""Verdicts on labels from arrays: no catalog, no run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reweigh.errors import ReweighError
from reweigh.features.matrix import ArrayFeatures, FeatureMatrix
from reweigh.probes.log_probabilities import ArrayProbabilities, LogProbabilities, ProbabilityRows
from reweigh.progress import Progress, silent
from reweigh.verdicts.candidates import candidates_of
from reweigh.verdicts.judging import Asked, judge
from reweigh.verdicts.label_posterior import Truth
from reweigh.verdicts.look_alikes import N_LOOK_ALIKES
from reweigh.verdicts.record import LabelVerdicts

SAMPLE = 10_000
"""Rows whose probabilities are added up, to say where they are far from 1."""


def label_verdicts(
    labels: ArrayLike,
    probabilities: Any,
    features: ArrayLike | FeatureMatrix | None = None,
    *,
    groups: ArrayLike | None = None,
    verified: ArrayLike | None = None,
    truth: Truth = "auto",
    neighbours: ArrayLike | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> LabelVerdicts:
    """Which labels are wrong, how many, and what they should be.

    labels (n,): class numbers 0..k-1, -1 = none. probabilities (n, k): **held-out** predictions, each row's by a model
    that has not seen it (cleanlab's `pred_probs`): an array, a memory map, a torch tensor, a SciPy sparse matrix of the most
    probable classes, or a `LogProbabilities`; rows are scaled to sum to 1. features (n, d): embeddings; similar images
    make verdicts better and show images of none of the classes. groups (n,): rows of one number are not asked about each
    other. verified (n,): 1 the label is right, 0 wrong, NaN nobody looked; drawn at random, 50 or more of them choose
    how clear-cut the truth is and give the noise rate a 95 % interval. truth: "auto", or "clear" where every image is of one class even if
    the classifier doubts it: finds more flips near a boundary, flags more right labels. neighbours (n, m): nearest rows, -1 = missing,
    in the place of features. The same input gives the same result; `seed` is for the projection of features only.
    Raises ReweighError for what does not fit, naming argument and row.
    """
    rows = _rows_of(probabilities)
    given = _labels(labels, rows)
    indices = _indices(features, neighbours, len(given), groups, seed)
    person = np.full(len(given), np.nan, np.float32) if verified is None else _looks(verified, len(given))
    found = judge(
        Asked(candidates=candidates_of(rows, given), indices=indices, is_learnt=given >= 0, person=np.where(given >= 0, person, np.nan)),
        truth=truth, progress=progress,
    )  # fmt: skip
    return found.verdicts


def _rows_of(probabilities: Any) -> ProbabilityRows:
    from scipy import sparse

    from reweigh.verdicts.sparse_probabilities import SparseProbabilities

    if isinstance(probabilities, LogProbabilities):
        return probabilities
    if sparse.issparse(probabilities):
        return SparseProbabilities(sparse.csr_matrix(probabilities))
    values = _plain(probabilities)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
        raise ReweighError(f"probabilities must be floats of shape (n, k), found {values.dtype} {values.shape}.")
    return ArrayProbabilities(values)


def _plain(values: Any) -> NDArray[Any]:
    """A numpy array of an array, a list, or a torch tensor on any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values
        return np.asarray(values.numpy())
    return values if isinstance(values, np.ndarray) else np.asarray(values)


def _labels(labels: ArrayLike, rows: ProbabilityRows) -> NDArray[np.int32]:
    given = _plain(labels)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise ReweighError(f"labels must be class numbers of shape (n,), found {given.dtype} {given.shape}.")
    if len(given) != rows.n:
        raise ReweighError(f"{len(given):,} labels need as many rows of probabilities, found {rows.n:,}.")
    if not len(given):
        raise ReweighError("There are no labels: nothing to judge.")
    outside = np.flatnonzero((given < -1) | (given >= rows.k))
    if len(outside):
        raise ReweighError(
            f"labels must lie in 0..{rows.k - 1}, the classes of the probabilities, or be -1 (none); row {outside[0]} has "
            f"{given[outside[0]]} ({len(outside):,} such rows)."
        )
    return given.astype(np.int32)


def _indices(
    features: ArrayLike | FeatureMatrix | None, neighbours: ArrayLike | None, n: int, groups: ArrayLike | None, seed: int
) -> NDArray[np.integer] | None:  # fmt: skip
    """The nearest rows of each row, given or searched."""
    group = None if groups is None else _plain(groups)
    if group is not None and group.shape != (n,):
        raise ReweighError(f"groups must have shape ({n},), found {group.shape}.")
    if neighbours is not None:
        found = _plain(neighbours)
        if found.ndim != 2 or len(found) != n or not np.issubdtype(found.dtype, np.integer):
            raise ReweighError(f"neighbours must be rows of shape ({n}, m), found {found.dtype} {found.shape}.")
        if found.size and (found.min() < -1 or found.max() >= n):
            raise ReweighError(f"neighbours must be rows 0..{n - 1} or -1, found {found.min()} to {found.max()}.")
        same = found == np.arange(n)[:, None] if group is None else (found >= 0) & (group[found] == group[:, None])
        return np.where(same, -1, found)
    if features is None:
        return None
    matrix = features if hasattr(features, "read") else ArrayFeatures(_plain(features))
    if matrix.n != n:  # type: ignore[union-attr]
        raise ReweighError(f"{n:,} labels need as many rows of features, found {matrix.n:,}.")  # type: ignore[union-attr]
    from reweigh.features.neighbours import nearest_neighbours  # loads faiss

    numbers = None if group is None else np.unique(group, return_inverse=True)[1].astype(np.int64)
    return nearest_neighbours(matrix, np.arange(n), n_neighbours=N_LOOK_ALIKES, groups=numbers, seed=seed).indices  # type: ignore[arg-type]


def _looks(verified: ArrayLike, n: int) -> NDArray[np.float32]:
    values = _plain(verified).astype(np.float32)
    if values.shape != (n,) or not np.isin(values[~np.isnan(values)], (0, 1)).all():
        raise ReweighError(f"verified must hold 1 (right), 0 (wrong) or NaN, shape ({n},); found {values.shape}.")
    return values
