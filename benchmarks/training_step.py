"""A training step of finetuning against a bare PyTorch loop: same network, batch, optimiser and images, nothing decoded.

    OMP_NUM_THREADS=1 python benchmarks/training_step.py [--network resnet18] [--size 64] [--batch 32] [--steps 40] [--out F]

Claim: finetuning takes less than 3 % longer a step than forward, loss, backward and optimiser step written by hand. Ours
counts all that lies between two batches: plan, rate, seeds, weights, totals, the log. Images are uint8 in memory in both;
our loader is replaced by one that hands them out, and which takes turns with the bare loop: `--block` steps of ours, as
many of the bare one. Figures are medians over the blocks, of wall-clock time and of processor time (which other programs
disturb less); the ratio is the median of the ratios of neighbours. That both do the same work is shown by their losses.
With `--settings a=b ...` the same with settings of `finetune` on our side alone: what averaging, clipping or mixup cost.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from reweigh.features.backbones import resolve_backbone
from reweigh.features.settings import BackboneSettings
from reweigh.images.settings import AugmentationSettings, ImageSettings
from reweigh.training import finetuning
from reweigh.training.classifier import make_classifier
from reweigh.training.finetuning import FinetuneTask, finetune
from reweigh.training.loader import Item, TrainingBatch
from reweigh.training.settings import FinetuneSettings
from reweigh.training.training_log import read_log

K = 100
RATE = 0.01
KEPT = 8
"""Batches of images in memory, used again and again."""
WARM = 3
"""Blocks that are not counted."""


@dataclass
class Clock:
    """Seconds of blocks, by wall clock and by processor."""

    device: str
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    begun: tuple[float, float] | None = None

    def start(self) -> None:
        _settle(self.device)
        self.begun = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        if self.begun is None:
            return
        _settle(self.device)
        self.wall.append(time.perf_counter() - self.begun[0])
        self.processor.append(time.process_time() - self.begun[1])


def main() -> None:
    """Train by both in turns; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--block", type=int, default=1, help="steps between turns; 10 or more on a GPU")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--autocast", default="float32")
    parser.add_argument("--settings", nargs="*", default=[], help="of finetune, on our side alone: averaging=.999")
    parser.add_argument("--out", type=Path, help="also write the raw figures here, as JSON")
    chosen = parser.parse_args()
    found = measured(chosen)
    ratios = {clock: overhead(found["ours"][clock], found["bare"][clock]) for clock in ("wall", "processor")}
    print(
        f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads, {chosen.device}; {chosen.network}, "
        f"{chosen.size} px, batch {chosen.batch}, {chosen.autocast} {' '.join(chosen.settings)}"
    )
    for name in ("bare", "ours"):
        said = (f"{clock} {1e3 * middle(found[name][clock]) / chosen.block:8.2f} ms" for clock in ratios)
        print(f"  {name:5s} {'   '.join(said)} a step")
    said = (
        f"{clock} {100 * low:+.2f} {100 * mid:+.2f} {100 * high:+.2f} %" for clock, (low, mid, high) in ratios.items()
    )
    print(f"  overhead (95 % interval about the median) {'   '.join(said)}")
    print(f"  mean loss {found['ours']['loss']:.5f}, bare {found['bare']['loss']:.5f}")
    if chosen.out:
        chosen.out.write_text(
            json.dumps({**found, "overhead": ratios, **vars(chosen) | {"out": str(chosen.out)}}, indent=1)
        )


