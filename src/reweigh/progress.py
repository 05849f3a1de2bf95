"""The one callback through which every layer says how far it has come; only `cli` turns it into a bar."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the stage's name, how many of its `total` units are done (None: not known) and a short note."""

    def __call__(self, stage: str, done: int, total: int | None = None, note: str = "") -> None: ...


def silent(stage: str, done: int, total: int | None = None, note: str = "") -> None:
    """Progress that nobody watches."""
