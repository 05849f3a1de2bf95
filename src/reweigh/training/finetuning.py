"""Finetuning: a network trained on images with weights and targets; killed at any step, it goes on to the same bits.

All that a step does follows from the seed and the step's number: rows, augmentation, mixing, dropout, learning rate. So a
checkpoint holds the network, the optimiser, the moving average and the last step consumed, and no state of any generator.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reweigh.cores import available_cores
from reweigh.errors import ReweighError
from reweigh.features.settings import BackboneSettings
from reweigh.images.settings import ImageSettings
from reweigh.optimization.schedules import scaled_rate
from reweigh.probes.soft_targets import SoftTargets
from reweigh.progress import Progress, silent
from reweigh.ranks import ALONE, Ranks, summed
from reweigh.training.bags import Saliency, bag_plan, first_counted_epoch
from reweigh.training.checkpoints import Checkpoint, last_checkpoint, write_checkpoint
from reweigh.training.classifier import Classifier, make_classifier, memory_format_of, normaliser, put_head, put_tensors
from reweigh.training.loader import Item, TrainingBatch, training_batches
from reweigh.training.sampling import checked_weights, epoch_rows, steps_of_epoch
from reweigh.training.settings import FinetuneSettings
from reweigh.training.stepping import Part, Stepper
from reweigh.training.stored_rows import Standardiser, StoredRows, hidden_classifier, stored_batches
from reweigh.training.training_log import training_log

if TYPE_CHECKING:
    from reweigh.catalog.tables import ImageLocation

Rows = NDArray[np.int64]
Read = Callable[[Iterable[tuple[int, Rows]]], Iterator[TrainingBatch]]
"""Epochs and rows of the catalog -> a batch for each, in their order."""

CHECKPOINT_SECONDS = 600.0
STORED_CHECKPOINT_SECONDS = 60.0
"""Of a hidden layer, whose epochs may last less than a checkpoint does."""
NAMED = 8
"""Images that an error names."""
MOST_WORKERS = 16
STEPS_AN_EPOCH, SMALLEST_BATCH, LARGEST_BATCH = 16, 16, 256
"""Of a batch that is chosen"""


@dataclass(frozen=True, kw_only=True)
class FinetuneTask:
    """What is trained, on what, and where."""

    settings: FinetuneSettings
    network: BackboneSettings
    """Resolved"""
    k: int
    rows: Rows
    """(n,) rows of the catalog, ascending."""
    targets: NDArray[np.integer] | SoftTargets
    """(n,) class indices, or (n, k) soft targets."""
    labels: NDArray[np.integer] | None = None
    """(n,) classes that bags are made of; None without bags."""
    weights: NDArray[np.floating] | None = None
    """(n,) 0 or more; None: all equal."""
    locate: Callable[[Rows], Sequence[ImageLocation]]
    """Where the images of these rows of the catalog lie."""
    uids: Callable[[Rows], Sequence[str]]
    """Names of rows of the catalog, for errors."""
    images: ImageSettings
    device: str
    precision: str
    """`float32` or `bfloat16`: what autocast `auto` means."""
    seed: int
    ranks: Ranks = ALONE
    tensors: Mapping[str, torch.Tensor] | None = None
    """Of a classifier of the same shape to start from; None: the network's pretrained or random weights."""
    head: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    """Weight (k, d) and bias (k,) that the last layer starts from; None: random, or that of `tensors`."""
    stored: StoredRows | None = None
    """Features that are read in the place of images, by a hidden layer in the place of the network."""
    group: str = "finetune"
    """Where the settings stand in a recipe, for errors."""


@dataclass(frozen=True, kw_only=True)
class Finetuned:
    """A trained network."""

    tensors: dict[str, torch.Tensor]
    """Of the whole `Classifier`, float32 on the CPU."""
    facts: dict[str, Any]
    """What was done, as JSON; the same for equal trainings."""
    saliency: NDArray[np.float64] | None = None
    """(n,) with bags: how much each image spoke for its class in the last epochs, 1 as much as its mates; NaN where it was in no bag."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The steps of a training, on all processes together."""

    n_rows: int
    """Rows of weight above 0"""
    batch: int
    n_steps: int
    """Of an epoch"""
    epochs: int

    @property
    def total(self) -> int:
        return self.n_steps * self.epochs


