"""log.jsonl: one line a few steps, units in the keys; and the same for TensorBoard, where wished."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from reweigh.errors import ReweighError
from reweigh.whole_files import write_bytes

LOG = "log.jsonl"
TENSORBOARD = "tensorboard"


class Write(Protocol):
    """Takes one line of the log, and the number of steps done since the beginning of the training."""

    def __call__(self, line: Mapping[str, Any], *, done: int) -> None: ...


@contextmanager
def training_log(folder: Path, *, done: int, tensorboard: bool = False, is_kept: bool = True) -> Iterator[Write]:
    """A writer of lines for `folder`/log.jsonl; lines beyond the first `done` steps, of a process that was killed, are removed.

    `is_kept`: whether lines are kept at all: one of several processes does so. Raises ReweighError where TensorBoard is
    wished and not installed.
    """
    if not is_kept:
        yield lambda line, *, done: None
        return
    path = folder / LOG
    kept = [line for line in _lines(path) if line["done_steps"] <= done]
    write_bytes(path, b"".join(json.dumps(line).encode() + b"\n" for line in kept))
    board = _board(folder / TENSORBOARD, done) if tensorboard else None
    with path.open("a", encoding="utf-8") as file:

        def write(line: Mapping[str, Any], *, done: int) -> None:
            file.write(json.dumps({**line, "done_steps": done}) + "\n")
            file.flush()
            if board is not None:
                for name, value in line.items():
                    board.add_scalar(name, value, done)

        try:
            yield write
        finally:
            if board is not None:
                board.close()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a training's log, oldest first."""
    return list(_lines(folder / LOG))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Whole lines; the last one of a killed process may be cut."""
    if not path.is_file():
        return
    for text in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if text.endswith("\n"):
            yield json.loads(text)


def _board(folder: Path, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as cause:
        raise ReweighError(
            "finetune.tensorboard needs the package tensorboard: pip install 'reweigh[tensorboard]'; log.jsonl holds the same figures."
        ) from cause
    return SummaryWriter(str(folder), purge_step=done + 1)
