"""A new catalog: rows of any order and size, sorted, checked, grouped, counted, and whole on disk or not there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reweigh.catalog.ahead import ahead
from reweigh.catalog.counting import Counts, summary
from reweigh.catalog.findings import Findings
from reweigh.catalog.fingerprint import add_table, new_fingerprint
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
    KIND,
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

TWICE, TWICE_OTHER_LABEL = "stands twice in the source", "stands twice, with another label (the first counts)"

DIFFERING = ("uid", "file", "offset", "length", "title", "description", "content")


def write_catalog(
    path: Path,
    batches: Iterable[pa.RecordBatch],
    classes: Classes,
    *,
    layout: str,
    options: Mapping[str, Any],
    root: Path | None,
    with_truth: bool = False,
    with_kinds: bool = False,
    hierarchy: Sequence[tuple[str, str]] = (),
    findings: Findings | None = None,
    is_twice_skipped: bool = False,
    total: int | None = None,
    progress: Progress = silent,
    beside: Mapping[str, Path] | None = None,
) -> Catalog:
    """Write a new catalog at `path` and open it. Same rows, in any order, give the same bytes.

    batches: columns by the names of IMAGE_SCHEMA, at least uid, split, file and label; what is absent is null; further
    columns are kept, and must be the same in all batches. `with_truth`: a column `truth` (int32, null = not known) goes
    to truth.parquet, and `with_kinds` a column `kind` (string) with it. root: folder that `file` is relative to; None: the
    catalog's own folder. findings: what the reader left out and repaired (read when all batches are). is_twice_skipped: of rows of
    one uid the first counts, the others are among the findings. beside: name -> folder that is moved into the catalog when all batches are read
    (images that the reader had to write).
    Raises ReweighError for a folder that is there, no rows, a uid twice unless those are skipped, and labels outside -1..k-1 (naming the image).
    """
    if path.exists():
        raise ReweighError(f"{path} exists; a catalog is never rewritten in place. Give another -o, or remove it.")
    if not classes.names:
        raise ReweighError(f"No classes for {path}: a catalog needs at least one, even where no image has a label.")
    k = len(classes.names)
    apart = pa.schema([*([TRUTH_SCHEMA.field("truth")] if with_truth else []), *([KIND] if with_kinds else [])])
    counts, grouping, digest = Counts(k), Grouping(), new_fingerprint()
    findings = findings or Findings()
    with whole_folder(path) as partial:
        spill = partial / "spill"
        spill.mkdir()
        runs = spill_sorted(ahead(_prepared(batches, k, apart, grouping)), spill, on_rows=_speed(progress, total))
        if not runs:
            raise ReweighError(f"No image to index: the source of {path} gave no row.{_reasons(findings)}")
        for name, folder in (beside or {}).items():
            shutil.move(folder, partial / name)
        grouping.resolve()
        _write_images(
            partial,
            merged(runs, _counting_twice(findings) if is_twice_skipped else None),
            counts,
            grouping,
            digest,
            apart,
        )
        shutil.rmtree(spill)
        _write_small(partial, classes, hierarchy, digest)
        record = {
            "format": CATALOG_FORMAT,
            "layout": layout,
            "options": dict(options),
            "root": "." if root is None else str(root.resolve()),
            "images": counts.n,
            "classes": k,
            "fingerprint": digest.hexdigest(),
            "counts": summary(counts, classes.names, grouping, findings),
        }
        write_json(partial / RECORD, record)
    return open_catalog(path)


def _counting_twice(findings: Findings) -> Callable[[str, bool], None]:
    """Counts a row whose uid an earlier one has, and whether it has another label."""

    def on_twice(uid: str, is_same_label: bool) -> None:
        findings.skip(TWICE if is_same_label else TWICE_OTHER_LABEL, [uid])

    return on_twice


def _reasons(findings: Findings) -> str:
    """' Skipped: ...' with the number of names for each reason, or nothing."""
    found = ", ".join(f"{n:,} {reason}, e.g. {findings.examples[reason][0]}" for reason, n in findings.skipped.items())
    return f" Skipped: {found}." if found else ""


def _speed(progress: Progress, total: int | None) -> Any:
    """A callback on rows so far that says how many a second."""
    start = time.monotonic()

    def on_rows(rows: int) -> None:
        progress("index", rows, total, f"{rows / max(time.monotonic() - start, 1e-3):,.0f} rows/s")

    return on_rows


def _prepared(
    batches: Iterable[pa.RecordBatch], k: int, apart: pa.Schema, grouping: Grouping
) -> Iterator[pa.RecordBatch]:
    """The batches with all columns of the schema, in its order and types, then the source's own; texts in normal form."""
    schema: pa.Schema | None = None
    for batch in batches:
        if not batch.num_rows:
            continue
        schema = schema or _schema(batch.schema, apart)
        columns, repaired = [], np.zeros(batch.num_rows, np.int32)
        for field in list(schema)[:-1]:
            if field.name not in batch.schema.names:
                columns.append(pa.nulls(batch.num_rows, field.type))
                continue
            values, changed = normalized(batch.column(field.name).cast(field.type), is_path=field.name == "file")
            repaired += changed
            columns.append(values)
        _check_labels(batch, k)
        prepared = pa.record_batch([*columns, pa.array(repaired)], schema=schema)
        grouping.add(prepared)
        yield prepared


