"""Rows in fixed blocks: work on them in parallel, sums of them in block order.

The size of a block depends neither on the number of threads nor on that of processes, BLAS runs on one thread inside a
block, and partial sums are float64 and added in block order: the same bits come out however the blocks are spread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

T = TypeVar("T")

BLOCK_ROWS = 1024
"""Rows a block: 5 MB at 1,280 float32 features, which stays in a core's cache between the two products."""


def block_ranges(n: int) -> list[slice]:
    """The blocks of n rows, in order."""
    return [slice(start, min(start + BLOCK_ROWS, n)) for start in range(0, n, BLOCK_ROWS)]


def map_blocks(work: Callable[[slice], T], n: int, *, n_threads: int = 0) -> Iterator[T]:
    """work(block) of every block of n rows, in block order."""
    return map_in_order(work, block_ranges(n), n_threads=n_threads)


def map_in_order(work: Callable[[slice], T], blocks: list[slice], *, n_threads: int = 0) -> Iterator[T]:
    """work(block) of these blocks, in their order, a few at a time; on as many threads as BLAS may use now for 0."""
    n_threads = min(n_threads or blas_threads(), len(blocks))
    with one_blas_thread():
        if n_threads <= 1:
            yield from map(work, blocks)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            waiting: deque[Future[T]] = deque()
            for block in blocks:
                waiting.append(pool.submit(work, block))
                if len(waiting) > 2 * n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS and LAPACK on one thread inside the block.

    The bits are the same for any number of threads then, and a dot product of 10,000 numbers takes microseconds: with
    two threads it took 8 ms, as OpenBLAS woke its second thread, which went on spinning on a core that blocks need.
    """
    with _blas().limit(limits=1):
        yield


def blas_threads() -> int:
    """Threads that BLAS is allowed now: OMP_NUM_THREADS, the cores, or a limit that the caller has set."""
    return max((int(library["num_threads"]) for library in _blas().info()), default=1)


@cache
def _blas() -> ThreadpoolController:
    """Handles of the BLAS libraries; looking for them takes milliseconds, longer than a pass over few rows."""
    return ThreadpoolController().select(user_api="blas")
