"""Layout `imagefolder`: images beside `metadata.csv`, `.jsonl` or `.parquet`, as Hugging Face's ImageFolder has them.

Where there is metadata, folders' names are no labels. Without it the same images are the layout `folder`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reweigh.catalog.findings import Findings
from reweigh.catalog.grouping import position
from reweigh.catalog.tables import Catalog
from reweigh.catalog.text_numbers import text_numbers
from reweigh.errors import ReweighError
from reweigh.layouts.class_lists import ClassList
from reweigh.layouts.folders import files_below, first_folders
from reweigh.layouts.image_names import is_image, is_unicode
from reweigh.layouts.indexing import batched, index_rows
from reweigh.layouts.label_column import classes_of_column, label_column, labels_of
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.split_names import are_files_named_by_split, split_of_path, splits_of_paths
from reweigh.layouts.table_columns import columns_beside, splits_of, texts_of
from reweigh.layouts.table_files import column_names, read_batches
from reweigh.layouts.whole_text import WholeText, as_it_is, warnings_of, whole_text
from reweigh.progress import Progress, silent

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
DEEPEST = 3
"""Folders below the source in which metadata is looked for: split, class, part."""
OUTSIDE = "path that leaves the folder of its metadata"


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """A metadata file and what its columns are."""

    path: Path
    text: WholeText
    folder: str
    """Of the file, relative to the source, "" or with a / at its end."""
    split: pa.Scalar
    """What its folder's name says, or null: then each image's path does"""
    columns: tuple[str, ...]
    file: str
    label: str | None
    by_files: bool = False
    """Whether the names of the files say the splits"""


def index_imagefolder(
    source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent
) -> Catalog:
    """A folder with metadata files in it or in the folders of its splits.

    Option `label`: the column of labels, where it is none of label, labels, class, category. Splits are those that the folders' names say, of the
    metadata or else of each image, or a column `split`; train where none does. Images that no metadata names are left out and counted, as `datasets` does.
    Raises ReweighError for metadata of different kinds or columns, or without file_name, and as `index_rows`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        findings = Findings()
        files = _open(source, options, Path(scratch), findings)
        classes = _classes(files, source)
        if files[0].label is None:
            findings.warnings.append(
                f"no column of labels among {', '.join(files[0].columns)}: no image has one (--option label=COLUMN); "
                "folders' names are no labels where there is metadata"
            )
        findings.notes.append(f"{len(files)} metadata files")
        if _are_named_by_split(files):
            files = [replace(file, by_files=True) for file in files]
        named: list[NDArray[np.uint64]] = []
        return index_rows(
            output, _batches(files, classes, source, findings, named), classes.classes, findings, layout="imagefolder", options=options,
            source=source, root=source, progress=progress,
        )  # fmt: skip


def recognise_imagefolder(source: Path) -> Recognition | None:
    """metadata.csv, .jsonl or .parquet with a column file_name."""
    if not source.is_dir():
        return None
    folders = [source, *first_folders(source)]
    folders += [below for folder in folders[1:] for below in first_folders(folder)]
    for path in (folder / name for folder in folders for name in NAMES if (folder / name).is_file()):
        try:
            columns = column_names(as_it_is(path))
        except ReweighError:  # whose reader will tell what is wrong with it
            return Recognition(Certainty.LIKELY, f"{path.relative_to(source)}, which cannot be read")
        if any(name.endswith("file_name") for name in columns):
            return Recognition(Certainty.CERTAIN, f"{path.relative_to(source)} with file names")
        return None
    return None


def _open(source: Path, options: Mapping[str, Any], scratch: Path, findings: Findings) -> list[Metadata]:
    paths = _found(source) if source.is_dir() else []
    if not paths:
        raise ReweighError(
            f"No metadata.csv, .jsonl or .parquet in {source} or the folders below it; without them it is the layout folder."
        )
    kinds = {path.suffix for path in paths}
    if len(kinds) > 1:
        raise ReweighError(f"{source} has metadata of several kinds, {', '.join(sorted(kinds))}; it must be of one.")
    opened: list[Metadata] = []
    for number, path in enumerate(paths):
        text = as_it_is(path) if path.suffix == ".parquet" else _text(path, scratch / str(number))
        findings.warnings += warnings_of(text)
        columns = tuple(column_names(text))
        if opened and set(columns) != set(opened[0].columns):
            raise ReweighError(
                f"{path} has the columns {', '.join(columns)}, {opened[0].path} {', '.join(opened[0].columns)}; they must be equal."
            )
        folder = path.parent.relative_to(source).as_posix()
        opened.append(Metadata(
            path=path, text=text, folder="" if folder == "." else f"{folder}/", split=pa.scalar(split_of_path(folder), pa.string()), columns=columns,
            file=_file_column(columns, path), label=label_column(options.get("label"), columns, where=str(path)),
        ))  # fmt: skip
    return opened


