"""Files and folders that are either whole or not there: written beside, synced, then renamed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

MANY = 256
"""Files beyond which the whole disk is flushed at once."""


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one, never a part."""
    beside = path.with_name(f"{path.name}.partial")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON with its keys in the order given; NaN is refused, as JSON has none."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The JSON file's value."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write into, NAME.partial, renamed to `path` when the block ends without an error.

    A partial folder that an earlier, killed process left is emptied first; one that fails now is removed.
    `path` itself must not exist when the block ends.
    """
    partial = path.with_name(f"{path.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_folder(partial)
    partial.replace(path)


def sync_folder(folder: Path) -> None:
    """Flush the folder's files and its own entry to the disk, so that a rename cannot come before its content."""
    files = (p for p in folder.rglob("*") if p.is_file())
    some = list(islice(files, MANY + 1))  # not all of them: a corrected copy of a web set has millions
    if len(some) > MANY and hasattr(os, "sync"):
        os.sync()  # one by one, the 60,000 images of a catalog took minutes
        return
    for path in chain(some, files, [folder]):
        if path.is_symlink():
            continue  # what it leads to is not ours, and may not even be readable
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
