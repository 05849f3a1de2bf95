"""Layout `table`: a CSV, JSON-lines or Parquet file with a row an image, under the catalog's column names or mapped to them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog
from reweigh.errors import ReweighError
from reweigh.layouts.class_lists import ClassList, classes_of_labels, distinct, read_class_list
from reweigh.layouts.hierarchies import read_hierarchy
from reweigh.layouts.indexing import index_rows
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.table_columns import (
    flags_of,
    kept_columns,
    kept_values,
    map_columns,
    numbers_of,
    ranks_of,
    splits_of,
    tags_of,
    texts_of,
)
from reweigh.layouts.table_files import FORMS, column_names, form_of, is_table, read_batches
from reweigh.layouts.tar_places import TarPlaces, read_places
from reweigh.layouts.whole_text import WholeText, as_it_is, warnings_of, whole_text
from reweigh.progress import Progress, silent

NEGATIVE_RANKS = "ranks are below 0 and were taken as not known (1 is the first)"
NUMBERS = {"rank": pa.int32(), "offset": pa.int64(), "length": pa.int64()}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table to index, its columns mapped onto ours, its classes known."""

    path: Path
    text: WholeText
    columns: Mapping[str, str]
    """Ours -> theirs."""
    extra: Mapping[str, str]
    """Name that a further column is kept under -> theirs."""
    classes: ClassList
    places: TarPlaces | None
    """Members of the tars; None: images are files."""
    findings: Findings


def index_table(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """A table with at least the columns file and label; the docstring of each rule stands where it is applied.

    Options: `columns` {ours: theirs}, `tar` [paths], `hierarchy` a file (`read_hierarchy`), `hash` (False: the images' bytes are not read). Rows whose image is
    missing or empty are skipped and counted.
    Raises ReweighError for a column that is not there, a label that is no class, and images of which most are missing.
    """
    if not is_table(source):
        raise ReweighError(
            f"{source} is no table: looked for a file that ends in {', '.join(FORMS)}, or in .gz after one of them."
        )
    with tempfile.TemporaryDirectory() as scratch:
        text = as_it_is(source) if form_of(source) == "parquet" else whole_text(source, Path(scratch))
        table = _open(text, options, progress, Findings(warnings=warnings_of(text)))
        tree = options.get("hierarchy")
        names = table.classes.classes.names
        hierarchy = read_hierarchy(_beside(source, tree), names, table.findings) if tree else []
        tars = "" if table.places is None else f"in {', '.join(table.places.files)}"
        return index_rows(
            output, _batches(table), table.classes.classes, table.findings, layout="table", options=options, source=source,
            root=source.parent, where=tars, places=table.places, is_twice_skipped=False, hierarchy=hierarchy,
            with_truth="truth" in table.columns, progress=progress,
        )  # fmt: skip


def recognise_table(source: Path) -> Recognition | None:
    """A file that can be read as a table."""
    return Recognition(Certainty.LIKELY, f"a file that ends in {source.suffix}") if is_table(source) else None


def _open(text: WholeText, options: Mapping[str, Any], progress: Progress, findings: Findings) -> Table:
    source, given = text.source, dict(options.get("columns", {}))
    names = column_names(text)
    columns = map_columns(names, given, where=str(source))
    tars = [_beside(source, tar) for tar in options.get("tar", ())]
    if tars:
        progress("read tars", 0, len(tars), ", ".join(tar.name for tar in tars))
    return Table(
        path=source, text=text, columns=columns, extra=kept_columns(names, columns, given, where=str(source)),
        classes=_classes(text, columns), places=read_places(tars, source.parent) if tars else None,
        findings=findings,
    )  # fmt: skip


def _beside(source: Path, name: str) -> Path:
    """The file from where the user stands, else beside the table."""
    path = Path(name)
    return (path if path.exists() or path.is_absolute() else source.parent / path).resolve()


def _classes(text: WholeText, columns: Mapping[str, str]) -> ClassList:
    """classes.csv beside the table where there is one, else the labels themselves, given and checked."""
    beside = text.source.parent / "classes.csv"
    if beside.is_file() and beside != text.source:
        return read_class_list(beside)
    wanted = sorted({columns[name] for name in ("label", "verified_label", "truth") if name in columns})
    values: set[str] = set()
    for batch in read_batches(text, wanted):
        for name in wanted:
            values |= distinct(texts_of(batch.column(name)))
    return classes_of_labels(values, where=str(text.source))


def _batches(table: Table) -> Iterator[pa.RecordBatch]:
    seen = 0
    for batch in read_batches(table.text):
        yield _columns(table, batch, first_row=seen + 1)
        seen += batch.num_rows


def _columns(table: Table, batch: pa.RecordBatch, *, first_row: int) -> pa.RecordBatch:
    """The batch under our names and types."""
    theirs = {ours: batch.column(name) for ours, name in table.columns.items()}
    where = str(table.path)
    files: pa.Array = _files(table, theirs["file"], first_row)
    uids = files if "uid" not in theirs else pc.coalesce(texts_of(theirs["uid"]), files)
    made: dict[str, pa.Array] = {"uid": uids, "file": files}
    for name in ("label", "verified_label", "truth"):
        if name in theirs:
            made[name] = table.classes.labels(texts_of(theirs[name]), column=name, where=where, uids=uids)
    made["label"] = made["label"].fill_null(-1)
    train = pa.array(["train"] * batch.num_rows, pa.string())
    made["split"] = splits_of(theirs["split"], where=where, uids=uids) if "split" in theirs else train
    for name, kind in NUMBERS.items():
        if name in theirs:
            made[name] = numbers_of(theirs[name], kind, column=name, where=where, uids=uids)
    if "rank" in made:
        made["rank"], n_negative = ranks_of(made["rank"])
        table.findings.repaired[NEGATIVE_RANKS] += n_negative
    for name in ("source", "query", "title", "description", "group"):
        if name in theirs:
            made[name] = texts_of(theirs[name])
    if "tags" in theirs:
        made["tags"] = tags_of(theirs["tags"])
    made["verified"] = _verified(theirs, made, where=where)
    made |= {name: kept_values(batch.column(own)) for name, own in table.extra.items()}
    return pa.record_batch(made)


def _files(table: Table, values: pa.Array, first_row: int) -> pa.Array:
    """Paths relative to the table's folder, with '/' between their parts; absolute only where they lie outside of it."""
    files = texts_of(values, trim=False)
    if files.null_count:
        row = int(np.flatnonzero(np.asarray(files.is_null()))[0])
        raise ReweighError(f"{table.path}: row {first_row + row} (the first below the names is row 1) has no file.")
    files = pc.replace_substring(files, "\\", "/")
    inside = f"{table.path.parent}/".replace("//", "/")
    for prefix in (inside, "./"):
        starts = pc.starts_with(files, prefix)
        if pc.any(starts).as_py():
            files = pc.if_else(starts, pc.utf8_slice_codeunits(files, len(prefix)), files)
    return files


def _verified(theirs: Mapping[str, pa.Array], made: Mapping[str, pa.Array], *, where: str) -> pa.Array:
    """Whether a person found the label right: follows from verified_label where that is given, else as the source says."""
    own = flags_of(theirs["verified"], where=where, uids=made["uid"]) if "verified" in theirs else None
    if "verified_label" not in made:
        return pa.nulls(len(made["uid"]), pa.bool_()) if own is None else own
    is_labelled = pc.greater_equal(made["label"], 0)
    follows = pc.if_else(is_labelled, pc.equal(made["label"], made["verified_label"]), pa.scalar(None, pa.bool_()))
    return follows if own is None else pc.coalesce(follows, own)
