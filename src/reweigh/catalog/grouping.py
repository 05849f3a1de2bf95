"""Groups: rows that must share a fold, by the source's own groups and by equal bytes; sixteen bytes of memory a row."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reweigh.catalog.text_numbers import text_numbers

BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class GroupKeys:
    """The numbers (of contents, of given groups) that more than one row has, and the group that each leads to."""

    content: NDArray[np.uint64]
    """(a,) ascending numbers of contents that stand more than once."""
    given: NDArray[np.uint64]
    """(b,) ascending numbers of the source's groups of more than one row."""
    component: NDArray[np.int64]
    """(a + b,) number of the group of each, first the contents, then the given groups."""


@dataclass
class Copies:
    """What is known of each content that stands more than once; arrays (a,)."""

    rows: NDArray[np.int64]
    lowest: NDArray[np.int32]
    """Smallest label; of rows with a label only."""
    highest: NDArray[np.int32]
    is_trained: NDArray[np.bool_]
    is_tested: NDArray[np.bool_]
    """A row of it is in split val or test."""
    uids: list[list[str]]
    """The first two uids."""


@dataclass
class Grouping:
    """Collects, while rows come in any order, what decides groups; then gives rows in their final order their group."""

    content: list[NDArray[np.uint64]] = field(default_factory=list)
    given: list[NDArray[np.uint64] | int] = field(default_factory=list)
    """Numbers of a batch's groups, or only its length where it gives none."""
    keys: GroupKeys | None = None
    copies: Copies | None = None
    heads: NDArray[np.object_] | None = None
    """uid of each group's first row, as far as seen."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the batch's content hashes and given groups."""
        self.content.append(text_numbers(batch.column("content")))
        group = batch.column("group")
        self.given.append(len(group) if group.null_count == len(group) else text_numbers(group))

    def resolve(self) -> None:
        """All rows are in: find which numbers repeat, and which of them are joined by a row that has both."""
        content = np.concatenate(self.content)
        self.content = []
        is_given = any(not isinstance(part, int) for part in self.given)
        given = np.zeros(0, np.uint64)
        if is_given:
            given = np.concatenate([np.zeros(p, np.uint64) if isinstance(p, int) else p for p in self.given])
        self.given = []
        self.keys = group_keys(content, given)
        a, n_groups = len(self.keys.content), int(self.keys.component.max(initial=-1)) + 1
        self.heads = np.full(n_groups, None, object)
        top = np.iinfo(np.int32).max
        self.copies = Copies(
            rows=np.zeros(a, np.int64), lowest=np.full(a, top, np.int32), highest=np.full(a, -1, np.int32),
            is_trained=np.zeros(a, bool), is_tested=np.zeros(a, bool), uids=[[] for _ in range(a)],
        )  # fmt: skip

    def column(self, block: pa.Table) -> pa.Array:
        """The column `group` of the next rows in final order: the first uid of the row's group, null where alone."""
        assert self.keys is not None and self.heads is not None and self.copies is not None
        content = position(text_numbers(block["content"]), self.keys.content)
        given = position(text_numbers(block["group"]), self.keys.given)
        node = np.where(content >= 0, content, np.where(given >= 0, given + len(self.keys.content), -1))
        grouped = np.flatnonzero(node >= 0)
        if not len(grouped):
            return pa.nulls(block.num_rows, pa.string())
        _count_copies(self.copies, block, content)
        component = self.keys.component[node[grouped]]
        new, first = np.unique(component, return_index=True)
        unseen = np.array([self.heads[number] is None for number in new], bool)
        self.heads[new[unseen]] = block["uid"].take(pa.array(grouped[first[unseen]])).to_pylist()
        values = np.full(block.num_rows, None, object)
        values[grouped] = self.heads[component]
        return pa.array(values, pa.string())


def duplicates(grouping: Grouping) -> int:
    """Rows whose bytes an earlier row has."""
    return 0 if grouping.copies is None else int((grouping.copies.rows - 1).sum())


def under_other_label(grouping: Grouping) -> list[list[str]]:
    """Two uids of each content that stands under more than one label."""
    copies = grouping.copies
    return [] if copies is None else [copies.uids[i] for i in np.flatnonzero(copies.lowest < copies.highest)]


def across_splits(grouping: Grouping) -> list[list[str]]:
    """Two uids of each content that has a training row and a val or test row."""
    copies = grouping.copies
    return [] if copies is None else [copies.uids[i] for i in np.flatnonzero(copies.is_trained & copies.is_tested)]


def group_keys(content: NDArray[np.uint64], given: NDArray[np.uint64]) -> GroupKeys:
    """Connected components of what rows share; content (n,), given (n,) or (0,): a number a row, 0 = none.

    Only what repeats becomes a node, so that the memory is that of the arguments and of one sorted copy.
    """
    contents, groups = repeated_numbers(content), repeated_numbers(given)
    edges = [np.zeros((2, 0), np.int64)]
    for start in range(0, len(content) if len(contents) and len(groups) else 0, BLOCK):
        left = position(content[start : start + BLOCK], contents)
        right = position(given[start : start + BLOCK], groups)
        both = (left >= 0) & (right >= 0)
        edges.append(np.unique(np.stack([left[both], right[both] + len(contents)]), axis=1))
    component = _components(np.concatenate(edges, axis=1), len(contents) + len(groups))
    return GroupKeys(content=contents, given=groups, component=component)


def repeated_numbers(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Ascending numbers, other than 0, that stand more than once among `numbers`."""
    ordered = np.sort(numbers)
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return again[again > 0]


def position(numbers: NDArray[np.uint64], among: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(n,) place of each number in the ascending `among`, -1 where it is not there."""
    if not len(among):
        return np.full(len(numbers), -1, np.int64)
    at = np.minimum(np.searchsorted(among, numbers), len(among) - 1)
    return np.where(among[at] == numbers, at, -1)


def _components(edges: NDArray[np.int64], n_nodes: int) -> NDArray[np.int64]:
    """(n_nodes,) number of each node's connected component; edges (2, m)."""
    if not edges.shape[1]:
        return np.arange(n_nodes, dtype=np.int64)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(edges.shape[1], np.int8), (edges[0], edges[1])), shape=(n_nodes, n_nodes))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _count_copies(copies: Copies, block: pa.Table, content: NDArray[np.int64]) -> None:
    """Add the block's rows to what is known of their content; content (n,) is its place in `copies`, -1 = alone."""
    rows = np.flatnonzero(content >= 0)
    at = content[rows]
    labels = np.asarray(block["label"].combine_chunks())[rows]
    trained = np.asarray(pc.equal(block["split"], "train").combine_chunks())[rows]
    np.add.at(copies.rows, at, 1)
    np.minimum.at(copies.lowest, at[labels >= 0], labels[labels >= 0])
    np.maximum.at(copies.highest, at[labels >= 0], labels[labels >= 0])
    copies.is_trained[at[trained]] = True
    copies.is_tested[at[~trained]] = True
    for place, uid in zip(at.tolist(), block["uid"].take(pa.array(rows)).to_pylist(), strict=True):
        if len(copies.uids[place]) < 2:
            copies.uids[place].append(uid)
