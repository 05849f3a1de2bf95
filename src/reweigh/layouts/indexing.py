"""Rows that a reader lists into a catalog: which images are there, their hashes, what was left out. All layouts end here."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.findings import Findings
from reweigh.catalog.schema import IMAGE_SCHEMA, TRUTH_SCHEMA
from reweigh.catalog.tables import Catalog, Classes, ImageLocation
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError
from reweigh.layouts.class_synsets import with_synsets
from reweigh.layouts.content import MISSING, hash_images, hashing
from reweigh.layouts.links import FOLLOW, LEADS_OUT, REFUSED, Links
from reweigh.layouts.presence import Listed, are_there
from reweigh.layouts.tar_places import TarPlaces, find_places
from reweigh.progress import Progress, silent

T = TypeVar("T")

SHOWN = 5
"""Names in a warning."""
BLOCK = 16_384
EARLY = 20_000
"""Rows after which a source of which hardly any image is there is given up, instead of after millions."""


def index_rows(
    output: Path,
    batches: Iterable[pa.RecordBatch],
    classes: Classes,
    findings: Findings,
    *,
    layout: str,
    options: Mapping[str, Any],
    source: Path,
    root: Path | None,
    where: str = "",
    places: TarPlaces | None = None,
    are_found: bool = False,
    is_twice_skipped: bool = True,
    with_truth: bool = False,
    beside: Mapping[str, Path] | None = None,
    hierarchy: Sequence[tuple[str, str]] = (),
    total: int | None = None,
    progress: Progress = silent,
) -> Catalog:
    """A catalog of the rows whose image is there; the others are counted.

    batches: as `write_catalog` takes them, without `content`; `file` relative to `root`, or the name of a member where
    `places` says where members of tars are. root None: the catalog's own folder, into which `beside` moves images that the
    reader wrote; their rows bring `content` with them. are_found: the reader has seen each file. is_twice_skipped: a row that stands twice (a uid) is
    taken once, and counted; where its labels differ, the first counts. options: `hash` False leaves the images' bytes unread; `links` refuse
    leaves out what a link outside of the root leads to; `classes` and `wordnet` as in `with_synsets`. source and where: what errors name, and
    in which folder it was looked.
    Raises ReweighError where more than half of the images are not there, or of the first ones hardly any can be used, and as `write_catalog`.
    """
    is_hashed = options.get("hash", True)
    classes = with_synsets(classes, options, findings)
    findings.warnings += _alike(classes)

    def there() -> Iterator[pa.RecordBatch]:
        seen = kept = 0
        lost, links = Findings(), Links(root, is_followed=options.get("links", FOLLOW) == FOLLOW)
        is_hopeless = False
        is_listed = root is not None and not (are_found or is_hashed or places is not None)
        listed = Listed(root) if root is not None and is_listed else None
        with hashing() as pool:
            for batch in batches:
                seen += batch.num_rows
                batch = _located(batch, places, listed, lost)
                batch = (
                    _without_links(batch, links, lost, findings, are_files_asked=bool(is_hashed))
                    if root is not None
                    else batch
                )
                batch = _hashed(batch, root, pool, lost) if is_hashed and root is not None else batch
                kept += batch.num_rows
                is_hopeless = seen >= EARLY and kept * 100 < seen
                if is_hopeless:
                    break
                yield batch
        findings.add(lost)
        if is_hopeless or lost.skipped[MISSING] * 2 > seen:
            raise ReweighError(_mostly_lost(lost, seen, source, where or f"below {root}", is_first=is_hopeless))

    return write_catalog(
        output, there(), classes, layout=layout, options=options, root=root, with_truth=with_truth, hierarchy=hierarchy,
        findings=findings, is_twice_skipped=is_twice_skipped, beside=beside, total=total, progress=progress,
    )  # fmt: skip


def _alike(classes: Classes) -> list[str]:
    """A warning of classes whose names differ in case, blanks and how accents are stored alone, unless their synsets tell them apart."""
    found: dict[str, list[str]] = {}
    for name, synset in zip(classes.names, classes.synsets, strict=True):
        if synset:
            continue
        key = " ".join(unicodedata.normalize("NFC", name).casefold().replace("_", " ").replace("-", " ").split())
        found.setdefault(key, []).append(name)
    several = [" and ".join(own) for own in found.values() if len(own) > 1]
    if not several:
        return []
    shown = "; ".join(several[:SHOWN]) + (" ..." if len(several) > SHOWN else "")
    return [f"{len(several):,} names of classes stand in several forms: {shown}; one class each, or several?"]


def _mostly_lost(lost: Findings, seen: int, source: Path, where: str, *, is_first: bool) -> str:
    """What became of most of the images, by the commonest reason."""
    ((reason, count),) = lost.skipped.most_common(1)
    said = "are not there" if reason == MISSING else f"cannot be used ({reason})"
    return (
        f"{count:,} of the {'first ' if is_first else ''}{seen:,} images of {source} {said}, e.g. {lost.examples[reason][0]}: looked {where}. "
        "Is the download complete, and unpacked there?"
    )


def row_batches(rows: Iterable[tuple[Any, ...]], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Rows, a value for each of the columns, as batches; a column that is none of the catalog's is of texts."""
    types = {field.name: field.type for field in [*IMAGE_SCHEMA, *TRUTH_SCHEMA]}
    for block in batched(rows):
        made = (
            pa.array(values, types.get(name, pa.string()))
            for name, values in zip(columns, zip(*block, strict=True), strict=True)
        )
        yield pa.record_batch(list(made), names=list(columns))