def finetune(
    task: FinetuneTask, workspace: Path, *, key: str, name: str = "training", progress: Progress = silent
) -> Finetuned:
    """Train the network, or go on where a process with the same `workspace` and `key` was killed.

    The loss of a step is sum w CE / sum w over its images on all ranks; an image that cannot be read adds nothing to it.
    `workspace` gets checkpoints and log.jsonl. Raises ReweighError: a loss that is not finite (with the images' uids),
    more unreadable images than `images.unreadable_limit`, more processes than images, a GPU without enough memory,
    a checkpoint of another `key`.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    schedule = schedule_of(task)
    stepper, read = new_stepper(task, schedule)
    training = _Training(task, schedule, stepper, read, workspace, key, name, progress)
    done, unreadable = _resume(training, workspace, key=key)
    try:
        unreadable = training.run(done, unreadable)
    except torch.OutOfMemoryError as cause:
        raise ReweighError(_said_too_little_memory(task, training.rows_at_once)) from cause
    stepper.let_go()
    return Finetuned(
        tensors=stepper.trained_tensors(), facts=_facts(task, schedule, unreadable), saliency=training.salience()
    )


def schedule_of(task: FinetuneTask) -> Schedule:
    """Batch and number of steps. Raises ReweighError for more processes than images."""
    n = len(task.rows) if task.weights is None else int((np.asarray(task.weights) > 0).sum())
    world = task.ranks.world
    if n < world:
        raise ReweighError(f"{n} images with a weight cannot be dealt out to {world} processes; start at most {n}.")
    unit = world * max(task.settings.bags.size, 1)
    wanted = task.settings.batch or chosen_batch(n, unit)
    if wanted % world or wanted < unit:
        raise ReweighError(
            f"{task.group}.batch must be a multiple of the {world} processes"
            f"{f' and hold a bag of {task.settings.bags.size} images for each' if unit > world else ''}, found {wanted}."
        )
    batch = max(min(wanted, n) // unit, 1) * unit
    n_steps = steps_of_epoch(n, batch=batch, world=world)
    return Schedule(n_rows=n, batch=batch, n_steps=n_steps, epochs=task.settings.epochs)


def chosen_batch(n: int, unit: int) -> int:
    """A power of two near a sixteenth of n images, 16 to 256, made a multiple of `unit`."""
    fitting = 2 ** int(np.log2(max(n // STEPS_AN_EPOCH, 1)))
    size = int(np.clip(fitting, SMALLEST_BATCH, LARGEST_BATCH))
    return max(size // unit, 1) * unit


def epoch_plan(task: FinetuneTask, schedule: Schedule, epoch: int, *, whole: bool = False) -> NDArray[np.int64]:
    """(steps, b) positions into the task's rows that this rank reads in an epoch; `whole`: that all ranks read."""
    ranks = ALONE if whole else task.ranks
    is_drawn = task.settings.weights_on == "sampling" and task.weights is not None
    weights = len(task.rows) if task.weights is None else task.weights
    size = task.settings.bags.size
    if size:
        assert task.labels is not None
        bags = bag_plan(
            task.labels, checked_weights(weights), size=size, batch=schedule.batch, n_steps=schedule.n_steps, seed=task.seed, epoch=epoch,
            is_drawn=is_drawn,
        ).reshape(schedule.n_steps, -1, size)  # fmt: skip
        return np.ascontiguousarray(bags[:, ranks.rank :: ranks.world].reshape(schedule.n_steps, -1))
    return epoch_rows(
        weights, seed=task.seed, epoch=epoch, batch=schedule.batch, rank=ranks.rank, world=ranks.world,
        mode="weighted" if is_drawn else "shuffle",
    )  # fmt: skip


def new_stepper(task: FinetuneTask, schedule: Schedule) -> tuple[Stepper, Read]:
    """The classifier as training begins, on its device, and what reads its batches."""
    classifier, normalise, read = _start_on_images(task) if task.stored is None else _start_on_stored(task, task.stored)
    made = Stepper(
        classifier, normalise, task.settings, total=schedule.total, batch=schedule.batch, device=task.device, precision=task.precision,
        ranks=task.ranks,
    )  # fmt: skip
    return made, read


def part_of(task: FinetuneTask, batch: TrainingBatch, loss_weights: NDArray[np.float64]) -> Part:
    """(images uint8, targets, weights) of a batch; images that cannot be read are left out; in a bag they weigh nothing."""
    positions = np.searchsorted(task.rows, batch.rows)
    chosen = task.targets[positions]
    targets = torch.from_numpy(np.ascontiguousarray(chosen, np.int64 if chosen.ndim == 1 else np.float32))
    weights = torch.from_numpy(loss_weights[positions].astype(np.float32))
    if not batch.failures:
        return batch.images, targets, weights
    is_read = torch.ones(len(batch.rows), dtype=torch.bool)
    is_read[[position for position, _ in batch.failures]] = False
    if task.settings.bags.size or not is_read.any():
        return batch.images, targets, weights * is_read
    return batch.images[is_read], targets[is_read], weights[is_read]


