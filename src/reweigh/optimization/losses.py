"""Losses of single rows, against labels or soft targets; weights come afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

LEAST_LOG = -4.0
"""log 0 of the symmetric cross-entropy (Wang et al. 2019, A = -4)."""
SYMMETRIC = (0.1, 1.0)
"""Its weights of the cross-entropy and of the reverse one (CIFAR-10's in that paper)."""
LEAST_PROBABILITY = 1e-7
"""p^q has an infinite slope at 0; below this probability the generalised cross-entropy has none."""


def row_losses(
    logits: torch.Tensor, targets: torch.Tensor, *, loss: str, label_smoothing: float = 0.0, q: float = 0.7
) -> torch.Tensor:
    """(b,) float32 losses of logits (b, k) against labels (b,) int64, or targets (b, k) whose rows sum to 1.

    label_smoothing e: the target becomes (1 - e) t + e / k. `q` is read by the generalised cross-entropy.
    """
    k = logits.shape[1]
    wanted = F.one_hot(targets, k).float() if targets.ndim == 1 else targets.float()
    if label_smoothing:
        wanted = (1 - label_smoothing) * wanted + label_smoothing / k
    return LOSSES[loss](logits.float(), wanted, q=q)


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor, **_: Any) -> torch.Tensor:
    """-sum_c t_c log p_c, (b,)."""
    return -(targets * F.log_softmax(logits, dim=1)).sum(dim=1)


def generalised_cross_entropy(logits: torch.Tensor, targets: torch.Tensor, *, q: float) -> torch.Tensor:
    """sum_c t_c (1 - p_c^q) / q, (b,): Zhang and Sabuncu 2018, eq. 6. At q -> 0 the cross-entropy, at 1 1 - p."""
    p = F.softmax(logits, dim=1).clamp(min=LEAST_PROBABILITY)
    return (targets * (1 - p**q) / q).sum(dim=1)


def symmetric_cross_entropy(logits: torch.Tensor, targets: torch.Tensor, **_: Any) -> torch.Tensor:
    """.1 CE(t, p) + 1 CE(p, t) with log 0 = -4, (b,): Wang et al. 2019, eqs 6 and 7."""
    forward, reverse = SYMMETRIC
    log_targets = targets.clamp(min=1e-30).log().clamp(min=LEAST_LOG)
    return forward * cross_entropy(logits, targets) - reverse * (F.softmax(logits, dim=1) * log_targets).sum(dim=1)


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "cross_entropy": cross_entropy,
    "generalised_cross_entropy": generalised_cross_entropy,
    "symmetric_cross_entropy": symmetric_cross_entropy,
}
