"""The right answers, where a benchmark knows them. Only evaluation may import this: evidence has no way to the truth."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.catalog.schema import NOT_KNOWN, TRUTH
from reweigh.catalog.tables import Catalog, read_uids
from reweigh.errors import ReweighError


def read_truth(catalog: Catalog) -> NDArray[np.int32] | None:
    """(n,) true classes; -1 none of the classes, -2 not known. None where the catalog has no truth.

    Raises ReweighError for a uid of the truth that is not in the catalog.
    """
    path = catalog.path / TRUTH
    if not path.is_file():
        return None
    table = pq.read_table(path)
    row = {uid: number for number, uid in enumerate(read_uids(catalog))}
    values = np.full(catalog.n, NOT_KNOWN, np.int32)
    for uid, truth in zip(table["uid"].to_pylist(), table["truth"].to_pylist(), strict=True):
        if uid not in row:
            raise ReweighError(f"{path} names {uid!r}, which is not in {catalog.path / 'images.parquet'}.")
        values[row[uid]] = truth
    return values