def measured(chosen: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Seconds of each counted block and the mean loss, of `ours` and `bare`."""
    task = task_of(chosen)
    generator = torch.Generator().manual_seed(0)
    stored = torch.randint(
        256, (KEPT * chosen.batch, chosen.size, chosen.size, 3), dtype=torch.uint8, generator=generator
    )
    stored = stored.permute(0, 3, 1, 2)
    bare_step = bare_loop(task, stored)
    ours, bare, losses = Clock(chosen.device), Clock(chosen.device), []

    def in_turns(items: Iterable[Item], *_: Any, **__: Any) -> Iterator[TrainingBatch]:
        items = iter(items)
        while block := list(islice(items, chosen.block)):
            ours.stop()
            bare.start()
            losses.extend(bare_step(item.rows) for item in block)
            bare.stop()
            ours.start()
            for item in block:
                yield TrainingBatch(rows=item.rows, images=stored[item.rows % len(stored)], failures=())

    finetuning.training_batches = in_turns  # type: ignore[assignment]  # images in memory in the place of the loader
    with tempfile.TemporaryDirectory() as folder:
        finetune(task, Path(folder), key="benchmark")
        own_losses = [line["loss"] for line in read_log(Path(folder))]
    return {
        "ours": {"wall": ours.wall[WARM:], "processor": ours.processor[WARM:], "loss": statistics.fmean(own_losses)},
        "bare": {
            "wall": bare.wall[WARM:-1], "processor": bare.processor[WARM:-1], "loss": float(torch.stack(losses).mean())
        },
    }  # fmt: skip


def task_of(chosen: argparse.Namespace) -> FinetuneTask:
    """One epoch of so many steps, so that the only checkpoint falls behind the last block."""
    n = chosen.steps * chosen.batch
    settings = FinetuneSettings(
        start="random", epochs=1, batch=chosen.batch, learning_rate=RATE * 256 / chosen.batch, warmup_epochs=0.0, schedule="constant",
        weight_decay=0.0, autocast=chosen.autocast, augmentation=AugmentationSettings(crop="center", flip=0.0),
    )  # fmt: skip
    changes = dict(pair.split("=", 1) for pair in chosen.settings)
    mixing = {name: float(changes.pop(name)) for name in ("mixup", "cutmix") if name in changes}
    settings = replace(
        settings, **{name: type(getattr(settings, name))(value) for name, value in changes.items()},
        augmentation=replace(settings.augmentation, **mixing),
    )  # fmt: skip
    network = BackboneSettings(name=chosen.network, input_size=chosen.size)
    return FinetuneTask(
        settings=settings, network=resolve_backbone(network, device=chosen.device, is_pretrained=False), k=K, rows=np.arange(n),
        targets=np.arange(n) % K, weights=np.ones(n), locate=lambda rows: [None] * len(rows), uids=lambda rows: [str(r) for r in rows],
        images=ImageSettings(), device=chosen.device, precision="float32", seed=0,
    )  # fmt: skip


def bare_loop(task: FinetuneTask, stored: torch.Tensor) -> Callable[[np.ndarray], torch.Tensor]:
    """A step on these rows, as one writes it by hand; returns its loss."""
    network, view = make_classifier(
        task.network, k=task.k, dropout=0.0, frozen_statistics=False, is_pretrained=False, seed=0
    )
    network = network.to(task.device).train()
    is_last = any(p.ndim == 4 and not p.is_contiguous() for p in network.parameters())
    layout = torch.channels_last if is_last else torch.contiguous_format
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9, nesterov=True)
    mean, std = (255 * torch.tensor(v, device=task.device).view(3, 1, 1) for v in (view.mean, view.std))
    kind = task.device.partition(":")[0]
    arithmetic = getattr(torch, task.settings.autocast)

    def step(rows: np.ndarray) -> torch.Tensor:
        images = stored[rows % len(stored)].to(task.device, non_blocking=True)
        labels = torch.from_numpy(task.targets[rows]).to(task.device, non_blocking=True)
        inputs = images.to(torch.float32, memory_format=layout).sub_(mean).div_(std)
        with torch.autocast(kind, arithmetic, enabled=arithmetic != torch.float32):
            loss = F.cross_entropy(network(inputs), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


def overhead(ours: list[float], bare: list[float]) -> tuple[float, float, float]:
    """Of the blocks' ratios to the bare one just before, less 1: the median, between the ends of its 95 % interval.

    The interval of a median by order statistics: n / 2 -+ .98 sqrt(n) ratios lie below its ends.
    """
    ratios = sorted(a / b - 1 for a, b in zip(ours, bare, strict=True))
    n, margin = len(ratios), 0.98 * len(ratios) ** 0.5
    low, high = max(int(n / 2 - margin), 0), min(int(n / 2 + margin) + 1, n - 1)
    return ratios[low], statistics.median(ratios), ratios[high]


def middle(seconds: list[float]) -> float:
    return statistics.median(seconds)


def _settle(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
