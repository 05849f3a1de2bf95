"""Targets t_i = share_i onehot(y_i) + (1 - share_i) q_i, made a block at a time: (n, k) is never in memory. URNet eq. 10."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reweigh.probes.log_probabilities import LogProbabilities
from reweigh.targets.settings import Form


@dataclass(frozen=True, kw_only=True)
class LabelTargets:
    """Targets of n images over k classes; `SoftTargets` of a probe, and what finetuning reads batch by batch."""

    labels: NDArray[np.int32]
    """(n,) given labels, 0..k-1"""
    shares: NDArray[np.float32]
    """(n,) of the label, 0 to 1"""
    predictions: LogProbabilities
    """(n, k) whose the rest is"""
    form: Form = "soft"
    top: int = 5
    """Classes kept by the form `top_k`"""

    @property
    def ndim(self) -> int:
        return 2

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.labels), self.predictions.k

    def __getitem__(self, at: NDArray[np.integer] | slice) -> NDArray[np.float32]:
        """(b, k) of these images; rows sum to 1."""
        positions = np.arange(*at.indices(len(self.labels))) if isinstance(at, slice) else np.asarray(at, np.int64)
        whole = self.predictions
        chosen = positions if whole.chosen is None else whole.chosen[positions]
        log_p = replace(whole, chosen=chosen).read(0, len(positions))
        return mixed_targets(
            self.labels[positions], self.shares[positions], log_p, form=self.form, top=self.top
        )  # fmt: skip


def mixed_targets(
    labels: NDArray[np.integer], shares: NDArray[np.floating], log_p: NDArray[np.float32], *, form: Form, top: int
) -> NDArray[np.float32]:
    """(b, k) float32: shares (b,) at labels (b,), the rest as log-probabilities (b, k) say in this form; log_p is overwritten."""
    q = _formed(np.exp(log_p, out=log_p), form=form, top=top)
    q *= (1 - shares)[:, None].astype(np.float32)
    q[np.arange(len(labels)), labels] += shares.astype(np.float32)
    return q


def _formed(p: NDArray[np.float32], *, form: Form, top: int) -> NDArray[np.float32]:
    if form == "hard":
        best = p.argmax(axis=1)
        p[:] = 0
        p[np.arange(len(p)), best] = 1
    elif form == "top_k" and top < p.shape[1]:
        largest = np.argsort(-p, axis=1, kind="stable")[:, :top]  # equal values by class number
        kept = np.take_along_axis(p, largest, 1)
        p[:] = 0
        np.put_along_axis(p, largest, kept / kept.sum(axis=1, keepdims=True), 1)
    return p