def _start_on_images(task: FinetuneTask) -> tuple[Classifier, nn.Module, Read]:
    settings = task.settings
    classifier, view = make_classifier(
        task.network, k=task.k, dropout=settings.dropout, frozen_statistics=settings.frozen_statistics,
        bags=settings.bags, is_pretrained=settings.needs_pretrained, seed=task.seed,
    )  # fmt: skip
    if task.tensors is not None:
        put_tensors(classifier, task.tensors)
    if task.head is not None:
        put_head(classifier, torch.from_numpy(task.head[0]), torch.from_numpy(task.head[1]))

    def read(parts: Iterable[tuple[int, Rows]]) -> Iterator[TrainingBatch]:
        items = (Item(epoch=epoch, rows=rows, locations=task.locate(rows)) for epoch, rows in parts)
        return training_batches(
            items, view, settings.augmentation, seed=task.seed, images=task.images, workers=workers_of(settings, task.device),
            pinned=task.device.startswith("cuda"),
        )  # fmt: skip

    return classifier, normaliser(view, task.device, memory_format_of(classifier)), read


def _start_on_stored(task: FinetuneTask, stored: StoredRows) -> tuple[Classifier, nn.Module, Read]:
    classifier = hidden_classifier(
        stored, k=task.k, dropout=task.settings.dropout, seed=task.seed, bags=task.settings.bags
    )

    def read(parts: Iterable[tuple[int, Rows]]) -> Iterator[TrainingBatch]:
        return stored_batches(stored, (rows for _, rows in parts))

    return classifier, Standardiser(stored).to(task.device), read


def _resume(training: _Training, workspace: Path, *, key: str) -> tuple[int, dict[int, str]]:
    """Steps done by an earlier process, whose state is put back, and the images that it could not read."""
    found = last_checkpoint(workspace, key=key)
    if found is None:
        return 0, {}
    training.stepper.restore(found.tensors, found.record["stepper"])
    if training.saliency is not None and training.task.ranks.is_first:
        training.saliency.sums, training.saliency.counts = found.tensors["saliency"].clone()
    return found.epoch * training.schedule.n_steps + found.step + 1, {
        int(row): reason for row, reason in found.record["unreadable"].items()
    }


