"""The right answers, where a benchmark knows them. Only evaluation may import this: evidence has no way to the truth."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.catalog.grouping import position
from reweigh.catalog.schema import IMAGES, KIND, NOT_KNOWN, TRUTH
from reweigh.catalog.tables import Catalog, read_columns
from reweigh.catalog.text_numbers import text_numbers
from reweigh.errors import ReweighError


def read_truth(catalog: Catalog) -> NDArray[np.int32] | None:
    """(n,) true classes; -1 none of the classes, -2 not known. None where the catalog has no truth.

    Raises ReweighError for a uid of the truth that is not in the catalog.
    """
    path = catalog.path / TRUTH
    if not path.is_file():
        return None
    table = pq.read_table(path, columns=["uid", "truth"])
    values = np.full(catalog.n, NOT_KNOWN, np.int32)
    values[_rows(catalog, table)] = table["truth"].to_numpy()
    return values


def read_kinds(catalog: Catalog) -> list[str] | None:
    """(n,) how each label came to be right or wrong: right, near, far, random, out_of_set, uniform, ...; "" not known.

    None where the catalog does not know it. Raises ReweighError as `read_truth`.
    """
    path = catalog.path / TRUTH
    if not path.is_file() or KIND.name not in pq.read_schema(path).names:
        return None
    table = pq.read_table(path, columns=["uid", KIND.name])
    kinds = [""] * catalog.n
    for row, kind in zip(_rows(catalog, table).tolist(), table[KIND.name].to_pylist(), strict=True):
        kinds[row] = kind or ""
    return kinds


def _rows(catalog: Catalog, table: pa.Table) -> NDArray[np.int64]:
    """The catalog's row of each uid of the table."""
    path = catalog.path / TRUTH
    numbers = text_numbers(read_columns(catalog, ["uid"])["uid"])
    order = np.argsort(numbers)
    rows = position(text_numbers(table["uid"]), numbers[order])
    if (rows < 0).any():
        uid = table["uid"][int(np.flatnonzero(rows < 0)[0])].as_py()
        raise ReweighError(f"{path} names {uid!r}, which is not in {catalog.path / IMAGES}.")
    return np.asarray(order[rows], np.int64)
