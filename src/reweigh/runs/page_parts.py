"""The sources and queries that images came from, as parts of them, for tables of the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, read_columns, read_sources


@dataclass(frozen=True, kw_only=True)
class Parts:
    """n images dealt out to named parts."""

    of: str
    """`source` or `query`"""
    numbers: NDArray[np.integer]
    """(n,) the part of each image"""
    names: tuple[str, ...]


def other_parts(catalog: Catalog, rows: NDArray[np.int64], labels: NDArray[np.integer]) -> list[Parts]:
    """Of these rows by source and by query where there are two or more; queries that are the classes again are left out.

    rows (n,) of the catalog; labels (n,) of them.
    """
    found = []
    numbers, sources = read_sources(catalog)
    if len(sources):
        own = np.where(numbers < 0, len(sources), numbers)[rows]
        found.append(Parts(of="source", numbers=own, names=(*sources, "no source")))
    codes = read_columns(catalog, ["query"])["query"].combine_chunks().dictionary_encode()
    queries = tuple(codes.dictionary.to_pylist())
    if len(queries):
        own = codes.indices.fill_null(len(queries)).to_numpy()[rows]
        if not same_parts(own, labels):
            found.append(Parts(of="query", numbers=own, names=(*queries, "no query")))
    return [parts for parts in found if len(np.unique(parts.numbers)) > 1]


def same_parts(one: NDArray[np.integer], other: NDArray[np.integer]) -> bool:
    """Whether two partitions of the same images are one under two numberings."""
    pairs = one.astype(np.int64) * (int(other.max(initial=0)) + 1) + other
    return len(np.unique(pairs)) == len(np.unique(one)) == len(np.unique(other))
