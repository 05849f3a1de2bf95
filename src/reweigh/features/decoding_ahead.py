"""Batches of views, read and decoded by threads while the network works on the batch before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reweigh.images.reading import Unreadable, read_bytes
from reweigh.images.settings import ImageSettings
from reweigh.images.views import EvaluationView, encoded_view

if TYPE_CHECKING:
    import torch

    from reweigh.catalog.tables import ImageLocation

Rows = NDArray[np.int64]
Failures = list[tuple[int, str]]

CHUNK = 8
"""Images a thread takes at once: below that, handing out work costs as much as a small image does."""
MOST_WORKERS = 16


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Views of some rows, ready for a backbone."""

    rows: Rows
    """(b,) positions, ascending."""
    images: torch.Tensor
    """uint8 (b, 3, s, s), in memory (b, s, s, 3); an unreadable image is black."""
    failures: tuple[tuple[int, str], ...]
    """(row, reason) of the unreadable ones."""


def available_workers(workers: int) -> int:
    """Threads for decoding: as said, or one for each core that this process may use, at most 16."""
    return workers or min(len(os.sched_getaffinity(0)), MOST_WORKERS)


def decoded_batches(
    batches: Iterable[Rows], locate: Callable[[Rows], Sequence[ImageLocation]], view: EvaluationView,
    *, images: ImageSettings, workers: int, pinned: bool,
) -> Iterator[Batch]:  # fmt: skip
    """The views of each batch of rows, in order; a few batches are decoded ahead. pinned: page-locked for a GPU.

    Threads suffice: simplejpeg, Pillow and torch let go of the interpreter while they work (benchmarks/extraction.py).
    """
    waiting: deque[tuple[Rows, torch.Tensor, list[Future[Failures]]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for rows in batches:
                waiting.append(_submit(pool, rows, locate(rows), view, images, pinned))
                if len(waiting) > max(2, -(-2 * workers * CHUNK // max(len(rows), 1))):
                    yield _collect(*waiting.popleft())
            while waiting:
                yield _collect(*waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _submit(
    pool: ThreadPoolExecutor, rows: Rows, locations: Sequence[ImageLocation], view: EvaluationView,
    images: ImageSettings, pinned: bool,
) -> tuple[Rows, torch.Tensor, list[Future[Failures]]]:  # fmt: skip
    import torch

    buffer = torch.empty((len(rows), view.size, view.size, 3), dtype=torch.uint8, pin_memory=pinned)
    slots: NDArray[Any] = buffer.numpy()
    chunks = [slice(start, start + CHUNK) for start in range(0, len(rows), CHUNK)]
    futures = [
        pool.submit(_decode_into, slots[c], rows[c], locations[c], view, images.max_pixels)
        for c in chunks
    ]  # fmt: skip
    return rows, buffer.permute(0, 3, 1, 2), futures


def _collect(rows: Rows, images: torch.Tensor, futures: list[Future[Failures]]) -> Batch:
    failures = tuple(failure for future in futures for failure in future.result())
    return Batch(rows=rows, images=images, failures=failures)


def _decode_into(
    slots: NDArray[np.uint8], rows: Rows, locations: Sequence[ImageLocation], view: EvaluationView, max_pixels: int
) -> Failures:
    failures: Failures = []
    for slot, row, location in zip(slots, rows, locations, strict=True):
        try:
            slot[:] = encoded_view(view, read_bytes(location), max_pixels)
        except Unreadable as cause:
            slot[:] = 0
            failures.append((int(row), str(cause)))
    return failures
