"""Batches of augmented images: decoded by worker processes, or by threads of this one, to the same bytes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from reweigh.catalog.tables import ImageLocation
from reweigh.errors import ReweighError
from reweigh.features.decoding_ahead import available_workers
from reweigh.images.reading import Unreadable, read_bytes
from reweigh.images.settings import AugmentationSettings, ImageSettings
from reweigh.images.training_views import training_view
from reweigh.images.views import EvaluationView

AUGMENTATION = 8
"""Purpose of the draws in SeedSequence([seed, purpose, epoch, row])."""
AHEAD = 4
"""Batches that each worker process prepares ahead."""
CHUNK = 8
"""Images a thread takes at once."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """What is to be decoded together."""

    epoch: int
    rows: NDArray[np.int64]
    """(b,) of the catalog"""
    locations: Sequence[ImageLocation]


@dataclass(frozen=True, kw_only=True)
class TrainingBatch:
    """Images as a step sees them."""

    rows: NDArray[np.int64]
    """(b,) of the catalog"""
    images: torch.Tensor
    """uint8 (b, 3, s, s), in memory (b, s, s, 3); an unreadable image is black."""
    failures: tuple[tuple[int, str], ...]
    """(position in the batch, reason) of the unreadable ones."""


def training_batches(
    items: Iterable[Item], view: EvaluationView, augmentation: AugmentationSettings,
    *, seed: int, images: ImageSettings, workers: int, pinned: bool,
) -> Iterator[TrainingBatch]:  # fmt: skip
    """A batch for each item, in their order; one iterator serves a whole training, so that workers live through it.

    An image is augmented by the seed, its epoch and its row: the same whoever decodes it, in whatever batch. workers 0:
    threads of this process decode when a batch is asked for; else so many processes, a few batches ahead. `pinned`:
    page-locked for a GPU. Raises ReweighError where a worker process dies.
    """
    task = _Task(view, augmentation, seed, images.max_pixels)
    if workers == 0:
        yield from _here(task, items, pinned=pinned)
    else:
        yield from _in_processes(task, items, workers=workers, pinned=pinned)


@dataclass(frozen=True)
class _Task:
    """What all images share; sent to every worker once."""

    view: EvaluationView
    augmentation: AugmentationSettings
    seed: int
    max_pixels: int

    def decode_into(self, slots: NDArray[np.uint8], item: Item, positions: range) -> list[tuple[int, str]]:
        """Decode some of the item's images into their slots; returns the unreadable ones."""
        failures = []
        for at in positions:
            draws = np.random.SeedSequence([self.seed, AUGMENTATION, item.epoch, int(item.rows[at])])
            generator = np.random.Generator(np.random.PCG64(draws))
            try:
                data = read_bytes(item.locations[at])
                slots[at] = training_view(self.view, self.augmentation, data, self.max_pixels, generator)
            except Unreadable as cause:
                slots[at] = 0
                failures.append((at, str(cause)))
        return failures


def _here(task: _Task, items: Iterable[Item], *, pinned: bool) -> Iterator[TrainingBatch]:
    with ThreadPoolExecutor(available_workers(0), thread_name_prefix="augment") as pool:
        for item in items:
            buffer = torch.empty(
                (len(item.rows), task.view.size, task.view.size, 3), dtype=torch.uint8, pin_memory=pinned
            )
            slots = buffer.numpy()
            chunks = [range(at, min(at + CHUNK, len(item.rows))) for at in range(0, len(item.rows), CHUNK)]
            found = pool.map(lambda chunk, item=item, slots=slots: task.decode_into(slots, item, chunk), chunks)
            failures = tuple(failure for part in found for failure in part)
            yield TrainingBatch(rows=item.rows, images=buffer.permute(0, 3, 1, 2), failures=failures)


class _Decoding(Dataset[Any]):
    """What a worker does with an item; it holds no list of images, so it costs nothing to send."""

    def __init__(self, task: _Task) -> None:
        self.task = task

    def __getitem__(self, item: Item) -> tuple[NDArray[np.int64], torch.Tensor, list[tuple[int, str]]]:
        size = self.task.view.size
        buffer = torch.empty((len(item.rows), size, size, 3), dtype=torch.uint8)
        failures = self.task.decode_into(buffer.numpy(), item, range(len(item.rows)))
        return item.rows, buffer, failures


def _in_processes(task: _Task, items: Iterable[Item], *, workers: int, pinned: bool) -> Iterator[TrainingBatch]:
    loader = DataLoader(
        _Decoding(task), sampler=items, batch_size=None, num_workers=workers, prefetch_factor=AHEAD, pin_memory=pinned,
        multiprocessing_context=_context(), worker_init_fn=_begin_worker, collate_fn=_as_it_is,
    )  # fmt: skip
    batches = iter(loader)
    while True:
        try:
            rows, buffer, failures = next(batches)
        except StopIteration:
            return
        except (RuntimeError, EOFError, ConnectionError) as cause:
            # The last two where a batch of it was on its way.
            if isinstance(cause, RuntimeError) and "DataLoader worker" not in str(cause):
                raise
            reason = f" ({str(cause).splitlines()[0]})" if str(cause) else ""
            raise ReweighError(
                f"A process that decodes images has died{reason}. Most often memory ran out, or shared memory (/dev/shm): lower "
                "finetune.workers or finetune.micro_batch."
            ) from cause
        yield TrainingBatch(
            rows=np.asarray(rows), images=buffer.permute(0, 3, 1, 2), failures=tuple(map(tuple, failures))
        )


def _context() -> multiprocessing.context.BaseContext:
    """A fork of a process with threads, or with a GPU, may hang; a fresh server forks cheaply."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["reweigh.training.loader"])
    return context


def _begin_worker(worker: int) -> None:
    """One thread, so that workers leave each other the cores; and an end when the training ends, however it ends.

    torch asks for the parent's number, and that is the fork server's, which lives as long as its workers do.
    """
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(process: multiprocessing.process.BaseProcess) -> None:
    process.join()
    os._exit(1)


def _as_it_is(value: Any) -> Any:
    return value
