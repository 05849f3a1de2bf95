"""One process group at a time in a run folder: a lock file that names its host and process."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reweigh.errors import ReweighError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder`/run.lock while the block runs.

    A lock whose process has ended on this host is taken over; one of another host is refused, as nobody here can
    tell whether it lives. Raises ReweighError that names the holder and how to clear the lock.
    """
    path = folder / "run.lock"
    own = {"host": socket.gethostname(), "process": os.getpid(), "started": _started(os.getpid())}
    if not _create(path, own):
        _take_over(path, own)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _create(path: Path, own: dict[str, Any]) -> bool:
    """Create the lock file whole, or say that there is one."""
    beside = path.with_name(f"run.lock.{own['process']}")
    beside.write_text(json.dumps(own))
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    return True


def _take_over(path: Path, own: dict[str, Any]) -> None:
    holder = _holder(path)
    if holder is not None and holder["host"] != own["host"]:
        raise ReweighError(
            f"{path.parent} is used by process {holder['process']} on host {holder['host']}. "
            f"If that process has ended, remove {path} and run again."
        )
    if holder is not None and _started(holder["process"]) == holder["started"] is not None:
        raise ReweighError(
            f"{path.parent} is used by process {holder['process']} of this machine; wait for it, or give another -o."
        )
    path.unlink(missing_ok=True)
    if not _create(path, own):
        raise ReweighError(f"{path.parent} was taken by another process this moment; wait for it, or give another -o.")


def _holder(path: Path) -> dict[str, Any] | None:
    """Who holds the lock; None where the file went away or was never whole."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _started(process: int) -> str | None:
    """When the process began, in the kernel's clock ticks, so that a reused number is told apart; None: no such process.

    On a system without /proc it can only be told whether the process lives.
    """
    if Path("/proc/self/stat").exists():
        status = Path(f"/proc/{process}/stat")
        return status.read_text().rsplit(")", 1)[1].split()[19] if status.exists() else None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "alive"
    return "alive"
