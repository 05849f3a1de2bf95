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
from itertools import islice
from typing import Any, TypeVar, cast

from threadpoolctl import ThreadpoolController

from reweigh.errors import ReweighError
from reweigh.ranks import ALONE, Ranks, from_owner

T = TypeVar("T")

BLOCK_ROWS = 1024
"""Rows a block: 5 MB at 1,280 float32 features, which stays in a core's cache between the two products."""


def block_ranges(n: int) -> list[slice]:
    """The blocks of n rows, in order."""
    return [slice(start, min(start + BLOCK_ROWS, n)) for start in range(0, n, BLOCK_ROWS)]


def map_blocks(work: Callable[[slice], T], n: int, *, n_threads: int = 0, ranks: Ranks = ALONE) -> Iterator[T]:
    """work(block) of every block of n rows, in block order."""
    return map_in_order(work, block_ranges(n), n_threads=n_threads, ranks=ranks)


def map_in_order(
    work: Callable[[slice], T], blocks: list[slice], *, n_threads: int = 0, ranks: Ranks = ALONE
) -> Iterator[T]:
    """work(block) of these blocks, in their order, a few at a time; on as many threads as BLAS may use now for 0.

    Of several ranks, whoever owns a block works on it, and all get the result, an array, a number or a tuple of them: sums in
    block order have the same bits for any number of ranks. A ReweighError of one is raised by all.
    """
    if ranks.world > 1:
        return _from_owners(work, blocks, n_threads, ranks)
    return _mapped(work, blocks, n_threads)


def owner_of(block: slice, ranks: Ranks) -> int:
    """The rank that holds a block's rows: a matter of the block alone, so that it is the same in every pass."""
    return int(block.start // BLOCK_ROWS % ranks.world)


def _from_owners(work: Callable[[slice], T], blocks: list[slice], n_threads: int, ranks: Ranks) -> Iterator[T]:
    """Every block's result; this rank is ahead with its own while it waits for the others'."""
    own = iter([block for block in blocks if owner_of(block, ranks) == ranks.rank])
    n_threads = n_threads or blas_threads()
    with one_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        begun = deque(pool.submit(work, block) for block in islice(own, 2 * n_threads))
        for block in blocks:
            owner = owner_of(block, ranks)
            value: Any = ()
            if owner == ranks.rank:
                begun.extend(pool.submit(work, further) for further in islice(own, 1))
                value = _outcome(begun.popleft())
            found = from_owner(ranks, value, owner)
            yield cast(T, found if len(found) > 1 else found[0])


def _outcome(begun: Future[T]) -> Any:
    """What a block gave, as a tuple, or its error in words."""
    try:
        value = begun.result()
    except ReweighError as cause:
        return str(cause)
    return value if isinstance(value, tuple) else (value,)


def _mapped(work: Callable[[slice], T], blocks: list[slice], n_threads: int) -> Iterator[T]:
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
