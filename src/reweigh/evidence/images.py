"""What the catalog says about each training image: the piece that every weigher may read."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.splits import draw
from reweigh.catalog.tables import Catalog, read_columns, read_copies, read_groups, read_labels, read_sources, read_uids


@dataclass(frozen=True, kw_only=True)
class Images:
    """n labelled images, in the order of their uids."""

    rows: NDArray[np.int64]
    """(n,) rows of the catalog, ascending: the order of the uids"""
    labels: NDArray[np.int32]
    """(n,) given labels, 0..k-1"""
    k: int
    groups: NDArray[np.int64]
    """(n,) rows of one number must share a fold"""
    copies: NDArray[np.int64]
    """(n,) rows of one number have the same bytes"""
    source: NDArray[np.int32]
    """(n,) number of the source, -1 = none"""
    source_names: tuple[str, ...]
    rank: NDArray[np.int32]
    """(n,) position in the search, 1 = first; 0 = not known"""
    is_fitted: NDArray[np.bool_]
    """(n,) False where the same bytes stand under another label too: nothing is learnt from such a row"""
    person: NDArray[np.float32]
    """(n,) what a person said of the label, as far as it may serve as evidence: 1 right, 0 wrong, NaN = nothing"""


def images_of(catalog: Catalog, rows: NDArray[np.int64], *, n_verified: int = 0, seed: int = 0) -> Images:
    """The piece for these rows of a catalog, all of them labelled.

    n_verified: how many of the rows that a person checked may serve as evidence; drawn by a hash of uid and seed.
    """
    source, names = read_sources(catalog)
    rank = read_columns(catalog, ["rank"])["rank"].fill_null(0).to_numpy()
    labels, copies = read_labels(catalog)[rows], read_copies(catalog)[rows]
    return Images(
        rows=rows,
        labels=labels,
        k=catalog.k,
        groups=read_groups(catalog)[rows],
        copies=copies,
        source=source[rows],
        source_names=names,
        rank=np.maximum(rank[rows], 0).astype(np.int32),
        is_fitted=~contested(copies, labels),
        person=_person(catalog, rows, n_verified=n_verified, seed=seed),
    )


def _person(catalog: Catalog, rows: NDArray[np.int64], *, n_verified: int, seed: int) -> NDArray[np.float32]:
    """What people said of the labels of at most `n_verified` rows, NaN elsewhere."""
    said = np.full(len(rows), np.nan, np.float32)
    if n_verified:
        verified = read_columns(catalog, ["verified"])["verified"].combine_chunks()
        known = rows[np.asarray(verified.is_valid())[rows]]
        drawn = np.sort(known[np.argsort(draw(read_uids(catalog, known), seed=seed), kind="stable")[:n_verified]])
        said[np.searchsorted(rows, drawn)] = np.asarray(verified.fill_null(False))[drawn]
    return said


def chosen_images(images: Images, positions: NDArray[np.int64]) -> Images:
    """The same piece for some of its rows."""
    taken = {name: getattr(images, name)[positions] for name in ROW_ARRAYS}
    return Images(k=images.k, source_names=images.source_names, **taken)


ROW_ARRAYS = tuple(field.name for field in fields(Images) if field.name not in ("k", "source_names"))


def contested(copies: NDArray[np.int64], labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """(n,) whether the same bytes stand under another label too: no label of them can be trusted by being first."""
    numbers, member = np.unique(copies, return_inverse=True)
    lowest, highest = np.full(len(numbers), np.iinfo(np.int32).max), np.full(len(numbers), -1)
    np.minimum.at(lowest, member, labels)
    np.maximum.at(highest, member, labels)
    return (lowest < highest)[member]
