"""One step of training: forward, loss, gradients, the optimiser; and the state that a resume needs."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from reweigh.errors import ReweighError
from reweigh.optimization.averaging import Average
from reweigh.optimization.losses import row_losses
from reweigh.optimization.optimizers import make_optimizer, parameter_groups, set_rate
from reweigh.optimization.schedules import rate_factor, scaled_rate
from reweigh.ranks import Ranks
from reweigh.training.bags import BAG_HEAD
from reweigh.training.checkpoints import optimizer_tensors, restore_optimizer
from reweigh.training.classifier import HEAD, Classifier
from reweigh.training.mixing import Mixing, mix_images, mixed_losses, mixing_of_step
from reweigh.training.settings import FinetuneSettings

STEP = 7
"""Purpose of the draws in SeedSequence([seed, purpose, rank, step])."""
ONE_VALUE = "Expected more than 1 value per channel"
"""How torch's batch normalisation begins its refusal of a single image whose feature map is down to one pixel."""
Part = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Stepper:
    """A classifier on its device with all that changes from step to step.

    On several ranks gradients are averaged by DistributedDataParallel; the process group is open already.
    """

    def __init__(
        self, classifier: Classifier, normalise: nn.Module, settings: FinetuneSettings, *, total: int, batch: int,
        device: str, precision: str, ranks: Ranks,
    ) -> None:  # fmt: skip
        self.settings, self.total, self.ranks, self.device = settings, total, ranks, device
        self.kind = device.partition(":")[0]
        self.classifier = classifier.to(device).train()
        self.normalise = normalise
        self.arithmetic = arithmetic(settings.autocast, precision, self.kind)
        self.scaler = torch.amp.GradScaler(self.kind, enabled=self.arithmetic == torch.float16)
        groups = parameter_groups(
            self.classifier, weight_decay=settings.weight_decay, head=(HEAD, BAG_HEAD), head_rate=settings.head_rate
        )
        self.highest_rate = scaled_rate(settings.learning_rate, batch=batch)
        self.rate = 0.0
        self.optimizer = make_optimizer(
            settings.optimizer, groups, rate=self.highest_rate, momentum=settings.momentum, weight_decay=settings.weight_decay
        )  # fmt: skip
        self.average = Average(self.classifier, decay=settings.averaging) if settings.averaging else None
        self.forward = self._forward_module()

    def _forward_module(self) -> nn.Module:
        module: nn.Module = self.classifier
        if self.ranks.world > 1:
            module = nn.parallel.DistributedDataParallel(
                module, device_ids=[torch.device(self.device)] if self.kind == "cuda" else None
            )
        return torch.compile(module) if self.settings.compile else module  # type: ignore[return-value]

    def step(
        self, parts: Sequence[Part], *, step: int, seed: int, n_steps: int, weight: float, shares: list[torch.Tensor] | None = None
    ) -> torch.Tensor:  # fmt: skip
        """One step on this rank's parts (images as `normalise` takes them, targets (b,) or (b, k), weights (b,)); gradients add up.

        `weight`: the sum of the weights of the step on all ranks, by which the losses are divided.
        With bags, `shares` gets each part's (b,) shares of the images in their bags.
        Returns (4,) on the device: sum of weighted losses, of weights, right predictions, images.
        """
        warmup = min(round(self.settings.warmup_epochs * n_steps), self.total // 2)
        self.rate = self.highest_rate * rate_factor(
            step, n_steps=self.total, warmup_steps=warmup, schedule=self.settings.schedule
        )
        set_rate(self.optimizer, self.rate)
        _seed(self.kind, _state_of(seed, self.ranks.rank, step))  # dropout, stochastic depth
        totals = torch.zeros(4, device=self.device)
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            alone = nullcontext() if is_last or self.ranks.world == 1 else self.forward.no_sync()  # type: ignore[operator]
            mixing = mixing_of_step(
                self.settings.augmentation, seed=seed, epoch=step // n_steps, step=(step % n_steps) * len(parts) + number,
                rank=self.ranks.rank, b=len(part[0]), size=part[0].shape[-1],
            )  # fmt: skip
            with alone:
                loss, found = self._losses(part, mixing, shares)
                # DistributedDataParallel takes the mean over ranks; the sum is wanted.
                self.scaler.scale(loss * (self.ranks.world / max(weight, 1e-30))).backward()
            totals += found
        self._update(step)
        return totals

    def _losses(
        self, part: Part, mixing: Mixing | None, shares: list[torch.Tensor] | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(sum of weighted losses, totals) of one part."""
        images, targets, weights = (value.to(self.device, non_blocking=True) for value in part)
        inputs = self.normalise(images)
        if mixing is not None:
            inputs = mix_images(inputs, mixing)
        with torch.autocast(self.kind, self.arithmetic, enabled=self.arithmetic != torch.float32):
            logits, of_bags, found = self._forward(inputs)
        logits = logits.float()

        def per_row(wanted: torch.Tensor) -> torch.Tensor:
            return row_losses(
                logits,
                wanted,
                loss=self.settings.loss,
                label_smoothing=self.settings.label_smoothing,
                q=self.settings.q,
                beta=self.settings.beta,
            )

        losses, weighed = mixed_losses(per_row, targets, weights, mixing)
        loss = losses.sum()
        if of_bags is not None:
            loss = loss + self.settings.bags.weight * self._bag_losses(of_bags.float(), targets, weights).sum()
            if shares is not None:
                shares.append(found)
        given = targets if targets.ndim == 1 else targets.argmax(dim=1)
        right = (logits.detach().argmax(dim=1) == given).sum()
        count = torch.tensor(float(len(images)), device=self.device)
        return loss, torch.stack([loss.detach(), weighed.sum(), right.float(), count])

    def _forward(self, inputs: torch.Tensor) -> Any:
        """What the classifier gives. Raises ReweighError where batch normalisation is left with one value a channel."""
        try:
            return self.forward(inputs)
        except ValueError as cause:
            if len(inputs) > 1 or not str(cause).startswith(ONE_VALUE):
                raise
            raise ReweighError(
                "This network normalises over the images of a batch, and one batch has a single image: give more images, a finetune.batch and "
                "finetune.micro_batch of 2 or more, or finetune.frozen_statistics = true."
            ) from cause

    def _bag_losses(self, logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """(b / size,) of bags, each by the mean weight of its images and, as the step divides by images, size times as much."""
        size = self.settings.bags.size
        of_bags = targets.unflatten(0, (-1, size))
        wanted = of_bags[:, 0] if targets.ndim == 1 else of_bags.mean(dim=1)
        own = row_losses(
            logits,
            wanted,
            loss=self.settings.loss,
            label_smoothing=self.settings.label_smoothing,
            q=self.settings.q,
            beta=self.settings.beta,
        )
        return own * weights.unflatten(0, (-1, size)).sum(dim=1)

    def _update(self, step: int) -> None:
        if self.settings.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.classifier.parameters(), self.settings.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.classifier, step=step)

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors and JSON from which `restore` goes on to the same bits."""
        tensors = {f"classifier.{name}": value for name, value in self.classifier.state_dict().items()}
        own, record = optimizer_tensors(self.optimizer)
        tensors |= {f"optimizer.{name}": value for name, value in own.items()}
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.tensors().items()}
        return tensors, {"optimizer": record, "scaler": self.scaler.state_dict()}

    def restore(self, tensors: dict[str, torch.Tensor], record: dict[str, Any]) -> None:
        """Put a state back."""
        parts = {name: _under(tensors, f"{name}.") for name in ("classifier", "optimizer", "average")}
        self.classifier.load_state_dict(parts["classifier"])
        restore_optimizer(self.optimizer, parts["optimizer"], record["optimizer"])
        if self.average is not None:
            self.average.restore(parts["average"])
        if record["scaler"]:
            self.scaler.load_state_dict(record["scaler"])

    def let_go(self) -> None:
        """Leave the other ranks: DistributedDataParallel must be gone before the process group is."""
        self.forward = self.classifier
        gc.collect()

    def trained_tensors(self) -> dict[str, torch.Tensor]:
        """The classifier's tensors, averaged where that is wished, on the CPU. Raises ReweighError where one is not finite."""
        found = self.classifier.state_dict() if self.average is None else self.average.tensors()
        made = {name: value.detach().cpu().contiguous().clone() for name, value in found.items()}
        broken = [name for name, value in made.items() if value.is_floating_point() and not value.isfinite().all()]
        if broken:
            raise ReweighError(
                f"The trained network holds numbers that are not finite, first in {broken[0]}; lower finetune.learning_rate."
            )
        return made


def arithmetic(autocast: str, precision: str, kind: str) -> torch.dtype:
    """The type of products under `autocast`; `auto` is the run's precision, float16 needs a GPU."""
    name = precision if autocast == "auto" else autocast
    if name == "float16" and kind == "cpu":
        raise ReweighError('finetune.autocast = "float16" needs a GPU; on a CPU take bfloat16 or float32.')
    found: torch.dtype = getattr(torch, name)
    return found


def _state_of(seed: int, rank: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, STEP, rank, step]).generate_state(1, np.uint64)[0] >> 1)


def _seed(kind: str, state: int) -> None:
    """As torch.manual_seed; without a GPU that takes .2 ms, to remember for later who called it."""
    (torch.default_generator if kind == "cpu" else torch).manual_seed(state)


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
