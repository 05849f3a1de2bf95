"""A new catalog: rows of any order and size, sorted, checked, grouped, counted, and whole on disk or not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reweigh.catalog.counting import Counts
from reweigh.catalog.grouping import Grouping
from reweigh.catalog.normal_form import normalized
from reweigh.catalog.schema import (
    CATALOG_FORMAT,
    CLASS_SCHEMA,
    CLASSES,
    HIERARCHY,
    HIERARCHY_SCHEMA,
    IMAGE_SCHEMA,
    IMAGES,
    RECORD,
    TRUTH,
    TRUTH_SCHEMA,
)
from reweigh.catalog.sorting import merged, spill_sorted
from reweigh.catalog.tables import Catalog, Classes, open_catalog
from reweigh.errors import ReweighError
from reweigh.progress import Progress, silent
from reweigh.whole_files import whole_folder, write_json

GROUP_ROWS = 65_536
"""Rows a row group of images.parquet: what a reader of a few rows has to decode."""


def write_catalog(
    path: Path,
    batches: Iterable[pa.RecordBatch],
    classes: Classes,
    *,
    layout: str,
    options: Mapping[str, Any],
    root: Path | None,
    with_truth: bool = False,
    hierarchy: Sequence[tuple[str, str]] = (),
    skipped: Mapping[str, Sequence[str]] | None = None,
    total: int | None = None,
    progress: Progress = silent,
    beside: Mapping[str, Path] | None = None,
) -> Catalog:
    """Write a new catalog at `path` and open it. Same rows, in any order, give the same bytes.

    batches: columns by the names of IMAGE_SCHEMA, at least uid, split, file and label; what is absent is null; further
    columns are kept, and must be the same in all batches. `with_truth`: a column `truth` (int32, null = not known) goes to
    truth.parquet. root: folder that `file` is relative to; None: the catalog's own folder. skipped: reason -> names of
    what the reader left out. beside: name -> folder that is moved into the catalog (images that the reader had to write).
    Raises ReweighError for a folder that is there, no rows, a uid twice, and labels outside -1..k-1 (naming the image).
    """
    if path.exists():
        raise ReweighError(f"{path} exists; a catalog is never rewritten in place. Give another -o, or remove it.")
    k = len(classes.names)
    with whole_folder(path) as partial:
        for name, folder in (beside or {}).items():
            shutil.move(folder, partial / name)
        spill = partial / "spill"
        spill.mkdir()
        runs = spill_sorted(_prepared(batches, k, with_truth), spill, on_rows=_speed(progress, total))
        if not runs:
            raise ReweighError(f"No image to index: the source of {path} gave no row.")
        counts, grouping = Counts(k), Grouping()
        with _Sorted(spill / "sorted.arrow") as first:
            for block in merged(runs):
                counts.add(block)
                grouping.add(block)
                first.write(block)
        groups = grouping.resolve()
        _write_images(partial, spill / "sorted.arrow", groups, with_truth)
        shutil.rmtree(spill)
        _write_classes(partial / CLASSES, classes)
        if hierarchy:
            columns = [pa.array([pair[i] for pair in hierarchy], pa.string()) for i in (0, 1)]
            pq.write_table(pa.table(columns, schema=HIERARCHY_SCHEMA), partial / HIERARCHY)
        record = {
            "format": CATALOG_FORMAT,
            "layout": layout,
            "options": dict(options),
            "root": "." if root is None else str(root.resolve()),
            "images": counts.n,
            "classes": k,
            "fingerprint": _fingerprint(partial),
            "counts": counts.summary(classes.names, grouping, skipped or {}),
        }
        write_json(partial / RECORD, record)
    return open_catalog(path)


def _speed(progress: Progress, total: int | None) -> Any:
    """A callback on rows so far that says how many a second."""
    start = time.monotonic()

    def on_rows(rows: int) -> None:
        progress("index", rows, total, f"{rows / max(time.monotonic() - start, 1e-3):,.0f} rows/s")

    return on_rows


def _prepared(batches: Iterable[pa.RecordBatch], k: int, with_truth: bool) -> Iterator[pa.RecordBatch]:
    """The batches with all columns of the schema, in its order and types, then the source's own; texts in normal form."""
    schema: pa.Schema | None = None
    for batch in batches:
        if not batch.num_rows:
            continue
        if schema is None:
            extra = [f for f in batch.schema if f.name not in IMAGE_SCHEMA.names and not (with_truth and f.name == "truth")]
            truth = [pa.field("truth", pa.int32())] if with_truth else []
            schema = pa.schema([*IMAGE_SCHEMA, *extra, *truth, pa.field("_repaired", pa.int32())])
        columns, repaired = [], np.zeros(batch.num_rows, np.int32)
        for field in list(schema)[:-1]:
            if field.name not in batch.schema.names:
                columns.append(pa.nulls(batch.num_rows, field.type))
                continue
            values, changed = normalized(batch.column(field.name).cast(field.type), is_path=field.name == "file")
            repaired += changed
            columns.append(values)
        _check_labels(batch, k)
        yield pa.record_batch([*columns, pa.array(repaired)], schema=schema)


