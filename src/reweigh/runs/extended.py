"""A crawl that has grown: a new catalog beside the old one, what came, went and changed, and the features that stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from reweigh.catalog.grouping import position
from reweigh.catalog.tables import Catalog, open_catalog, read_classes, read_columns
from reweigh.catalog.text_numbers import text_numbers
from reweigh.features.carrying import carry_features, same_images
from reweigh.layouts.table_of_layouts import index
from reweigh.progress import Progress, silent
from reweigh.whole_files import write_bytes

CHANGES = "changes.csv"
KINDS = ("came", "went", "other bytes", "other label", "other split", "renamed")
COLUMNS = pa.schema([(name, pa.string()) for name in ("uid", "change", "before", "after")])


@dataclass(frozen=True, kw_only=True)
class Extended:
    """The new catalog, and how it differs from the old one."""

    catalog: Catalog
    changes: Mapping[str, int]
    """Kind of change -> images."""
    classes: Mapping[str, tuple[str, ...]]
    """came and went -> names of classes."""
    carried: Mapping[str, int]
    """Backbone -> images whose features are not made again."""


def extend(
    source: Path,
    old: Path,
    output: Path,
    *,
    layout: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Extended:
    """Index `source` as it is now into `output`, compare it with the catalog `old`, and take over the features of equal images.

    layout and options None: those of the old catalog. An image keeps its uid, which is its path in the source. NEW/changes.csv lists
    every image that came, went, or has another label, other bytes or another split; one that came with the bytes of one that went is
    listed as renamed, and its other label or split too. Raises ReweighError as `index` and `open_catalog`.
    """
    before = open_catalog(old)
    given = {**before.options, **(options or {})} if layout in (None, before.layout) else dict(options or {})
    after = index(source, output, layout=layout or before.layout, options=given, progress=progress)
    changes = _changes(before, after)
    write_bytes(after.path / CHANGES, _listed(changes))
    names, earlier = read_classes(after).names, read_classes(before).names
    classes = {
        "came": tuple(name for name in names if name not in set(earlier)),
        "went": tuple(name for name in earlier if name not in set(names)),
    }
    carried = carry_features(before, after, same_images(before, after), progress=progress)
    counts = {one["values"]: one["counts"] for one in changes["change"].value_counts().to_pylist()}
    return Extended(
        catalog=after, changes={kind: counts.get(kind, 0) for kind in KINDS}, classes=classes, carried=carried
    )


def summarize(extended: Extended) -> list[tuple[str, str]]:
    """(name, value) lines for the command line."""
    lines = [(kind, f"{count:,}") for kind, count in extended.changes.items() if count]
    lines = lines or [("changed", "nothing: the same images with the same labels")]
    for kind, names in extended.classes.items():
        if names:
            lines.append(
                (f"classes that {kind}", f"{len(names):,}: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}")
            )
    n = extended.catalog.n
    lines += [
        (f"features of {name}", f"{count:,} of {n:,} images taken over") for name, count in extended.carried.items()
    ]
    return lines


@dataclass(frozen=True)
class _Rows:
    """What is compared of all rows, eight bytes a text; (n,) each."""

    uid: NDArray[np.uint64]
    content: NDArray[np.uint64]
    label: NDArray[np.int64]
    split: NDArray[np.uint64]


def _changes(before: Catalog, after: Catalog) -> pa.Table:
    """(uid, change, before, after) of every image that differs, by uid; a label is compared by its class's name."""
    old, new = _rows(before), _rows(after)
    order = np.argsort(old.uid)
    at = position(new.uid, old.uid[order])
    there, came = np.flatnonzero(at >= 0), np.flatnonzero(at < 0)
    partner = order[at[there]]
    went = np.setdiff1d(np.arange(before.n), partner)
    earlier, later = _renamed(old, new, went, came)
    both = np.concatenate([partner, earlier]), np.concatenate([there, later])
    names, as_new = _labels(before, after)
    is_hashed = (old.content[partner] > 0) & (new.content[there] > 0)
    bytes_differ = there[is_hashed & (old.content[partner] != new.content[there])]
    labels_differ = np.where(old.label[both[0]] >= 0, as_new[old.label[both[0]]], -1) != new.label[both[1]]
    splits_differ = old.split[both[0]] != new.split[both[1]]
    label = [
        _called(names_, rows.label[at][labels_differ]) for names_, rows, at in zip(names, (old, new), both, strict=True)
    ]
    split = [
        read_columns(c, ["split"], at[splits_differ])["split"] for c, at in zip((before, after), both, strict=True)
    ]
    return pa.concat_tables(
        [
            _table("renamed", _uids(after, later), _uids(before, earlier), _uids(after, later)),
            _table("came", _uids(after, np.setdiff1d(came, later))),
            _table("went", _uids(before, np.setdiff1d(went, earlier))),
            _table("other bytes", _uids(after, bytes_differ)),
            _table("other label", _uids(after, both[1][labels_differ]), *label),
            _table("other split", _uids(after, both[1][splits_differ]), *split),
        ]
    ).sort_by([("uid", "ascending"), ("change", "ascending")])


def _renamed(
    old: _Rows, new: _Rows, went: NDArray[np.int64], came: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows that went, rows that came with their bytes): of several of equal bytes the first becomes the first, and so on."""
    went, came = went[old.content[went] > 0], came[new.content[came] > 0]
    went = went[np.argsort(old.content[went], kind="stable")]
    came = came[np.argsort(new.content[came], kind="stable")]
    before, after = old.content[went], new.content[came]
    first, end = np.searchsorted(before, after), np.searchsorted(before, after, side="right")
    place = first + np.arange(len(after)) - np.searchsorted(after, after)
    return went[place[place < end]], came[place < end]


def _labels(before: Catalog, after: Catalog) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], NDArray[np.int64]]:
    """((names of old classes, of new ones), the new label of each old one, -2 where its class went)."""
    earlier, names = read_classes(before).names, read_classes(after).names
    number = {name: label for label, name in enumerate(names)}
    return (earlier, names), np.array([number.get(name, -2) for name in earlier], np.int64)


def _called(names: tuple[str, ...], labels: NDArray[np.int64]) -> pa.Array:
    """Names of labels, "" for none."""
    return pa.array(("", *names), pa.string()).take(pa.array(labels + 1))


def _uids(catalog: Catalog, rows: NDArray[np.int64]) -> pa.ChunkedArray:
    return read_columns(catalog, ["uid"], rows)["uid"]


def _table(change: str, uids: pa.ChunkedArray, before: Any = None, after: Any = None) -> pa.Table:
    empty = pa.nulls(len(uids), pa.string()).fill_null("")
    kind = pa.nulls(len(uids), pa.string()).fill_null(change)
    parts = (uids, kind, empty if before is None else before, empty if after is None else after)
    return pa.table(dict(zip(("uid", "change", "before", "after"), parts, strict=True)), schema=COLUMNS)


def _rows(catalog: Catalog) -> _Rows:
    table = read_columns(catalog, ["content", "label", "split"])
    return _Rows(
        uid=text_numbers(read_columns(catalog, ["uid"])["uid"]),
        content=text_numbers(table["content"]),
        label=table["label"].to_numpy().astype(np.int64),
        split=text_numbers(table["split"]),
    )


def _listed(changes: pa.Table) -> bytes:
    made = pa.BufferOutputStream()
    pyarrow.csv.write_csv(changes, made)
    return made.getvalue().to_pybytes()
