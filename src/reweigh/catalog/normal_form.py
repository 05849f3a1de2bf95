"""Text columns in Unicode's normal form C, with a count of what was changed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def normalized(values: pa.Array, *, is_path: bool) -> tuple[pa.Array, NDArray[np.int32]]:
    """The column in normal form C, and how many texts of each row that changed, (n,).

    Columns that hold no text, and paths on disk (which must stay what they are), come back as they are.
    """
    unchanged = np.zeros(len(values), np.int32)
    if is_path:
        return values, unchanged
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        made = pc.utf8_normalize(values, form="NFC")
        return made, _differs(values, made)
    if pa.types.is_list(values.type) and pa.types.is_string(values.type.value_type):
        texts = values.flatten()
        made = pc.utf8_normalize(texts, form="NFC")
        if not _differs(texts, made).any():
            return values, unchanged
        parents = np.asarray(pc.list_parent_indices(values))
        np.add.at(unchanged, parents, _differs(texts, made))
        offsets = np.concatenate([[0], np.cumsum(np.asarray(pc.list_value_length(values).fill_null(0)))])
        rebuilt = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), made, mask=pc.is_null(values))
        return rebuilt, unchanged
    return values, unchanged


def _differs(before: pa.Array, after: pa.Array) -> NDArray[np.int32]:
    return np.asarray(pc.not_equal(before, after).fill_null(False)).astype(np.int32)
