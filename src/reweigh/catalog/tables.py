"""A catalog on disk, opened and read: whole columns as arrays, image rows a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.catalog.grouping import position, repeated_numbers
from reweigh.catalog.schema import CATALOG_FORMAT, CLASSES, IMAGES, RECORD
from reweigh.catalog.text_numbers import text_numbers
from reweigh.errors import ReweighError, nearest
from reweigh.whole_files import read_json


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """A catalog: where it lies, how large it is, and a fingerprint of its tables' contents."""

    path: Path
    root: Path
    """Folder that the images' `file` is relative to."""
    layout: str
    options: Mapping[str, Any]
    n: int
    """Images: rows of images.parquet, and of every array made from all of them."""
    k: int
    """Classes."""
    fingerprint: str
    counts: Mapping[str, Any]
    """What indexing counted: class sizes, text coverage, sources, duplicates, what was skipped, and why."""


@dataclass(frozen=True)
class ImageLocation:
    """Where an image's bytes are: a file, or a byte range in it (a member of a tar)."""

    path: Path
    offset: int | None = None
    length: int | None = None


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The classes, in the order of their labels 0..k-1."""

    names: tuple[str, ...]
    synsets: tuple[str | None, ...]
    """WordNet ids such as n02123597, where known."""
    words: tuple[tuple[str, ...], ...]
    """Words that name the class."""
    descriptions: tuple[str | None, ...]
    extra: tuple[str | None, ...] = ()
    """Further columns of the source, one JSON object a class; empty: none."""


def plain_classes(names: Sequence[str]) -> Classes:
    """Classes of which only the names are known; the name, its underscores as blanks, is their one word."""
    words = tuple((name.replace("_", " "),) for name in names)
    return Classes(names=tuple(names), synsets=(None,) * len(names), words=words, descriptions=(None,) * len(names))


def is_catalog(path: Path) -> bool:
    """Whether the folder is a catalog."""
    return (path / RECORD).is_file() and (path / IMAGES).is_file()


def open_catalog(path: Path | str) -> Catalog:
    """The catalog in this folder. Raises ReweighError where there is none, or one of a newer format."""
    path = Path(path)
    if not is_catalog(path):
        raise ReweighError(
            f"No catalog at {path}: looked for {RECORD} and {IMAGES}. Make one with: reweigh index SOURCE -o {path}"
        )
    record = read_json(path / RECORD)
    if record["format"] > CATALOG_FORMAT:
        raise ReweighError(
            f"{path} has catalog format {record['format']}; this reweigh reads up to {CATALOG_FORMAT}. Update reweigh."
        )
    return Catalog(
        path=path, root=(path / record["root"]).resolve(), layout=record["layout"], options=record["options"], n=record["images"],
        k=record["classes"], fingerprint=record["fingerprint"], counts=record["counts"],
    )  # fmt: skip


def column_names(catalog: Catalog) -> list[str]:
    """Names of the columns of images.parquet, the source's own at the end."""
    return list(pq.read_schema(catalog.path / IMAGES).names)


def read_columns(catalog: Catalog, names: Sequence[str], rows: NDArray[np.int64] | None = None) -> pa.Table:
    """These columns, of all rows or of `rows` (n,) in their order. Raises ReweighError for a column that is not there."""
    there_are = column_names(catalog)
    for name in names:
        if name not in there_are:
            raise ReweighError(
                f"{catalog.path} has no column {name!r}; there are: {', '.join(there_are)}.{nearest(name, there_are)}"
            )
    if rows is None:
        return pq.read_table(catalog.path / IMAGES, columns=list(names))
    rows = np.asarray(rows, np.int64)
    if not len(rows):
        return pq.read_schema(catalog.path / IMAGES).empty_table().select(list(names))
    order = np.argsort(rows, kind="stable")
    parts = [
        _row_group(catalog, group, tuple(names)).take(pa.array(inside))
        for group, inside in _by_group(catalog, rows[order])
    ]
    back = np.empty(len(rows), np.int64)
    back[order] = np.arange(len(rows))
    return pa.concat_tables(parts).take(pa.array(back))


def read_labels(catalog: Catalog) -> NDArray[np.int32]:
    """(n,) given labels, -1 = none."""
    return np.asarray(read_columns(catalog, ["label"])["label"].to_numpy(), dtype=np.int32)


