"""Several processes on one run: which one this is, and what they tell each other. torch.distributed does the telling.

`Ranks` is handed down as an argument and never looked up: a program of its own that has a process group open may call
any function of the package on one of its processes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

if TYPE_CHECKING:
    import torch

PATIENCE = timedelta(days=1)
"""Rank 0 may index for hours while the others wait. A process that dies is noticed at once, a machine that vanishes by this."""
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


class SharedError(ReweighError):
    """An error of one process that all of them raise; one of them says it for all."""


class LostProcess(ReweighError):
    """Another process is gone: there is nobody to agree with any more."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that work on one run together."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    """Among those of this machine"""

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that locks, prints and writes what is not shared."""
        return self.rank == 0


ALONE = Ranks()


def ranks_of_environment(environment: Mapping[str, str] = os.environ) -> Ranks:
    """What torchrun says in RANK, WORLD_SIZE and LOCAL_RANK; one process alone where it says nothing.

    Raises ReweighError for numbers that do not fit.
    """
    if "WORLD_SIZE" not in environment or environment["WORLD_SIZE"] == "1":
        return ALONE
    found = {name: environment.get(name, "") for name in VARIABLES}
    if not all(value.isdigit() for value in found.values()) or int(found["RANK"]) >= int(found["WORLD_SIZE"]):
        raise ReweighError(
            f"Of several processes each needs RANK, WORLD_SIZE and LOCAL_RANK, as torchrun sets them; found {found}."
        )
    return Ranks(rank=int(found["RANK"]), world=int(found["WORLD_SIZE"]), local_rank=int(found["LOCAL_RANK"]))


@contextmanager
def joined(ranks: Ranks) -> Iterator[None]:
    """The process group for the block: gloo on the CPU, NCCL for what lies on a GPU. Nothing for one process alone."""
    if ranks.world == 1:
        yield
        return
    import torch
    import torch.distributed as dist

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def agreed(ranks: Ranks, value: Any) -> Any:
    """Rank 0's JSON value, on every rank; the others' is not looked at."""
    if ranks.world == 1:
        return value
    return json.loads(_sent(ranks, json.dumps(value).encode() if ranks.is_first else b"", owner=0))


def all_succeed(ranks: Ranks, error: str | None) -> None:
    """Wait for all ranks; raise the first one's error as SharedError on every rank where any has one."""
    if ranks.world == 1:
        if error is not None:
            raise ReweighError(error)
        return
    errors = [json.loads(_sent(ranks, json.dumps(error).encode(), owner=owner)) for owner in range(ranks.world)]
    found = next((e for e in errors if e is not None), None)
    if found is not None:
        raise SharedError(found)


@contextmanager
def together(ranks: Ranks) -> Iterator[None]:
    """A block that every rank does its part of: none leaves it before all have, and an error of one is an error of all."""
    if ranks.world == 1:
        yield
        return
    error: str | None = None
    try:
        yield
    except (LostProcess, SharedError):  # all of them know it already
        raise
    except ReweighError as cause:
        error = str(cause)
    except OSError as cause:
        error = f"Process {ranks.rank}: {cause.strerror or cause} ({cause.filename or 'while writing'})."
    all_succeed(ranks, error)


def from_owner(ranks: Ranks, value: tuple[NDArray[Any] | float, ...] | str, owner: int) -> tuple[Any, ...]:
    """The owner's arrays and numbers on every rank; what the others hand over is not looked at.

    A str is the owner's error: it is raised as SharedError on every rank, so that nobody waits for what never comes.
    """
    if ranks.world == 1:
        if isinstance(value, str):
            raise ReweighError(value)
        return value
    arrays = (
        [np.asarray(part, order="C") for part in value] if ranks.rank == owner and not isinstance(value, str) else []
    )
    head = {"error": value} if isinstance(value, str) else {"parts": [(a.dtype.str, a.shape) for a in arrays]}
    told = json.loads(_sent(ranks, json.dumps(head).encode() if ranks.rank == owner else b"", owner=owner))
    if "error" in told:
        raise SharedError(told["error"])
    found = []
    for number, (dtype, shape) in enumerate(told["parts"]):
        room = arrays[number] if ranks.rank == owner else np.empty(shape, np.dtype(dtype))
        _broadcast(room.reshape(-1).view(np.uint8), owner)
        found.append(room if shape else room.item())
    return tuple(found)


def dealt(ranks: Ranks, count: int, work: Callable[[int], tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """work(0) ... work(count - 1), tuples of arrays and numbers, done by the ranks in turn and told to all.

    A ReweighError of one is raised by all.
    """
    own: dict[int, Any] = {}
    for number in range(ranks.rank, count, ranks.world):
        try:
            own[number] = work(number)
        except ReweighError as cause:
            if ranks.world == 1:
                raise
            own[number] = str(cause)
    return [from_owner(ranks, own.get(number, ()), number % ranks.world) for number in range(count)]


def summed(ranks: Ranks, values: torch.Tensor) -> torch.Tensor:
    """The sum over all ranks of tensors of one shape, on every rank; in place."""
    if ranks.world > 1:
        import torch.distributed as dist

        with _missing_the_lost():
            dist.all_reduce(values)
    return values


def _sent(ranks: Ranks, data: bytes, *, owner: int) -> bytes:
    """The owner's bytes on every rank."""
    size = np.array([len(data)], np.int64)
    _broadcast(size.view(np.uint8), owner)
    room = np.frombuffer(data, np.uint8).copy() if ranks.rank == owner else np.empty(int(size[0]), np.uint8)
    _broadcast(room, owner)
    return room.tobytes()


def _broadcast(room: NDArray[np.uint8], owner: int) -> None:
    """Fill `room` with the owner's bytes."""
    import torch
    import torch.distributed as dist

    if room.size:
        with _missing_the_lost():
            dist.broadcast(torch.from_numpy(room), src=owner)


@contextmanager
def _missing_the_lost() -> Iterator[None]:
    """LostProcess for what torch says where another process is gone."""
    try:
        yield
    except RuntimeError as cause:
        raise LostProcess(
            "Another process of this run has ended or cannot be reached any more; its own message says why. The same command goes "
            "on where it was."
        ) from cause
