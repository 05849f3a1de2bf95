"""A crawl that has grown: a new catalog beside the old one, what came, went and changed, and the features that stay."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.grouping import position
from reweigh.catalog.tables import Catalog, open_catalog, read_classes, read_columns, read_uids
from reweigh.catalog.text_numbers import text_numbers
from reweigh.features.carrying import carry_features, same_images
from reweigh.layouts.table_of_layouts import index
from reweigh.progress import Progress, silent
from reweigh.whole_files import write_bytes

CHANGES = "changes.csv"
KINDS = ("came", "went", "other bytes", "other label", "other split", "renamed")


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
    listed as renamed. Raises ReweighError as `index` and `open_catalog`.
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
    counts = {kind: sum(change[1] == kind for change in changes) for kind in KINDS}
    return Extended(catalog=after, changes=counts, classes=classes, carried=carried)


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


Change = tuple[str, str, str, str]
"""uid, kind, before, after"""


def _changes(before: Catalog, after: Catalog) -> list[Change]:
    """Every image that differs, by uid; a label is compared by its class's name."""
    old, new = _rows(before), _rows(after)
    names, earlier = read_classes(after).names, read_classes(before).names
    number = {name: label for label, name in enumerate(names)}
    as_new = np.array([number.get(name, -2) for name in earlier], np.int64)
    order = np.argsort(old.uid)
    at = position(new.uid, old.uid[order])
    there = np.flatnonzero(at >= 0)
    partner = order[at[there]]
    went = np.setdiff1d(np.arange(before.n), partner)
    came = np.flatnonzero(at < 0)
    label = np.where(old.label >= 0, as_new[old.label], -1)
    is_hashed = (old.content[partner] > 0) & (new.content[there] > 0)
    found: list[Change] = []
    found += _renamed_or_new(before, after, old, new, went, came)
    bytes_differ = np.flatnonzero(is_hashed & (old.content[partner] != new.content[there]))
    found += [(uid, "other bytes", "", "") for uid in _uids(after, there[bytes_differ])]
    labels_differ = np.flatnonzero(label[partner] != new.label[there])
    for uid, a, b in zip(
        _uids(after, there[labels_differ]),
        old.label[partner[labels_differ]],
        new.label[there[labels_differ]],
        strict=True,
    ):
        found.append((uid, "other label", _name(earlier, a), _name(names, b)))
    splits_differ = np.flatnonzero(old.split[partner] != new.split[there])
    splits = (_column(c, rows[splits_differ], "split") for c, rows in ((before, partner), (after, there)))
    found += [(uid, "other split", a, b) for uid, a, b in zip(_uids(after, there[splits_differ]), *splits, strict=True)]
    return sorted(found)


def _renamed_or_new(
    before: Catalog, after: Catalog, old: _Rows, new: _Rows, went: NDArray[np.int64], came: NDArray[np.int64]
) -> Iterator[Change]:
    """Images that came and went; one that came with the bytes of one that went was renamed."""
    went = went[np.argsort(old.content[went], kind="stable")]
    at = np.where(new.content[came] > 0, position(new.content[came], old.content[went]), -1)
    earlier = dict(zip(went.tolist(), _uids(before, went), strict=True))
    renamed: set[int] = set()
    for uid, place in zip(_uids(after, came), at.tolist(), strict=True):
        row = int(went[place]) if place >= 0 else -1
        if row >= 0 and row not in renamed:
            renamed.add(row)
            yield uid, "renamed", earlier[row], uid
        else:
            yield uid, "came", "", ""
    yield from ((uid, "went", "", "") for row, uid in earlier.items() if row not in renamed)


def _rows(catalog: Catalog) -> _Rows:
    table = read_columns(catalog, ["content", "label", "split"])
    return _Rows(
        uid=text_numbers(read_columns(catalog, ["uid"])["uid"]),
        content=text_numbers(table["content"]),
        label=table["label"].to_numpy().astype(np.int64),
        split=text_numbers(table["split"]),
    )


def _uids(catalog: Catalog, rows: NDArray[np.int64]) -> list[str]:
    return read_uids(catalog, rows)


def _column(catalog: Catalog, rows: NDArray[np.int64], name: str) -> list[str]:
    return read_columns(catalog, [name], rows)[name].to_pylist() if len(rows) else []


def _name(names: tuple[str, ...], label: int) -> str:
    return names[label] if label >= 0 else ""


def _listed(changes: list[Change]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["uid", "change", "before", "after"])
    writer.writerows(changes)
    return text.getvalue().encode()