def _text(path: Path, scratch: Path) -> WholeText:
    scratch.mkdir()
    return whole_text(path, scratch)


def _found(source: Path) -> list[Path]:
    """Metadata files in the folder and a few levels below it, without following links."""
    found = []
    for folder, inner, files in os.walk(source):
        depth = len(Path(folder).relative_to(source).parts)
        inner[:] = sorted(name for name in inner if not name.startswith(".")) if depth < DEEPEST else []
        found += [Path(folder) / name for name in NAMES if name in files and (Path(folder) / name).is_file()]
    return found


def _file_column(columns: Sequence[str], path: Path) -> str:
    named = [name for name in columns if name == "file_name" or name.endswith("_file_name")]
    if len(named) != 1:
        lists = [name for name in columns if name.endswith("file_names")]
        said = (
            f"{len(named)} columns of file names"
            if named
            else f"lists of files ({lists[0]})"
            if lists
            else "no column file_name"
        )
        raise ReweighError(f"{path} has {said}; one image a row is named by file_name; it has: {', '.join(columns)}.")
    return named[0]


def _classes(files: Sequence[Metadata], source: Path) -> ClassList:
    label = files[0].label
    parts = (batch.column(str(label)) for file in files for batch in read_batches(file.text, [str(label)]))
    return classes_of_column(parts, label, where=str(source))


def _batches(
    files: Sequence[Metadata], classes: ClassList, source: Path, findings: Findings, named: list[NDArray[np.uint64]]
) -> Iterator[pa.RecordBatch]:
    for file in files:
        first = 1
        for batch in read_batches(file.text):
            rows = _rows(file, classes, batch, first, findings)
            first += batch.num_rows
            named.append(text_numbers(rows.column("uid")))
            yield rows
    listed = np.sort(np.concatenate(named)) if named else np.zeros(0, np.uint64)
    for block in batched(
        path[len(str(source)) + 1 :] for path in files_below(str(source)) if is_image(path) and is_unicode(path)
    ):
        there = position(text_numbers(pa.array(block, pa.string())), listed) >= 0
        findings.skip(
            "image that no metadata names",
            (name for name, is_named in zip(block, there.tolist(), strict=True) if not is_named),
        )


def _are_named_by_split(files: Sequence[Metadata]) -> bool:
    """Whether the images' names say their splits, where neither a column nor a folder does."""
    if any(file.split.is_valid or "split" in file.columns for file in files):
        return False
    return are_files_named_by_split(
        texts_of(batch.column(file.file), trim=False).drop_null()
        for file in files
        for batch in read_batches(file.text, [file.file])
    )


def _rows(file: Metadata, classes: ClassList, batch: pa.RecordBatch, first: int, findings: Findings) -> pa.RecordBatch:
    """The batch under our names, without rows whose path leaves the metadata's folder."""
    names = texts_of(batch.column(file.file), trim=False)
    if names.null_count:
        row = first + int(np.flatnonzero(np.asarray(names.is_null()))[0])
        raise ReweighError(f"{file.path}: row {row} (the first below the names is row 1) has no {file.file}.")
    names = pc.replace_substring(names, "\\", "/")
    leaves = pc.match_substring_regex(names, r"^/|^[A-Za-z]:|(^|/)\.\.(/|$)|://")
    findings.skip(OUTSIDE, names.filter(leaves).to_pylist())
    kept = pc.invert(leaves)
    batch, names = batch.filter(kept), pc.binary_join_element_wise(file.folder, names.filter(kept), "")
    columns: dict[str, pa.Array] = {
        "uid": names,
        "file": names,
        "split": pc.coalesce(file.split, splits_of_paths(names, by_files=file.by_files), "train"),
    }
    where = str(file.path)
    own = None if file.label is None else batch.column(file.label)
    columns["label"] = labels_of(own, classes, n=len(names), column=file.label, where=where, uids=names)
    columns |= columns_beside(batch, leave={file.file, file.label or "", "split"})
    if "split" in file.columns:
        columns["split"] = splits_of(batch.column("split"), where=where, uids=names)
    return pa.record_batch(columns)
