"""Layout `hf-dataset`: images in the tables of the library `datasets`, saved to disk (Arrow) or as Parquet files.

Its forms were compared with what `datasets` 5.2.0 writes. Read with pyarrow alone; the images' bytes are written as files into the catalog.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.catalog.text_numbers import text_numbers
from reweigh.errors import ReweighError
from reweigh.layouts.arrow_batches import (
    CUT,
    as_schema,
    common_schema,
    explained,
    parquet_batches,
    parquet_schema,
    whole,
)
from reweigh.layouts.class_lists import ClassList, class_list_of
from reweigh.layouts.folders import files_in, first_files, first_folders, holds_images, is_file
from reweigh.layouts.indexing import index_rows
from reweigh.layouts.json_files import is_plain_path, whole_json
from reweigh.layouts.label_column import asked_column, classes_of_column, label_column, labels_of
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.split_names import SPLIT_OF, split_of_path
from reweigh.layouts.table_columns import columns_beside, numbers_of
from reweigh.layouts.written_images import FOLDER, images_beside, write_image
from reweigh.progress import Progress, silent

ROWS = 256
"""Rows with their images' bytes that are in memory at a time."""
EMPTY, PATH_ONLY = (
    "row without an image",
    "row whose image is a path, without its bytes (save the set with its images in it)",
)
PARQUET_PLACES = ("*.parquet", "*/*.parquet", "*/*/*.parquet")
"""Also as the hub converts sets: default/train/0000.parquet."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The files of a data set, by split, and what its columns are."""

    files: Mapping[str, Sequence[Path]]
    schema: pa.Schema
    image: str
    label: str | None
    classes: tuple[str, ...] | None
    """Names of a ClassLabel; None: the column holds texts or plain numbers."""