def _schema(given: pa.Schema, apart: pa.Schema) -> pa.Schema:
    """Our columns, the source's own, and those that do not reach images.parquet: the truth and the count of repaired texts."""
    last = [*(field.with_nullable(True) for field in apart), pa.field("_repaired", pa.int32())]
    taken = {*IMAGE_SCHEMA.names, *(field.name for field in last)}
    return pa.schema([*IMAGE_SCHEMA, *(field for field in given if field.name not in taken), *last])


def _check_labels(batch: pa.RecordBatch, k: int) -> None:
    for name in ("label", "verified_label", "truth"):
        if name not in batch.schema.names:
            continue
        values = batch.column(name).fill_null(-1).to_numpy(zero_copy_only=False)
        bad = np.flatnonzero((values < -1) | (values >= k))
        if len(bad):
            uid = batch.column("uid")[int(bad[0])].as_py()
            raise ReweighError(
                f"{name} {values[bad[0]]} of {uid!r} is out of range: the {k} classes are 0..{k - 1}, and -1 is none."
            )


def _write_images(
    folder: Path, blocks: Iterable[pa.Table], counts: Counts, grouping: Grouping, digest: Any, apart: pa.Schema
) -> None:
    """images.parquet with its groups, and truth.parquet, from the rows in their final order, counted on the way."""
    with ExitStack() as writers:
        images: pq.ParquetWriter | None = None
        schema = pa.schema([TRUTH_SCHEMA.field("uid"), *apart])
        truth = writers.enter_context(pq.ParquetWriter(folder / TRUTH, schema)) if len(apart) else None
        for block in ahead(_regrouped(blocks)):
            counts.add(block)
            group = block.schema.get_field_index("group")
            block = block.set_column(group, block.schema.field(group), grouping.column(block))
            rows = block.drop_columns(["_repaired", *apart.names])
            add_table(digest, rows)
            if images is None:
                images = writers.enter_context(_images_writer(folder / IMAGES, rows.schema))
            images.write_table(rows)
            if truth is not None:
                known = block.select(schema.names).filter(block["truth"].is_valid()).cast(schema)
                add_table(digest, known)
                truth.write_table(known)


def _images_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Texts that differ in nearly every row are written as they are; a dictionary of them would be built in vain."""
    repeating = [field.name for field in schema if field.name not in DIFFERING]
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeating)


def _regrouped(blocks: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows in tables of GROUP_ROWS rows, the last one shorter."""
    waiting: list[pa.Table] = []
    rows = 0
    for block in blocks:
        while block.num_rows:
            part = block.slice(0, GROUP_ROWS - rows)
            waiting.append(part)
            rows += part.num_rows
            block = block.slice(part.num_rows)
            if rows == GROUP_ROWS:
                yield pa.concat_tables(waiting).combine_chunks()
                waiting, rows = [], 0
    if rows:
        yield pa.concat_tables(waiting).combine_chunks()


def _write_small(folder: Path, classes: Classes, hierarchy: Sequence[tuple[str, str]], digest: Any) -> None:
    """classes.parquet, and hierarchy.parquet where there is one."""
    tables = {CLASSES: _class_table(classes)}
    if hierarchy:
        columns = [pa.array([pair[i] for pair in hierarchy], pa.string()) for i in (0, 1)]
        tables[HIERARCHY] = pa.table(columns, schema=HIERARCHY_SCHEMA)
    for name, table in tables.items():
        add_table(digest, table)
        pq.write_table(table, folder / name)


def _class_table(classes: Classes) -> pa.Table:
    return pa.table(
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
