"""Layout `img2dataset`: what the downloader of that name writes: files, tars, or Parquet with the images in it.

A shard is `00000.parquet` with a row for each link that was tried, and the images in the folder `00000/`, in `00000.tar`, or in a column of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog
from reweigh.errors import ReweighError
from reweigh.images.tar_members import read_members
from reweigh.layouts.arrow_batches import as_schema, common_schema, parquet_batches, parquet_schema
from reweigh.layouts.class_lists import ClassList
from reweigh.layouts.folders import files_in
from reweigh.layouts.indexing import index_rows
from reweigh.layouts.label_column import asked_column, classes_of_column, labels_of
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.table_columns import columns_beside, texts_of
from reweigh.layouts.tar_places import read_places
from reweigh.layouts.written_images import FOLDER, images_beside, write_image
from reweigh.progress import Progress, silent

SHARD = re.compile(r"\d{5,}\.parquet")
NEEDED = ("key", "status")
FORMATS = ("jpg", "png", "webp")
"""Endings that img2dataset writes, and names of the column of bytes."""
ROWS = 4096
ROWS_OF_BYTES = 256
DROPPED = ("key", "status", "error_message", "exif", *FORMATS)
KEY = re.compile(r"[\w-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Shards:
    """The shards that are whole, and how their images lie."""

    source: Path
    names: tuple[str, ...]
    form: str
    """files, tars or bytes."""
    ending: str
    schema: pa.Schema
    """Of all of them"""


def index_img2dataset(
    source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent
) -> Catalog:
    """The output folder of a download.

    Option `label`: the column with classes; without it no image has one. Rows whose download failed are counted by their status;
    a shard without its `_stats.json` was interrupted and is left out with a warning. The caption is the title, the link's host the source.
    Raises ReweighError for a folder without whole shards, and as `index_rows`.
    """
    findings = Findings()
    shards = _open(source, findings)
    label = _label_column(shards, options, findings)
    classes = _classes(shards, label)
    findings.notes.append(f"{len(shards.names):,} shards, images as {shards.form}")
    if shards.form == "bytes":
        with images_beside(output) as images:
            return index_rows(
                output, _batches(shards, label, classes, findings, images), classes.classes, findings, layout="img2dataset",
                options=options, source=source, root=None, are_found=True, beside={FOLDER: images}, progress=progress,
            )  # fmt: skip
    tars = [source / f"{name}.tar" for name in shards.names] if shards.form == "tars" else []
    return index_rows(
        output, _batches(shards, label, classes, findings, None), classes.classes, findings, layout="img2dataset", options=options,
        source=source, root=source, places=read_places(tars, source) if tars else None, progress=progress,
    )  # fmt: skip


def recognise_img2dataset(source: Path) -> Recognition | None:
    """Shards of five digits with the columns key and status."""
    if not source.is_dir():
        return None
    broken = None
    for path in files_in(source, "*.parquet")[:3]:
        try:
            if SHARD.fullmatch(path.name) and set(NEEDED) <= set(parquet_schema(path).names):
                return Recognition(Certainty.CERTAIN, f"{path.name} with key and status")
        except ReweighError:  # whose reader will tell what is wrong with it
            broken = path
    return None if broken is None else Recognition(Certainty.LIKELY, f"{broken.name}, which cannot be read")


def _open(source: Path, findings: Findings) -> Shards:
    paths = [p for p in files_in(source, "*.parquet") if SHARD.fullmatch(p.name)]
    alone = [p.name for p in files_in(source, "*.tar") if not p.with_suffix(".parquet").exists()]
    if alone:
        findings.warnings.append(
            f"{len(alone)} tars have no Parquet file beside them and were left out: {', '.join(alone[:3])}"
        )
    schemas: dict[Path, pa.Schema] = {}
    for path in paths:
        reason = _interrupted(path)
        if reason:
            findings.warnings.append(
                f"shard {path.stem} was interrupted ({reason}) and is left out; run the download again to mend it"
            )
            continue
        schemas[path] = parquet_schema(path)
    if not schemas:
        found = f"{len(paths)} shards, all interrupted" if paths else "no 00000.parquet"
        raise ReweighError(
            f"No whole shard of img2dataset in {source}: found {found}. Name the download's output folder."
        )
    schema, first = common_schema(schemas), next(iter(schemas))
    missing = [name for name in NEEDED if name not in schema.names]
    if missing:
        raise ReweighError(
            f"{first} has no column {missing[0]!r}; a shard of img2dataset has key and status; it has: {', '.join(schema.names)}."
        )
    form = _form(first, schema)
    ending = FORMATS[0]
    if form == "files":
        ending = next((e for e in FORMATS if any(first.with_suffix("").glob(f"*.{e}"))), ending)
    elif form == "tars":
        ending = _ending_in_tar(first.with_suffix(".tar"))
    return Shards(source=source, names=tuple(path.stem for path in schemas), form=form, ending=ending, schema=schema)


def _interrupted(path: Path) -> str:
    """Why the shard is not whole, or ""."""
    if not path.with_name(f"{path.stem}_stats.json").is_file():
        return f"no {path.stem}_stats.json"
    try:
        parquet_schema(path)
    except ReweighError:
        return f"{path.name} is cut"
    return ""


def _form(path: Path, schema: pa.Schema) -> str:
    if any(name in schema.names and pa.types.is_binary(schema.field(name).type) for name in FORMATS):
        return "bytes"
    if path.with_suffix(".tar").is_file():
        return "tars"
    if path.with_suffix("").is_dir():
        return "files"
    raise ReweighError(
        f"{path} has neither images in it, nor {path.stem}.tar, nor the folder {path.stem}/ beside it: is the copy complete?"
    )


def _ending_in_tar(path: Path) -> str:
    for member in read_members(path):
        ending = member.name.rpartition(".")[2].lower()
        if ending in FORMATS:
            return ending
    return FORMATS[0]


def _label_column(shards: Shards, options: Mapping[str, Any], findings: Findings) -> str | None:
    names = shards.schema.names
    asked = asked_column(options.get("label"), names, option="label", where=str(shards.source))
    if asked is None:
        findings.warnings.append("no image has a label: a download has none of its own; --option label=COLUMN names a column that you gave it, "
                                 f"of {', '.join(name for name in names if name not in DROPPED)}")  # fmt: skip
    return asked


def _classes(shards: Shards, label: str | None) -> ClassList:
    parts = (
        batch.column(str(label)).filter(pc.equal(batch.column("status"), "success"))
        for name in shards.names
        for batch in parquet_batches(shards.source / f"{name}.parquet", ["status", str(label)], rows=ROWS)
    )
    return classes_of_column(parts, label, where=str(shards.source))


def _batches(
    shards: Shards, label: str | None, classes: ClassList, findings: Findings, images: Path | None
) -> Iterator[pa.RecordBatch]:
    of_bytes = next((name for name in FORMATS if name in shards.schema.names), None) if images is not None else None
    columns = [name for name in shards.schema.names if name == of_bytes or name in NEEDED or name not in DROPPED]
    schema = pa.schema([shards.schema.field(name) for name in columns])
    for name in shards.names:
        for batch in parquet_batches(
            shards.source / f"{name}.parquet", columns, rows=ROWS_OF_BYTES if images is not None else ROWS
        ):
            batch = as_schema(batch, schema)
            status = batch.column("status")
            for entry in pc.value_counts(status).to_pylist():
                if entry["values"] != "success":
                    failed = batch.column("key").filter(pc.equal(status, entry["values"])).to_pylist()
                    findings.skip(
                        str(entry["values"] or "no status").replace("_", " "), [f"{name}/{key}" for key in failed]
                    )
            rows = batch.filter(pc.equal(status, "success").fill_null(False))
            if of_bytes is not None:
                is_empty = pc.equal(pc.binary_length(rows.column(of_bytes)).fill_null(0), 0)
                findings.skip(
                    "row without an image", [f"{name}/{key}" for key in rows.column("key").filter(is_empty).to_pylist()]
                )
                rows = rows.filter(pc.invert(is_empty))
            if rows.num_rows:
                yield _rows(shards, name, rows, label, classes, images, of_bytes)


def _rows(
    shards: Shards, shard: str, rows: pa.RecordBatch, label: str | None, classes: ClassList, images: Path | None, of_bytes: str | None
) -> pa.RecordBatch:  # fmt: skip
    keys = rows.column("key").cast(pa.string()).to_pylist()
    for key in keys:
        if key is None or not KEY.fullmatch(key):
            raise ReweighError(f"{shards.source / shard}.parquet: {str(key)[:60]!r} is no key of img2dataset.")
    uids = pa.array([f"{shard}/{key}.{shards.ending}" for key in keys])
    columns: dict[str, pa.Array] = {"uid": uids, "split": pa.array(["train"] * len(keys))}
    if images is not None and of_bytes is not None:
        written = [
            write_image(images, f"{shard}/{key}", data or b"")
            for key, data in zip(keys, rows.column(of_bytes).to_pylist(), strict=True)
        ]
        columns |= {
            "file": pa.array([file for file, _ in written]),
            "content": pa.array([content for _, content in written]),
        }
    else:
        columns["file"] = pa.array([f"{key}.{shards.ending}" for key in keys]) if shards.form == "tars" else uids
    own = None if label is None else rows.column(label)
    columns["label"] = labels_of(own, classes, n=len(keys), column=label, where=str(shards.source), uids=uids)
    return pa.record_batch(columns | _texts(rows, label))


def _texts(rows: pa.RecordBatch, label: str | None) -> dict[str, pa.Array]:
    """What stands beside the images; the source is the link's host where the table has none of its own."""
    made = columns_beside(rows, leave={*DROPPED, label or ""})
    if "url" in rows.schema.names and "source" not in made:
        hosts = pc.extract_regex(texts_of(rows.column("url")), r"^[a-zA-Z]+://(?P<host>[^/?#]+)")
        made["source"] = pc.struct_field(hosts, "host")
    return made
