"""Losses of single rows, against labels or soft targets; weights come afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from reweigh.errors import look_up

LEAST_LOG = -4.0
"""log 0 of the symmetric cross-entropy (Wang et al. 2019, A = -4)."""
SYMMETRIC = (0.1, 1.0)
"""Its weights of the cross-entropy and of the reverse one (CIFAR-10's in that paper)."""


def row_losses(
    logits: torch.Tensor, targets: torch.Tensor, *, loss: str, label_smoothing: float = 0.0, q: float = 0.7, beta: float = 0.8
) -> torch.Tensor:  # fmt: skip
    """(b,) float32 losses of logits (b, k) of any type against labels (b,) int64, or targets (b, k) whose rows sum to 1.

    label_smoothing e: the target becomes (1 - e) t + e / k. `q` is read by the generalised cross-entropy, `beta` by
    bootstrapping.
    """
    of_row = look_up(loss, LOSSES, kind="loss")
    if label_smoothing:
        targets = _smoothed(targets, logits.shape[1], label_smoothing)
    return of_row(logits.float(), targets if targets.ndim == 1 else targets.float(), q=q, beta=beta)


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor, **_: Any) -> torch.Tensor:
    """-sum_c t_c log p_c, (b,)."""
    return F.cross_entropy(logits, targets, reduction="none")


def generalised_cross_entropy(logits: torch.Tensor, targets: torch.Tensor, *, q: float, **_: Any) -> torch.Tensor:
    """sum_c t_c (1 - p_c^q) / q, (b,): Zhang and Sabuncu 2018, eq. 6. At q -> 0 the cross-entropy, at 1 1 - p.

    From log p: the slope of p^q is infinite at p = 0, and 1 - p^q loses its digits at small q.
    """
    log_p = F.log_softmax(logits, dim=1)
    if targets.ndim == 1:
        return -torch.expm1(q * _chosen(log_p, targets)) / q
    return -(targets * torch.expm1(q * log_p)).sum(dim=1) / q


def bootstrapping(logits: torch.Tensor, targets: torch.Tensor, *, beta: float, **_: Any) -> torch.Tensor:
    """-sum_c [beta t_c + (1 - beta) 1{c = argmax p}] log p_c, (b,): hard bootstrapping, Reed et al. 2014, eq. 7.

    URNet's slides print it without the minus sign. No gradient goes through the argmax.
    """
    own = F.cross_entropy(logits, targets, reduction="none")
    best = F.cross_entropy(logits, logits.detach().argmax(dim=1), reduction="none")
    return beta * own + (1 - beta) * best


def symmetric_cross_entropy(logits: torch.Tensor, targets: torch.Tensor, **_: Any) -> torch.Tensor:
    """.1 CE(t, p) + 1 CE(p, t) with log 0 = -4, (b,): Wang et al. 2019, eqs 6 and 7.

    -sum_c p_c log t_c is 4 (1 - p_y) for a label y. Of soft targets, a t_c below e^-4 counts as 0, so that the loss is
    continuous in them.
    """
    forward, reverse = SYMMETRIC
    if targets.ndim == 1:
        log_p = F.log_softmax(logits, dim=1)
        backward = LEAST_LOG * torch.expm1(_chosen(log_p, targets))
        return reverse * backward - forward * _chosen(log_p, targets)
    p = F.softmax(logits, dim=1)
    backward = -(p * targets.clamp(min=math.exp(LEAST_LOG)).log()).sum(dim=1)
    return forward * cross_entropy(logits, targets) + reverse * backward


def _chosen(values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(b,) each row's value (b, k) at its label."""
    return values.gather(1, targets[:, None]).squeeze(1)


def _smoothed(targets: torch.Tensor, k: int, share: float) -> torch.Tensor:
    """(b, k) float32"""
    wanted = F.one_hot(targets, k) if targets.ndim == 1 else targets
    return (1 - share) * wanted.float() + share / k


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "cross_entropy": cross_entropy,
    "generalised_cross_entropy": generalised_cross_entropy,
    "symmetric_cross_entropy": symmetric_cross_entropy,
    "bootstrapping": bootstrapping,
}
