"""Optimisers of networks by name, what of a network they hold back, and how a rate reaches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from reweigh.errors import look_up
from reweigh.timm_import import timm_part

Groups = list[dict[str, Any]]


def parameter_groups(
    module: nn.Module, *, weight_decay: float, head: Sequence[str] = (), head_rate: float = 1.0
) -> Groups:
    """The module's trainable parameters in at most four groups, with `weight_decay` and `rate_scale` of each.

    Vectors and single numbers (biases, normalisation) are not held back. What lies under a name of `head` learns
    `head_rate` times as fast.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.partition(".")[0] in head, parameter.ndim <= 1), []).append(parameter)
    return [
        {"params": found, "weight_decay": 0.0 if is_vector else weight_decay, "rate_scale": head_rate if is_head else 1.0}
        for (is_head, is_vector), found in sorted(groups.items())
    ]  # fmt: skip


def make_optimizer(
    name: str, groups: Groups, *, rate: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """The optimiser of this name over groups of parameters; `momentum` is read by SGD and LARS."""
    made = look_up(name, OPTIMIZERS, kind="optimizer")(groups, rate=rate, momentum=momentum, weight_decay=weight_decay)
    set_rate(made, rate)
    return made


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let each group learn at this rate times its own scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate_scale"]


def _sgd(groups: Groups, *, rate: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0, weight_decay=weight_decay)


def _adamw(groups: Groups, *, rate: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=rate, weight_decay=weight_decay)


def _lars(groups: Groups, *, rate: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """You et al. 2017, timm's."""
    made: torch.optim.Optimizer = timm_part("optim").Lars(groups, lr=rate, momentum=momentum, weight_decay=weight_decay)
    return made


def _lamb(groups: Groups, *, rate: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """You et al. 2020, timm's."""
    made: torch.optim.Optimizer = timm_part("optim").Lamb(groups, lr=rate, weight_decay=weight_decay)
    return made


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": _sgd,
    "adamw": _adamw,
    "lars": _lars,
    "lamb": _lamb,
}