def batched(rows: Iterable[T]) -> Iterator[list[T]]:
    """The rows in lists of BLOCK, the last one shorter."""
    waiting = iter(rows)
    while block := list(islice(waiting, BLOCK)):
        yield block


def _located(
    batch: pa.RecordBatch, places: TarPlaces | None, listed: Listed | None, findings: Findings
) -> pa.RecordBatch:
    """The rows whose file or member is there; members with their byte range."""
    if places is not None:
        at = find_places(places, batch.column("file"))
        batch = _kept(batch, at >= 0, [MISSING], findings)
        at = at[at >= 0]
        names = pa.array(places.files, pa.string()).take(pa.array(places.tar[at]))
        return _with(batch, file=names, offset=pa.array(places.offset[at]), length=pa.array(places.length[at]))
    if listed is not None:
        return _kept(batch, are_there(listed, batch.column("file")), [MISSING], findings)
    return batch


def _without_links(
    batch: pa.RecordBatch, links: Links, lost: Findings, findings: Findings, *, are_files_asked: bool
) -> pa.RecordBatch:
    """The rows that no link leads out of the root for, or all of them, counted, where such links are followed."""
    leads_out = links.lead_out(batch.column("file"), are_files_asked=are_files_asked)
    if links.is_followed:
        findings.repaired[LEADS_OUT] += int(leads_out.sum())
        return batch
    return _kept(batch, ~leads_out, [REFUSED], lost)


def _hashed(batch: pa.RecordBatch, root: Path, pool: ThreadPoolExecutor, findings: Findings) -> pa.RecordBatch:
    """The rows whose bytes can be read, with their hash."""
    if not batch.num_rows:
        return batch
    nothing = [None] * batch.num_rows
    offset, length = (batch.column(n).to_pylist() if n in batch.schema.names else nothing for n in ("offset", "length"))
    files = batch.column("file").to_pylist()
    places = [ImageLocation(root / file, o, n) for file, o, n in zip(files, offset, length, strict=True)]
    hashes = hash_images(pool, places)
    batch = _with(batch, content=pa.array([value for value, _ in hashes], pa.string()))
    return _kept(
        batch, np.array([value is not None for value, _ in hashes], bool), [reason for _, reason in hashes], findings
    )


def _kept(batch: pa.RecordBatch, kept: NDArray[np.bool_], reasons: Sequence[str], findings: Findings) -> pa.RecordBatch:
    """The rows that are kept; the uids of the others are listed by their reasons, one a row or one for all."""
    if kept.all():
        return batch
    left = np.flatnonzero(~kept)
    for row, uid in zip(left.tolist(), batch.column("uid").take(pa.array(left)).to_pylist(), strict=True):
        findings.skip(reasons[row] if len(reasons) > 1 else reasons[0], [uid])
    return batch.filter(pa.array(kept))


def _with(batch: pa.RecordBatch, **columns: pa.Array) -> pa.RecordBatch:
    return pa.record_batch({name: batch.column(name) for name in batch.schema.names} | columns)
