"""Which of the files that a table names are there: each folder is listed once, eight bytes of memory a file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reweigh.catalog.grouping import position
from reweigh.catalog.text_numbers import text_numbers
from reweigh.layouts.folders import is_file
from reweigh.layouts.image_names import is_unicode


@dataclass
class Listed:
    """Folders that were listed so far, and the numbers of the files in them."""

    root: Path
    folders: set[str] = field(default_factory=set)
    numbers: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """`text_numbers` of the files' paths relative to the root, ascending."""


def are_there(listed: Listed, files: pa.Array) -> NDArray[np.bool_]:
    """(n,) whether each file, relative to the root, exists; adds the folders that are new to `listed`.

    A file that its folder's listing lacks is asked for by name: file systems may ignore case or the form of accents.
    """
    folders = pc.unique(pc.replace_substring_regex(files, pattern="[^/]*$", replacement="")).to_pylist()
    new = [folder for folder in folders if folder not in listed.folders]
    if new:
        listed.folders.update(new)
        names = pa.array([folder + name for folder in new for name in _names(listed.root / folder)], pa.string())
        listed.numbers = np.sort(np.concatenate([listed.numbers, text_numbers(names)]))
    found = position(text_numbers(files), listed.numbers) >= 0
    for row in np.flatnonzero(~found).tolist():
        found[row] = is_file(listed.root / files[row].as_py())
    return found


def _names(folder: Path) -> list[str]:
    """Names in the folder, none where it is not there."""
    if not os.path.isdir(folder):  # noqa: PTH112 False for names that no folder can have
        return []
    names = os.listdir(folder)  # noqa: PTH208 half the time of iterdir
    return names if is_unicode("".join(names)) else [name for name in names if is_unicode(name)]