def read_split(catalog: Catalog, name: str) -> NDArray[np.bool_]:
    """(n,) whether each row is of this split: train, val or test."""
    return np.asarray(pc.equal(read_columns(catalog, ["split"])["split"], name).combine_chunks())


def read_groups(catalog: Catalog) -> NDArray[np.int64]:
    """(n,) group numbers: rows of one group share one; a row that stands alone has its own row number."""
    return _first_rows(read_columns(catalog, ["group"])["group"])


def read_copies(catalog: Catalog) -> NDArray[np.int64]:
    """(n,) number of each row's content: rows of the same bytes share one; a row whose bytes nobody hashed has its own."""
    return _first_rows(read_columns(catalog, ["content"])["content"])


def read_sources(catalog: Catalog) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """(number of each row's source (n,), -1 = none; names in the order of the numbers, sorted)."""
    codes = read_columns(catalog, ["source"])["source"].combine_chunks().dictionary_encode()
    names = codes.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    numbers = np.full(len(names) + 1, -1, np.int32)  # the last place is that of a row without a source
    numbers[order] = np.arange(len(names))
    return numbers[codes.indices.fill_null(len(names)).to_numpy()], tuple(names[i] for i in order)


def _first_rows(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """(n,) for each text that stands more than once the first row that has it; for any other row, and a null, the row itself.

    By numbers of eight bytes: nearly every content is different, and a dictionary of millions of texts would take gigabytes.
    """
    values = text_numbers(column)
    repeated = repeated_numbers(values)
    at = position(values, repeated)
    rows = np.flatnonzero(at >= 0)
    first = np.full(len(repeated), len(values), np.int64)
    np.minimum.at(first, at[rows], rows)
    numbers = np.arange(len(values), dtype=np.int64)
    numbers[rows] = first[at[rows]]
    return numbers


def read_uids(catalog: Catalog, rows: NDArray[np.int64] | None = None) -> list[str]:
    """The uids of all rows, or of `rows`, in their order."""
    return read_columns(catalog, ["uid"], rows)["uid"].to_pylist()


def read_classes(catalog: Catalog) -> Classes:
    """The classes in the order of their labels."""
    table = pq.read_table(catalog.path / CLASSES).to_pydict()
    return Classes(
        names=tuple(table["name"]), synsets=tuple(table["synset"]), words=tuple(tuple(w or ()) for w in table["words"]),
        descriptions=tuple(table["description"]), extra=tuple(table["extra"]),
    )  # fmt: skip


def image_locations(catalog: Catalog, rows: NDArray[np.int64]) -> list[ImageLocation]:
    """Where the images of these rows are."""
    table = read_columns(catalog, ["file", "offset", "length"], rows)
    columns = (table[name].to_pylist() for name in ("file", "offset", "length"))
    return [ImageLocation(catalog.root / file, offset, length) for file, offset, length in zip(*columns, strict=True)]


def _by_group(catalog: Catalog, rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """(row group, positions inside it) for ascending rows."""
    bounds = _group_bounds(str(catalog.path), catalog.fingerprint)
    if rows[0] < 0 or rows[-1] >= bounds[-1]:
        raise ReweighError(
            f"Rows of {catalog.path} are 0..{catalog.n - 1}; asked for {rows[0] if rows[0] < 0 else rows[-1]}."
        )
    groups = np.searchsorted(bounds, rows, side="right") - 1
    for group in np.unique(groups):
        yield int(group), rows[groups == group] - bounds[group]


@lru_cache(maxsize=16)
def _group_bounds(path: str, fingerprint: str) -> NDArray[np.int64]:
    metadata = pq.read_metadata(Path(path) / IMAGES)
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _row_group(catalog: Catalog, group: int, names: tuple[str, ...]) -> pa.Table:
    return _cached_row_group(str(catalog.path), catalog.fingerprint, group, names)


@lru_cache(maxsize=8)
def _cached_row_group(path: str, fingerprint: str, group: int, names: tuple[str, ...]) -> pa.Table:
    """A row group's columns; the last few are kept, as readers ask for rows in blocks far smaller than a group."""
    with pq.ParquetFile(Path(path) / IMAGES) as file:
        return file.read_row_group(group, columns=list(names))