def index_hf_dataset(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """A `Dataset` or `DatasetDict` saved to disk, or a folder (or one file) of Parquet files with images in them.

    Options: `image` and `label`, the columns, where they are not the only image column and `label` (or fine_label and the like). The uid is
    the split and the image's path where each has one of its own, else the row's number. Columns title, description, tags, source, query and
    group are ours; further plain columns are kept. Splits of unknown names are left out with a warning.
    Raises ReweighError for files that are none of these or cut, and for a column that is not there.
    """
    findings = Findings()
    saved = _open(source, options, findings)
    findings.notes += [f"{split}: {len(files):,} files" for split, files in saved.files.items()]
    classes = _classes(saved, source)
    if saved.label is None:
        findings.warnings.append(
            f"no column of labels among {', '.join(saved.schema.names)}: no image has one (--option label=COLUMN)"
        )
    with images_beside(output) as images:
        return index_rows(
            output, _batches(saved, classes, images, findings), classes.classes, findings, layout="hf-dataset", options=options,
            source=source, root=None, are_found=True, is_twice_skipped=False, beside={FOLDER: images}, progress=progress,
        )  # fmt: skip


def recognise_hf_dataset(source: Path) -> Recognition | None:
    """dataset_dict.json or state.json, or Parquet files with a column of images."""
    for name in ("dataset_dict.json", "state.json"):
        if (source / name).is_file() and (name != "state.json" or (source / "dataset_info.json").is_file()):
            return Recognition(Certainty.CERTAIN, name)
    folders = [source, *first_folders(source)] if source.is_dir() else []
    folders += [below for folder in folders[1:] for below in first_folders(folder, 3)]
    files = [path for folder in folders for path in first_files(folder, ".parquet")] if folders else [source]
    files = [path for path in files if path.suffix == ".parquet" and path.is_file()]
    if not files:
        return None
    try:
        schema = parquet_schema(files[0])
    except ReweighError:  # whose reader will tell what is wrong with it
        return (
            Recognition(Certainty.LIKELY, f"{files[0].name}, which cannot be read")
            if folders and not holds_images(source)
            else None
        )
    if not _image_columns(schema):
        return None
    is_sure = b"huggingface" in (schema.metadata or {})
    return Recognition(Certainty.CERTAIN if is_sure else Certainty.LIKELY, f"{files[0].name} with a column of images")


def _open(source: Path, options: Mapping[str, Any], findings: Findings) -> Saved:
    files = _arrow_files(source, findings) or _parquet_files(source)
    if not files:
        raise ReweighError(
            f"No data set in {source}: looked for dataset_dict.json or state.json (datasets' save_to_disk), or for Parquet files."
        )
    first = next(iter(files.values()))[0]
    schema = common_schema({path: _schema(path) for paths in files.values() for path in paths})
    image = _image_column(options.get("image"), schema, first)
    label = label_column(options.get("label"), schema.names, where=str(first))
    return Saved(
        files=files, schema=schema, image=image, label=label, classes=_class_names(_schema(first), label, first)
    )


def _image_column(asked: Any, schema: pa.Schema, path: Path) -> str:
    """The column that is asked for, or the only one of images."""
    name, found = asked_column(asked, schema.names, option="image", where=str(path)), _image_columns(schema)
    if name is None and len(found) == 1:
        return found[0]
    if name is None:
        plain = [one.name for one in schema if pa.types.is_binary(one.type) or pa.types.is_large_binary(one.type)]
        said = (
            f"{len(found)} columns of images: {', '.join(found)}"
            if found
            else f"no column of images (bytes, path); it has: {', '.join(schema.names)}"
        )
        raise ReweighError(
            f"{path} has {said}. {f'Say which one: --option image={(found or plain)[0]}' if found or plain else ''}".rstrip()
        )
    kind = schema.field(name).type
    if name not in found and not pa.types.is_binary(kind) and not pa.types.is_large_binary(kind):
        raise ReweighError(f"{path}: column {name!r} holds {kind}, not images: bytes, or records of bytes and path.")
    return name


def _image_columns(schema: pa.Schema) -> list[str]:
    """Columns of the type struct<bytes: binary, path: string>."""

    def is_image(kind: pa.DataType) -> bool:
        names = {kind.field(i).name for i in range(kind.num_fields)} if pa.types.is_struct(kind) else set()
        return {"bytes", "path"} <= names

    return [field.name for field in schema if is_image(field.type)]


def _class_names(schema: pa.Schema, label: str | None, path: Path) -> tuple[str, ...] | None:
    """Names of a ClassLabel, from the schema's own metadata, else from dataset_info.json beside the file."""
    beside = path.parent / "dataset_info.json"
    texts = [(schema.metadata or {}).get(b"huggingface"), beside.read_bytes() if beside.is_file() else None]
    for text in texts:
        try:
            found = json.loads(text) if text else {}
            names = found.get("info", found)["features"][label]["names"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    return None


def _classes(saved: Saved, source: Path) -> ClassList:
    if saved.classes is not None:
        return class_list_of(plain_classes(saved.classes))
    label = saved.label
    parts = (
        table.column(label).combine_chunks() for files in saved.files.values() for path in files for table in _tables(path, [str(label)])
    )  # fmt: skip
    return classes_of_column(parts, label, where=str(source))


def _are_names(saved: Saved, files: Sequence[Path]) -> bool:
    """Whether the paths beside the images name them: each once, and plain ones. Eight bytes of memory a row."""
    if not pa.types.is_struct(saved.schema.field(saved.image).type):
        return False
    numbers: list[NDArray[np.uint64]] = []
    for path in files:
        for table in _tables(path, [f"{saved.image}.path"] if path.suffix == ".parquet" else [saved.image]):
            names = pc.struct_field(table.column(saved.image).combine_chunks(), "path")
            if names.null_count or not all(is_plain_path(name) and name for name in names.to_pylist()):
                return False
            numbers.append(text_numbers(names))
    joined = np.concatenate(numbers) if numbers else np.zeros(0, np.uint64)
    return len(np.unique(joined)) == len(joined)


def _batches(saved: Saved, classes: ClassList, images: Path, findings: Findings) -> Iterator[pa.RecordBatch]:
    for split, files in saved.files.items():
        number, are_names = 0, _are_names(saved, files)
        if not are_names:
            findings.notes.append(
                f"{split}: images are named by their rows, as not each has a path of its own: another order is another name"
            )
        for path in files:
            for table in _tables(path, None):
                table = as_schema(table, saved.schema)
                for start in range(0, table.num_rows, ROWS):
                    part = table.slice(start, ROWS).combine_chunks()
                    yield _rows(saved, classes, part, images, split, number, are_names, findings)
                    number += part.num_rows


def _rows(
    saved: Saved,
    classes: ClassList,
    part: pa.Table,
    images: Path,
    split: str,
    first: int,
    are_names: bool,
    findings: Findings,
) -> pa.RecordBatch:
    """The rows of a part, their images written."""
    places = [f"{split}/{first + i:08d}" for i in range(part.num_rows)]
    found = part[saved.image].to_pylist()
    uids = pa.array([f"{split}/{image['path']}" for image in found] if are_names else places, pa.string())
    written: list[tuple[str | None, str | None]] = []
    for uid, place, image in zip(uids.to_pylist(), places, found, strict=True):
        data = image if isinstance(image, bytes) else (image or {}).get("bytes")
        if not data:
            is_path = isinstance(image, dict) and bool(image.get("path"))
            findings.skip(PATH_ONLY if is_path else EMPTY, [uid])
        written.append(write_image(images, place, data) if data else (None, None))
    files, contents = zip(*written, strict=True)
    columns: dict[str, pa.Array] = {
        "uid": uids, "split": pa.array([split] * len(uids)), "file": pa.array(files, pa.string()), "content": pa.array(contents, pa.string()),
        "label": _labels(saved, classes, part, uids),
    }  # fmt: skip
    columns |= columns_beside(part, leave={saved.image, saved.label or ""})
    return pa.record_batch(columns).filter(columns["file"].is_valid())


def _labels(saved: Saved, classes: ClassList, part: pa.Table, uids: pa.Array) -> pa.Array:
    if saved.label is None:
        return pa.array([-1] * part.num_rows, pa.int32())
    values = part[saved.label].combine_chunks()
    if saved.classes is not None and pa.types.is_integer(values.type):
        # numbers of a ClassLabel, whatever its names look like
        return numbers_of(values.fill_null(-1), pa.int32(), column=saved.label, where="the data set", uids=uids)
    return labels_of(values, classes, n=part.num_rows, column=saved.label, where="the data set", uids=uids)


def _schema(path: Path) -> pa.Schema:
    if path.suffix == ".parquet":
        return parquet_schema(path)
    with explained(path, "arrow", hint=CUT), pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        return reader.schema


def _tables(path: Path, columns: list[str] | None) -> Iterator[pa.Table]:
    """Tables of a file, a few rows or a record batch in memory at a time."""
    if path.suffix == ".parquet":
        for batch in parquet_batches(path, columns, rows=ROWS):
            yield pa.Table.from_batches([batch])
        return
    with explained(path, "arrow", hint=CUT), pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for batch in whole(reader):
            table = pa.Table.from_batches([batch])
            yield table if columns is None else table.select(columns)


def _arrow_files(source: Path, findings: Findings) -> dict[str, list[Path]]:
    """Split -> files of a data set saved to disk; a Dataset alone is train."""
    if (source / "state.json").is_file():
        return {"train": _data_files(source)}
    if not (source / "dataset_dict.json").is_file():
        return {}
    names = whole_json(source / "dataset_dict.json", dict).get("splits")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ReweighError(f"{source / 'dataset_dict.json'} names no splits.")
    files = {name: _data_files(source / Path(name).name) if name.lower() in SPLIT_OF else [] for name in names}
    return _by_split(files, source, findings)


def _data_files(folder: Path) -> list[Path]:
    named = [
        entry.get("filename")
        for entry in whole_json(folder / "state.json", dict).get("_data_files") or []
        if isinstance(entry, dict)
    ]
    files = [folder / Path(name).name for name in named if isinstance(name, str)]
    missing = [path.name for path in files if not is_file(path)]
    if missing or not files:
        raise ReweighError(
            f"{folder} lacks {', '.join(missing[:3]) or 'its .arrow files'}, which state.json names: is the copy complete?"
        )
    return files


def _parquet_files(source: Path) -> dict[str, list[Path]]:
    """Split -> Parquet files, by the first word of the file's name, else its folder's name, else train."""
    if source.is_file():
        return {"train": [source]} if source.suffix == ".parquet" else {}
    found: dict[str, list[Path]] = {}
    for path in (path for pattern in PARQUET_PLACES for path in files_in(source, pattern)):
        found.setdefault(split_of_path(path.relative_to(source).as_posix()) or "train", []).append(path)
    return found


def _by_split(found: Mapping[str, list[Path]], source: Path, findings: Findings) -> dict[str, list[Path]]:
    """The splits under our names; others are left out with a warning. Raises ReweighError for two of one meaning, and for none."""
    made: dict[str, list[Path]] = {}
    for name, files in found.items():
        split = SPLIT_OF.get(name.lower())
        if split is None:
            findings.warnings.append(
                f"split {name!r} is no part that is known and was left out; known are {', '.join(SPLIT_OF)}"
            )
            continue
        if split in made:
            raise ReweighError(f"{source} has two splits that mean {split}, {name!r} the second; keep one of them.")
        made[split] = files
    if not made:
        raise ReweighError(
            f"{source} has no split that is known, only {', '.join(found)}; known are {', '.join(SPLIT_OF)}."
        )
    return made
