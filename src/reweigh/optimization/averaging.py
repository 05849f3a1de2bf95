"""The exponential moving average of a network's weights over the steps of its training."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """Average of a module's parameters and running statistics; the average, not the last step, becomes the model.

    After step t (from 0) the average keeps min(decay, (1 + t) / (10 + t)) of itself: at first it follows closely, so that
    the random beginning is soon forgotten (the warm-up of TensorFlow's ExponentialMovingAverage). Half-precision numbers
    are averaged as float32: a ten-thousandth of a bfloat16 number changes nothing of it.
    """

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.values = {name: _kept(value) for name, value in module.state_dict().items()}
        self._moving = [name for name, value in self.values.items() if value.is_floating_point()]
        self._counters = [name for name, value in self.values.items() if not value.is_floating_point()]

    @torch.no_grad()
    def update(self, module: nn.Module, *, step: int) -> None:
        """Take the weights after a step (from 0) into the average; whole numbers, such as counters, are copied."""
        current = module.state_dict(keep_vars=True)  # detached, it takes half as long again
        average = [self.values[name] for name in self._moving]
        if average:
            take = get_ema_multi_avg_fn(decay_at(step, decay=self.decay))
            take(average, [current[n].to(v.dtype) for n, v in zip(self._moving, average, strict=True)], step)
        for name in self._counters:
            self.values[name].copy_(current[name])

    def tensors(self) -> dict[str, torch.Tensor]:
        """The average, by the module's names."""
        return dict(self.values)

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Put a stored average back."""
        for name, value in self.values.items():
            value.copy_(tensors[name])


def decay_at(step: int, *, decay: float) -> float:
    """Share of itself that the average keeps after a step (from 0)."""
    return min(decay, (1 + step) / (10 + step))


def _kept(value: torch.Tensor) -> torch.Tensor:
    is_half = value.is_floating_point() and value.element_size() < 4
    return value.detach().to(torch.float32) if is_half else value.detach().clone()
