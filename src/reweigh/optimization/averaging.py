"""The exponential moving average of a network's weights over the steps of its training."""

from __future__ import annotations

import torch
from torch import nn


class Average:
    """Average of a module's parameters and running statistics; the average, not the last step, becomes the model.

    After step t (from 0) the average keeps min(decay, (1 + t) / (10 + t)) of itself: at first it follows closely, so that
    the random beginning is soon forgotten (the warm-up of TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, *, step: int) -> None:
        """Take the weights after a step (from 0) into the average; whole numbers, such as counters, are copied."""
        keep = decay_at(step, decay=self.decay)
        current = module.state_dict()
        moving = [name for name, value in self.values.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.values[n] for n in moving], [current[n].detach() for n in moving], 1 - keep)
        for name, value in self.values.items():
            if not value.is_floating_point():
                value.copy_(current[name])

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
