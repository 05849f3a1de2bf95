"""A hash of what tables hold: the same for the same rows, whatever the file format made of them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def new_fingerprint() -> Any:
    """An empty hash to add tables to."""
    return hashlib.blake2b(digest_size=16)


def add_table(digest: Any, table: pa.Table) -> None:
    """Add names, types and values of all columns to the hash. Tables cut differently give different hashes."""
    for name in table.column_names:
        column = table[name].combine_chunks()
        digest.update(f"{name}\0{column.type}\0{len(column)}\0".encode())
        _add_column(digest, column)


def _add_column(digest: Any, column: pa.Array) -> None:
    digest.update(np.packbits(np.asarray(column.is_valid())).tobytes())
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        digest.update(np.asarray(pc.list_value_length(column).fill_null(0)).tobytes())
        _add_column(digest, pc.list_flatten(column))
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = column.drop_null().cast(pa.large_string())
        digest.update(np.asarray(pc.binary_length(texts)).tobytes())
        # cast and drop_null may keep an offset into a larger buffer, so take copies what is in it and no more
        bounds = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
        if len(texts) and bounds[-1] > bounds[0]:
            digest.update(texts.buffers()[2][int(bounds[0]) : int(bounds[-1])])
    elif pa.types.is_primitive(kind):
        digest.update(np.ascontiguousarray(column.drop_null().to_numpy(zero_copy_only=False)).tobytes())
    else:
        digest.update(repr(column.to_pylist()).encode())
