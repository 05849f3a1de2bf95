"""Features of a catalog for another one that has many of its images, matched by the hash of their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.grouping import position
from reweigh.catalog.tables import Catalog, read_columns
from reweigh.catalog.text_numbers import text_numbers
from reweigh.features.extraction import Plan, key_of, lay_out
from reweigh.features.settings import FeatureSettings
from reweigh.features.store import RECORD, VALUES, is_complete, open_features, unreadable_rows
from reweigh.progress import Progress, silent
from reweigh.whole_files import read_json, whole_folder

BLOCK = 65_536


def same_images(old: Catalog, new: Catalog) -> NDArray[np.int64]:
    """(n of `new`,) the row of `old` whose image has the same bytes, -1 where there is none or nobody hashed them."""
    numbers = text_numbers(read_columns(old, ["content"])["content"])
    order = np.argsort(numbers, kind="stable")
    wanted = text_numbers(read_columns(new, ["content"])["content"])
    at = position(wanted, numbers[order])
    return np.where((at >= 0) & (wanted > 0), order[np.maximum(at, 0)], -1) if len(order) else at


def carry_features(
    old: Catalog, new: Catalog, rows: NDArray[np.int64], *, progress: Progress = silent
) -> dict[str, int]:
    """Name of each backbone whose features of `old` are now begun features of `new` -> images that are not made again.

    rows (n of `new`,): as `same_images` gives it. Taken are whole features of all rows of `old`, in its own cache; what could not be
    read there is tried again. The extraction that a run does next makes the other rows.
    """
    carried: dict[str, int] = {}
    found = list(_whole(old))
    for done, (folder, record) in enumerate(found, 1):
        key = key_of(record["made_with"], fingerprint=new.fingerprint)
        name = str(record["backbone"]["name"])
        progress("carry features over", done, len(found), name)
        if not (new.path / "features" / key).exists():
            carried[name] = max(carried.get(name, 0), _carry(folder, new, key, rows))
    return carried


def _whole(catalog: Catalog) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Finished features of all rows in the catalog's cache that say what they were made with."""
    for folder in sorted((catalog.path / "features").glob("*")):
        if is_complete(folder):
            record = read_json(folder / RECORD)
            if "made_with" in record and key_of(record["made_with"], fingerprint=catalog.fingerprint) == record["key"]:
                yield folder, record


def _carry(folder: Path, new: Catalog, key: str, rows: NDArray[np.int64]) -> int:
    features = open_features(folder)
    is_taken = (rows >= 0) & ~np.isin(rows, unreadable_rows(features))
    if not is_taken.any():
        return 0
    usual = FeatureSettings()
    plan = Plan(n=new.n, d=features.d, key=key, block_rows=usual.block_rows, batch_size=usual.batch_size)
    with whole_folder(new.path / "features" / key) as partial:
        lay_out(partial, plan, carried=is_taken)
        values: np.memmap[Any, Any] = np.lib.format.open_memmap(partial / VALUES, mode="r+")
        for start in range(0, new.n, BLOCK):
            here = np.flatnonzero(is_taken[start : start + BLOCK]) + start
            values[here] = features.values[rows[here]]
        values.flush()
    return int(is_taken.sum())
