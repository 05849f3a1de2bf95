"""Stored features: a folder with features.npy, the list of unreadable images and what they were made with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.whole_files import read_json

FORMAT = 1
VALUES, RECORD, UNREADABLE, BLOCKS = "features.npy", "features.json", "unreadable.parquet", "blocks.bin"
UNREADABLE_COLUMNS = pa.schema([("row", pa.int64()), ("uid", pa.string()), ("reason", pa.string())])


@dataclass(frozen=True, kw_only=True)
class Features:
    """A whole set of stored features; a `FeatureMatrix`."""

    folder: Path
    n: int
    d: int
    key: str
    """Name of the folder in the cache: a hash of all that the values depend on."""
    values: NDArray[np.float16] = field(repr=False, compare=False)
    """(n, d), memory-mapped, read-only. The row of an unreadable image is zero."""

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows at these positions, (len(rows), d) float32, a copy."""
        return np.asarray(self.values[rows], dtype=np.float32)


def is_complete(folder: Path) -> bool:
    """Whether an extraction has ended here."""
    return (folder / RECORD).is_file()


def open_features(folder: Path) -> Features:
    """The features in a folder that `extract` has finished. Raises ReweighError where it has not."""
    if not is_complete(folder):
        state = "an unfinished extraction; run it again to go on" if (folder / BLOCKS).is_file() else "no features"
        raise ReweighError(f"No stored features in {folder}: found {state}.")
    record = read_json(folder / RECORD)
    if record["format"] > FORMAT:
        raise ReweighError(
            f"{folder / RECORD} has format {record['format']}; this reweigh reads up to {FORMAT}. Update it."
        )
    values = np.load(folder / VALUES, mmap_mode="r") if record["n"] else np.empty((0, record["d"]), np.float16)
    if values.shape != (record["n"], record["d"]):
        raise ReweighError(f"{folder / VALUES} has shape {values.shape}, its record says {(record['n'], record['d'])}.")
    return Features(folder=folder, n=record["n"], d=record["d"], key=record["key"], values=values)


def describe_features(features: Features) -> dict[str, Any]:
    """What the features were made with, as JSON."""
    return dict(read_json(features.folder / RECORD))


def unreadable_table(features: Features) -> pa.Table:
    """Columns row (int64), uid, reason; one line for each image that could not be read, by row."""
    return pq.read_table(features.folder / UNREADABLE)


def unreadable_rows(features: Features) -> NDArray[np.int64]:
    """Rows without features, ascending."""
    return np.asarray(unreadable_table(features)["row"].to_numpy(), dtype=np.int64)