def _check_labels(batch: pa.RecordBatch, k: int) -> None:
    for name in ("label", "verified_label"):
        if name not in batch.schema.names:
            continue
        values = batch.column(name).fill_null(-1).to_numpy(zero_copy_only=False)
        bad = np.flatnonzero((values < -1) | (values >= k))
        if len(bad):
            uid = batch.column("uid")[int(bad[0])].as_py()
            raise ReweighError(f"{name} {values[bad[0]]} of {uid!r} is out of range: the {k} classes are 0..{k - 1}, and -1 is none.")


class _Sorted:
    """An IPC file of blocks, opened with the first one."""

    def __init__(self, path: Path) -> None:
        self._path, self._writer, self._sink = path, None, None

    def __enter__(self) -> _Sorted:
        return self

    def write(self, block: pa.Table) -> None:
        if self._writer is None:
            self._sink = pa.OSFile(str(self._path), "wb")
            self._writer = pa.ipc.new_file(self._sink, block.schema)
        self._writer.write_table(block)

    def __exit__(self, *failure: object) -> None:
        if self._writer is not None:
            self._writer.close()
            self._sink.close()


def _write_images(folder: Path, sorted_rows: Path, groups: Any, with_truth: bool) -> None:
    """images.parquet with its groups, and truth.parquet, from the rows in their final order."""
    reader = pa.ipc.open_file(pa.memory_map(str(sorted_rows)))
    dropped = ["_repaired", *(["truth"] if with_truth else [])]
    schema = pa.schema([f for f in reader.schema if f.name not in dropped])
    names = groups.first_uids(reader)
    start = 0
    truth_writer = pq.ParquetWriter(folder / TRUTH, TRUTH_SCHEMA) if with_truth else None
    with pq.ParquetWriter(folder / IMAGES, schema, compression="zstd") as writer:
        for block in _regrouped(reader):
            column = groups.column(start, block.num_rows, names)
            rows = block.drop_columns(dropped)
            writer.write_table(rows.set_column(rows.schema.get_field_index("group"), schema.field("group"), column).cast(schema))
            if truth_writer is not None:
                known = block.select(["uid", "truth"]).filter(block["truth"].is_valid())
                truth_writer.write_table(known.cast(TRUTH_SCHEMA))
            start += block.num_rows
    if truth_writer is not None:
        truth_writer.close()


def _regrouped(reader: pa.ipc.RecordBatchFileReader) -> Iterator[pa.Table]:
    """The file's rows in tables of GROUP_ROWS rows, the last one shorter."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        while batch.num_rows:
            part = batch.slice(0, GROUP_ROWS - rows)
            waiting.append(part)
            rows += part.num_rows
            batch = batch.slice(part.num_rows)
            if rows == GROUP_ROWS:
                yield pa.Table.from_batches(waiting)
                waiting, rows = [], 0
    if rows:
        yield pa.Table.from_batches(waiting)


def _write_classes(path: Path, classes: Classes) -> None:
    table = pa.table(
        {
            "label": pa.array(range(len(classes.names)), pa.int32()),
            "name": list(classes.names),
            "synset": pa.array(classes.synsets, pa.string()),
            "words": pa.array([list(words) for words in classes.words], pa.list_(pa.string())),
            "description": pa.array(classes.descriptions, pa.string()),
            "extra": pa.array(classes.extra or [None] * len(classes.names), pa.string()),
        },
        schema=CLASS_SCHEMA,
    )
    pq.write_table(table, path)


def _fingerprint(folder: Path) -> str:
    """Hash of the tables' files."""
    digest = hashlib.blake2b(digest_size=16)
    for name in (IMAGES, CLASSES, HIERARCHY, TRUTH):
        path = folder / name
        if path.is_file():
            digest.update(f"{name} {os.path.getsize(path)}\0".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
    return digest.hexdigest()