class _Training:
    """The steps of one training, from the first one that is not done."""

    def __init__(
        self, task: FinetuneTask, schedule: Schedule, stepper: Stepper, read: Read, workspace: Path, key: str,
        name: str, progress: Progress,
    ) -> None:  # fmt: skip
        self.task, self.schedule, self.stepper, self.read = task, schedule, stepper, read
        self.workspace, self.key, self.name, self.progress = workspace, key, name, progress
        self.rows_at_once = task.settings.micro_batch or schedule.batch // task.ranks.world
        size = task.settings.bags.size
        self.saliency = Saliency(len(task.rows), size) if size else None
        self.counts_from = first_counted_epoch(schedule.epochs, size) * schedule.n_steps if size else 0
        if size:
            self.rows_at_once -= self.rows_at_once % size
        weights = np.ones(len(task.rows)) if task.weights is None else np.asarray(task.weights, np.float64)
        is_drawn = task.settings.weights_on == "sampling"
        self.loss_weights = np.ones(len(weights)) if is_drawn else weights / weights[weights > 0].mean()
        self._whole: tuple[int, NDArray[np.int64]] = (-1, np.empty((0, 0), np.int64))  # an epoch's steps on all ranks

    def run(self, done: int, unreadable: dict[int, str]) -> dict[int, str]:
        """Do the steps from `done` on; returns all images that could not be read, with their reasons."""
        task, schedule = self.task, self.schedule
        kept = time.monotonic()
        interval = _Interval(time.monotonic())
        batches = self.read(self._read_from(done))
        with training_log(
            self.workspace, done=done, tensorboard=task.settings.tensorboard, is_kept=task.ranks.is_first
        ) as write:
            self.progress(self.name, done, schedule.total, "")
            for step, positions in self._steps(done):
                batch_weight = float(self.loss_weights[self._whole_step(step)].sum()) if task.ranks.world > 1 else 0.0
                parts = [next(batches) for _ in self._parts(positions)]
                self._note_unreadable(parts, unreadable)
                shares: list[torch.Tensor] = []
                interval.add(step, self.stepper.step(
                    [part_of(self.task, part, self.loss_weights) for part in parts], step=step, seed=task.seed, n_steps=schedule.n_steps,
                    weight=batch_weight or float(self.loss_weights[positions].sum()), shares=shares,
                ))  # fmt: skip
                if self.saliency is not None and step >= self.counts_from:
                    self.saliency.add(positions, torch.cat(shares))
                if not self._is_due(step):
                    continue
                figures = self._figures(interval)
                write({"epoch": step // schedule.n_steps, "step": step % schedule.n_steps, **figures}, done=step + 1)
                self.progress(self.name, step + 1, schedule.total, _said(step // schedule.n_steps, schedule, figures))
                interval = _Interval(time.monotonic())
                if self._keeps(step, time.monotonic() - kept):
                    self._keep(step, unreadable)
                    kept = time.monotonic()
        return unreadable

    def salience(self) -> NDArray[np.float64] | None:
        """(n,) of all ranks; None without bags."""
        if self.saliency is None:
            return None
        sums, counts = self._all_saliency().numpy()
        return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)

    def _all_saliency(self) -> torch.Tensor:
        """(2, n) sums and counts of all ranks; all of them call this."""
        assert self.saliency is not None
        own = torch.stack([self.saliency.sums, self.saliency.counts]).to(self.task.device)
        return summed(self.task.ranks, own).cpu()

    def _steps(self, done: int) -> Iterator[tuple[int, Rows]]:
        """(number of the step since the beginning, this rank's positions) of each step that is not done."""
        n_steps = self.schedule.n_steps
        for epoch in range(done // n_steps, self.schedule.epochs):
            plan = epoch_plan(self.task, self.schedule, epoch)
            for step in range(max(done - epoch * n_steps, 0), n_steps):
                yield epoch * n_steps + step, plan[step]

    def _read_from(self, done: int) -> Iterator[tuple[int, Rows]]:
        """Epoch and rows of the catalog of each part that is not done."""
        for step, positions in self._steps(done):
            for part in self._parts(positions):
                yield step // self.schedule.n_steps, self.task.rows[part]

    def _parts(self, positions: Rows) -> list[Rows]:
        """What goes through the network at once: parts as even as whole bags allow, as a last one of a single image is no batch."""
        bags = positions.reshape(-1, max(self.task.settings.bags.size, 1))
        n_parts = -(-len(positions) // self.rows_at_once)
        return [part.ravel() for part in np.array_split(bags, n_parts)]

    def _whole_step(self, step: int) -> Rows:
        epoch, at = divmod(step, self.schedule.n_steps)
        if self._whole[0] != epoch:
            self._whole = (epoch, epoch_plan(self.task, self.schedule, epoch, whole=True))
        return self._whole[1][at]

    def _note_unreadable(self, parts: list[TrainingBatch], unreadable: dict[int, str]) -> None:
        for part in parts:
            unreadable.update({int(part.rows[position]): reason for position, reason in part.failures})
        limit = self.task.images.unreadable_limit * self.schedule.n_rows
        if len(unreadable) > max(limit, 0):
            row, reason = next(iter(unreadable.items()))
            raise ReweighError(
                f"{len(unreadable)} of {self.schedule.n_rows:,} images have become unreadable since they were indexed, first "
                f"{self.task.uids(np.array([row]))[0]} ({reason}); that is more than images.unreadable_limit = {self.task.images.unreadable_limit:g}."
            )

    def _figures(self, interval: _Interval) -> dict[str, float]:
        """The interval's mean loss and agreement, rate and speed. Raises ReweighError where a loss was not finite."""
        totals = summed(self.task.ranks, torch.stack(interval.totals).double()).cpu().numpy()
        bad = np.flatnonzero(~np.isfinite(totals).all(axis=1))
        if len(bad):
            self._stop_at(interval.first + int(bad[0]))
        loss, weight, right, n = totals.sum(axis=0)
        seconds = time.monotonic() - interval.begun
        return {
            "loss": float(loss / max(weight, 1e-30)), "agreement": float(right / max(n, 1)), "learning_rate": self.stepper.rate,
            "images_per_second": round(float(n) / max(seconds, 1e-9), 1), "seconds": round(seconds, 3),
        }  # fmt: skip

    def _stop_at(self, step: int) -> None:
        epoch, at = divmod(step, self.schedule.n_steps)
        rows = self.task.rows[epoch_plan(self.task, self.schedule, epoch)[at]]
        named = ", ".join(map(str, self.task.uids(rows[:NAMED])))
        raise ReweighError(
            f"The loss is not finite in epoch {epoch + 1}, step {at + 1}, on a batch of {len(rows)} images: {named}"
            f"{' ...' if len(rows) > NAMED else ''}. Most often {self.task.group}.learning_rate ({self.task.settings.learning_rate:g}) is too high"
            + ("." if self.task.stored else '; else try finetune.clip = 1, or finetune.autocast = "float32".')
        )

    def _is_due(self, step: int) -> bool:
        """Whether a line of the log, and with it a checkpoint, may be written: at the same steps in every process."""
        at = step % self.schedule.n_steps + 1
        every = self.task.settings.checkpoint_steps
        return at % self.task.settings.log_steps == 0 or at == self.schedule.n_steps or bool(every and at % every == 0)

    def _keeps(self, step: int, seconds: float) -> bool:
        every, at = self.task.settings.checkpoint_steps, step % self.schedule.n_steps + 1
        if every:
            return at % every == 0 or at == self.schedule.n_steps
        if self.task.stored is None:
            return at == self.schedule.n_steps or self._agreed(seconds >= CHECKPOINT_SECONDS)
        return self._agreed(seconds >= STORED_CHECKPOINT_SECONDS)

    def _agreed(self, is_so: bool) -> bool:
        """What rank 0 finds: clocks differ, and all ranks must add up their saliency at the same step."""
        ranks = self.task.ranks
        if ranks.world == 1:
            return is_so
        told = torch.tensor([float(is_so and ranks.is_first)], device=self.task.device)
        return bool(summed(ranks, told).item())

    def _keep(self, step: int, unreadable: dict[int, str]) -> None:
        saliency = None if self.saliency is None else self._all_saliency()
        if not self.task.ranks.is_first:
            return
        epoch, at = divmod(step, self.schedule.n_steps)
        tensors, record = self.stepper.state()
        if saliency is not None:
            tensors["saliency"] = saliency
        state = {"stepper": record, "unreadable": {str(row): reason for row, reason in unreadable.items()}}
        write_checkpoint(
            self.workspace, Checkpoint(epoch=epoch, step=at, tensors=tensors, record=state), key=self.key
        )  # fmt: skip


class _Interval:
    """What the steps since the last line of the log amount to; on the device until it is read."""

    def __init__(self, begun: float) -> None:
        self.begun, self.first = begun, 0
        self.totals: list[torch.Tensor] = []

    def add(self, step: int, totals: torch.Tensor) -> None:
        if not self.totals:
            self.first = step
        self.totals.append(totals)


def workers_of(settings: FinetuneSettings, device: str) -> int:
    """Processes that decode: as said, or none on a CPU, which the network needs itself, else one a core, at most 16."""
    if settings.workers >= 0:
        return settings.workers
    return 0 if device == "cpu" else min(available_cores(), MOST_WORKERS)


def _said(epoch: int, schedule: Schedule, figures: Mapping[str, float]) -> str:
    return (
        f"epoch {epoch + 1} of {schedule.epochs}, loss {figures['loss']:.3f}, agreement {figures['agreement']:.1%}, "
        f"{figures['images_per_second']:,.0f} images/s"
    )


def _said_too_little_memory(task: FinetuneTask, rows: int) -> str:
    if task.stored is not None:
        return f"{task.device} has too little memory for {rows} images at once: lower {task.group}.batch or {task.group}.width."
    side = task.network.input_size
    return (
        f"{task.device} has too little memory for {rows} images{f' of {side} pixels' if side else ''} at once: lower finetune.micro_batch "
        "(gradients of a step add up, so the result stays the same), or finetune.network.input_size."
    )


def _facts(task: FinetuneTask, schedule: Schedule, unreadable: dict[int, str]) -> dict[str, Any]:
    settings = asdict(task.settings)
    return {
        "network": task.network.name, "rows": schedule.n_rows, "batch": schedule.batch,
        "wanted_batch": task.settings.batch or schedule.batch, "epochs": schedule.epochs, "steps": schedule.total,
        "weighted": task.weights is not None or task.targets.ndim == 2, "unreadable": len(unreadable),
        "learning_rate": scaled_rate(settings["learning_rate"], batch=schedule.batch),
    }  # fmt: skip
