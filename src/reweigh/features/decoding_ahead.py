"""Batches of views, read and decoded by threads; ahead of the network where it does not need the cores itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reweigh.cores import available_cores
from reweigh.images.reading import Unreadable, read_bytes
from reweigh.images.settings import ImageSettings
from reweigh.images.views import EvaluationView, encoded_view

if TYPE_CHECKING:
    import torch

    from reweigh.catalog.tables import ImageLocation
    from reweigh.features.networks import Backbone

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
    return workers or min(available_cores(), MOST_WORKERS)


def decodes_beside(backbone: Backbone) -> bool:
    """Whether decoding may go on while the backbone works: not where a network has all the cores to itself.

    Its threads wait for each other after every layer, and one that decoding has pushed aside keeps all of them waiting:
    on two busy cores EfficientNet-Lite0 lost four times what decoding itself takes (benchmarks/extraction.py).
    """
    return backbone.module is None or backbone.device != "cpu"


def decoded_batches(
    batches: Iterable[Rows], locate: Callable[[Rows], Sequence[ImageLocation]], view: EvaluationView,
    *, images: ImageSettings, workers: int, pinned: bool, beside: bool = True,
) -> Iterator[Batch]:  # fmt: skip
    """The views of each batch of rows, in order. pinned: page-locked for a GPU.

    beside: a few batches are read and decoded ahead; else only read ahead, and decoded by all threads when it is
    their turn. Threads suffice: simplejpeg, Pillow and torch let go of the interpreter while they work.
    """
    waiting: deque[_Pending] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for rows in batches:
                waiting.append(_begin(pool, rows, locate(rows), view, images, pinned=pinned, beside=beside))
                if len(waiting) > max(2, -(-2 * workers * CHUNK // max(len(rows), 1))):
                    yield _collect(waiting.popleft())
            while waiting:
                yield _collect(waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Pending:
    """A batch under way."""

    rows: Rows
    images: torch.Tensor
    decode: Callable[[], list[Future[Failures]]]


def _begin(
    pool: ThreadPoolExecutor, rows: Rows, locations: Sequence[ImageLocation], view: EvaluationView,
    images: ImageSettings, *, pinned: bool, beside: bool,
) -> _Pending:  # fmt: skip
    """Start to read a batch, and to decode it too where that goes on beside the network."""
    import torch

    buffer = torch.empty((len(rows), view.size, view.size, 3), dtype=torch.uint8, pin_memory=pinned)
    slots: NDArray[Any] = buffer.numpy()
    chunks = [slice(start, start + CHUNK) for start in range(0, len(rows), CHUNK)]
    reading = [pool.submit(_read, locations[chunk]) for chunk in chunks]

    def decode() -> list[Future[Failures]]:
        # A chunk's bytes are awaited by a thread that could decode; its reading was queued before, so it will come.
        return [
            pool.submit(_decode_into, slots[chunk], rows[chunk], read, view, images.max_pixels)
            for chunk, read in zip(chunks, reading, strict=True)
        ]

    if beside:
        under_way = decode()
        return _Pending(rows, buffer.permute(0, 3, 1, 2), lambda: under_way)
    return _Pending(rows, buffer.permute(0, 3, 1, 2), decode)


def _collect(batch: _Pending) -> Batch:
    failures = tuple(failure for future in batch.decode() for failure in future.result())
    return Batch(rows=batch.rows, images=batch.images, failures=failures)


def _read(locations: Sequence[ImageLocation]) -> list[bytes | Unreadable]:
    found: list[bytes | Unreadable] = []
    for location in locations:
        try:
            found.append(read_bytes(location))
        except Unreadable as cause:
            found.append(cause)
    return found


def _decode_into(
    slots: NDArray[np.uint8],
    rows: Rows,
    reading: Future[list[bytes | Unreadable]],
    view: EvaluationView,
    max_pixels: int,
) -> Failures:
    failures: Failures = []
    for slot, row, data in zip(slots, rows, reading.result(), strict=True):
        try:
            if isinstance(data, Unreadable):
                raise data
            slot[:] = encoded_view(view, data, max_pixels)
        except Unreadable as cause:
            slot[:] = 0
            failures.append((int(row), str(cause)))
    return failures
