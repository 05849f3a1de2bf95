"""A record's arrays in a folder, one NAME.npy each: how every piece of evidence is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError


def save_arrays(record: Any, folder: Path, names: Sequence[str]) -> None:
    """Write NAME.npy of each of the record's arrays into an existing folder."""
    for name in names:
        np.save(folder / f"{name}.npy", getattr(record, name), allow_pickle=False)


def load_arrays(folder: Path, names: Sequence[str], *, what: str) -> dict[str, NDArray[Any]]:
    """The arrays by name. Raises ReweighError, `No <what> in ...`, where a file is missing."""
    missing = [name for name in names if not (folder / f"{name}.npy").exists()]
    if missing:
        raise ReweighError(f"No {what} in {folder}: {missing[0]}.npy is missing.")
    return {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in names}
