"""What similar images say of a row's class: evidence beside its own probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reweigh.probes.log_probabilities import LogProbabilities
from reweigh.verdicts.candidates import Candidates, row_blocks

N_LOOK_ALIKES = 15
"""Nearest images that are asked."""
LEAST_ROWS = 0.1
"""Rows' worth of a class that has vanished: without it a class nobody believes in any more gives NaN."""


def asked(indices: NDArray[np.integer], n: int) -> sparse.csr_matrix:
    """(q, n) matrix of ones at the nearest rows of each query. indices (q, m), the nearest first, -1 = missing."""
    nearest = indices[:, :N_LOOK_ALIKES]
    there = nearest >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    ones = np.ones(int(starts[-1]), np.float32)
    return sparse.csr_matrix((ones, nearest[there].astype(np.int32), starts), shape=(len(nearest), n))


def beliefs(candidates: Candidates, q: NDArray[np.float32]) -> NDArray[np.float32] | sparse.csr_matrix:
    """(n, k) posterior of each row: as it is where all classes are kept, else a sparse matrix of the candidates."""
    if candidates.is_whole:
        return q
    n, m = candidates.n, candidates.m
    starts = np.arange(0, n * m + 1, m)
    return sparse.csr_matrix((q[:, :m].ravel(), candidates.classes.ravel(), starts), shape=(n, candidates.k))


def as_log_probabilities(candidates: Candidates, q: NDArray[np.float32]) -> LogProbabilities:
    """The posterior of each row in the form in which probabilities are stored."""
    logs = np.log(np.maximum(q, np.float32(1e-30)))
    if candidates.is_whole:
        return LogProbabilities(k=candidates.k, dense=logs.astype(np.float16))
    order = np.argsort(-q[:, : candidates.m], axis=1, kind="stable")
    return LogProbabilities(
        k=candidates.k,
        indices=np.take_along_axis(candidates.classes, order, 1).astype(np.int32),
        values=np.take_along_axis(logs, order, 1).astype(np.float16),
        remaining=q[:, candidates.m].copy(),
    )


def stored_beliefs(stored: LogProbabilities) -> NDArray[np.float32] | sparse.csr_matrix:
    """(n, k) posterior of each row, as `beliefs` gives it."""
    if stored.dense is not None:
        return np.exp(stored.dense.astype(np.float32))
    assert stored.indices is not None and stored.values is not None
    n, m = stored.indices.shape
    values = np.exp(stored.values.astype(np.float32)).ravel()
    return sparse.csr_matrix((values, stored.indices.ravel(), np.arange(0, n * m + 1, m)), shape=(n, stored.k))


def look_alike_evidence(
    votes: sparse.csr_matrix, believed: NDArray[np.float32] | sparse.csr_matrix, candidates: Candidates
) -> NDArray[np.float32]:
    """L_2 of each row's candidates, in the shape of their `log_p`.

    L_2(i, z) = log((sum over the K nearest j of q_j(z) + f_z) / (K + 1)) - log f_z, f_z = max(mean q(z), .1 / n): their posteriors,
    not their given labels, which would pass on the noise (F1 .945 against .866 with pair noise). votes (n, r), believed (r, k).
    The last term is there because a class of ten images cannot have more than nine look-alikes (AUROC .879 to .908,
    .922 to .933, .895 to .904 on three sets of size ratio 10).
    """
    floor = np.maximum(np.asarray(believed.mean(axis=0)).ravel(), LEAST_ROWS / believed.shape[0]).astype(np.float32)
    n_asked = np.asarray(votes.sum(axis=1)).ravel()
    result = np.empty(candidates.log_p.shape, np.float32)
    for start, stop in row_blocks(candidates.n, 4 * candidates.k):
        said = votes[start:stop] @ believed
        said = said.toarray() if sparse.issparse(said) else np.asarray(said)
        said /= floor
        said += 1
        said /= n_asked[start:stop, None] + 1
        classes = candidates.classes_of(slice(start, stop)).astype(np.int64)
        result[start:stop, : candidates.m] = np.log(np.take_along_axis(said, classes, 1))
    if not candidates.is_whole:
        result[:, candidates.m] = -np.log(n_asked + 1)
    return result


def mean_of_look_alikes(votes: sparse.csr_matrix, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n,) mean of `values` (r,) over each row's look-alikes; the row's mean of all where it has none."""
    n_asked = np.asarray(votes.sum(axis=1)).ravel()
    total = votes @ np.asarray(values, np.float64)
    return np.where(n_asked > 0, total / np.maximum(n_asked, 1), float(np.mean(values)))
