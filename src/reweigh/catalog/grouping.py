"""Groups: rows that must share a fold, from the source's own groups and from equal bytes, eight bytes of memory a row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

SPLIT_CODE = {"train": 0, "val": 1, "test": 2}


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Which rows stand together: `head[i]` is the first row of the group of `rows[i]`; other rows stand alone."""

    rows: NDArray[np.int64]
    head: NDArray[np.int64]

    def first_uids(self, reader: pa.ipc.RecordBatchFileReader) -> dict[int, str]:
        """Row -> uid of the first rows of groups, read from the file of all rows in their final order."""
        wanted = np.unique(self.head)
        found: dict[int, str] = {}
        start = 0
        for number in range(reader.num_record_batches if len(wanted) else 0):
            uids = reader.get_batch(number).column("uid")
            inside = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + len(uids))]
            found.update(zip(inside.tolist(), uids.take(pa.array(inside - start)).to_pylist(), strict=True))
            start += len(uids)
        return found

    def column(self, start: int, count: int, names: dict[int, str]) -> pa.Array:
        """The column `group` of rows start..start + count - 1: the uid of the group's first row, null where alone."""
        values: list[str | None] = [None] * count
        first, last = np.searchsorted(self.rows, [start, start + count])
        for row, head in zip(self.rows[first:last].tolist(), self.head[first:last].tolist(), strict=True):
            values[row - start] = names[head]
        return pa.array(values, pa.string())


class Grouping:
    """Collects what decides groups while rows go by in their final order."""

    def __init__(self) -> None:
        self._content: list[NDArray[np.uint64]] = []
        self._given: list[NDArray[np.uint64]] = []
        self._label: list[NDArray[np.int32]] = []
        self._split: list[NDArray[np.int8]] = []
        self.duplicates = 0
        """Rows whose bytes an earlier row has."""
        self.with_other_label = 0
        """Groups of equal bytes with more than one label."""
        self.across_splits = 0
        """Groups of equal bytes with a training row and a val or test row."""

    def add(self, block: pa.Table) -> None:
        """Take the block's content hashes, given groups, labels and splits."""
        self._content.append(_content_keys(block["content"]))
        self._given.append(_text_keys(block["group"]))
        self._label.append(block["label"].to_numpy().astype(np.int32))
        codes = pc.index_in(block["split"], pa.array(list(SPLIT_CODE)))
        self._split.append(codes.to_numpy().astype(np.int8))

    def resolve(self) -> Groups:
        """Groups of all rows: equal bytes or equal given group, joined where they overlap."""
        content, given = np.concatenate(self._content), np.concatenate(self._given)
        label, split = np.concatenate(self._label), np.concatenate(self._split)
        self._content, self._given, self._label, self._split = [], [], [], []
        same_bytes = _equal_rows(content)
        self._count_duplicates(same_bytes, label, split)
        links = [pair for pairs in (same_bytes, _equal_rows(given)) for pair in pairs]
        if not links:
            return Groups(rows=np.zeros(0, np.int64), head=np.zeros(0, np.int64))
        return _components(links)

    def _count_duplicates(self, same: list[NDArray[np.int64]], label: NDArray[np.int32], split: NDArray[np.int8]) -> None:
        self.duplicates = sum(len(rows) - 1 for rows in same)
        self.with_other_label = sum(len(np.unique(label[rows])) > 1 for rows in same)
        self.across_splits = sum(bool((split[rows] == 0).any() and (split[rows] > 0).any()) for rows in same)


def _content_keys(content: pa.ChunkedArray) -> NDArray[np.uint64]:
    """The first 64 bits of each hash, 0 where there is none. Equal hashes give equal keys; of 16 million different
    ones, two share a key with a chance of 1 in 100,000, and are then merely kept in one fold."""
    keys = np.zeros(len(content), np.uint64)
    known = np.flatnonzero(np.asarray(content.combine_chunks().is_valid()))
    if len(known):
        heads = pc.utf8_slice_codeunits(content.take(pa.array(known)), 0, 16)
        keys[known] = np.frombuffer(bytes.fromhex("".join(heads.to_pylist())), dtype=">u8")
    return keys


def _text_keys(texts: pa.ChunkedArray) -> NDArray[np.uint64]:
    """A 64-bit hash of each text, 0 where there is none."""
    keys = np.zeros(len(texts), np.uint64)
    known = np.flatnonzero(np.asarray(texts.combine_chunks().is_valid()))
    values = texts.take(pa.array(known)).to_pylist()
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in values)
    keys[known] = np.frombuffer(digests, dtype=">u8")
    return keys


def _equal_rows(keys: NDArray[np.uint64]) -> list[NDArray[np.int64]]:
    """Rows of every key but 0 that stands more than once, ascending."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sizes = np.diff(np.r_[starts, len(keys)])
    several = np.flatnonzero((sizes > 1) & (ordered[starts] != 0))
    return [order[starts[i] : starts[i] + sizes[i]] for i in several]


def _components(links: list[NDArray[np.int64]]) -> Groups:
    """Connected components of rows that are linked to the first of their set; heads are the smallest rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = np.unique(np.concatenate(links))
    a = np.searchsorted(rows, np.concatenate([np.full(len(link), link[0]) for link in links]))
    b = np.searchsorted(rows, np.concatenate(links))
    count, component = connected_components(coo_array((np.ones(len(a), bool), (a, b)), shape=(len(rows), len(rows))), directed=False)
    head = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(head, component, rows)
    return Groups(rows=rows, head=head[component])
