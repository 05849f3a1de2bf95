"""Layout `hf-dataset`: images in the tables of the library `datasets`, saved to disk (Arrow) or as Parquet files.

Its forms were compared with what `datasets` 5.2.0 writes. Read with pyarrow alone; the images' bytes are written as files into the catalog.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.errors import ReweighError, nearest
from reweigh.layouts.arrow_batches import CUT, explained, parquet_batches, parquet_schema, whole
from reweigh.layouts.class_lists import ClassList, class_list_of, classes_of_labels, distinct
from reweigh.layouts.folders import files_in, first_files, first_folders, is_file
from reweigh.layouts.indexing import index_rows
from reweigh.layouts.json_files import whole_json
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.table_columns import SPLIT_NAMES, columns_beside, numbers_of, texts_of
from reweigh.layouts.written_images import FOLDER, images_beside, write_image
from reweigh.progress import Progress, silent

ROWS = 256
"""Rows with their images' bytes that are in memory at a time."""
LABELS = ("label", "labels", "fine_label", "class", "category")
SPLITS = {"train": "train", "val": "val", "test": "test", **SPLIT_NAMES}
EMPTY = "row without an image"


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

    Options: `image` and `label`, the columns, where they are not the only image column and `label` (or fine_label and the like). The
    uid is the split and the row's number. Columns title, description, tags, source, query and group are ours; further plain columns
    are kept. Raises ReweighError for files that are none of these or cut, and for a column that is not there.
    """
    saved = _open(source, options)
    findings = Findings(notes=[f"{split}: {len(files):,} files" for split, files in saved.files.items()])
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
    files = [path for folder in folders for path in first_files(folder, ".parquet")] if folders else [source]
    files = [path for path in files if path.suffix == ".parquet" and path.is_file()]
    if not files:
        return None
    try:
        schema = parquet_schema(files[0])
    except ReweighError:
        return None
    if not _image_columns(schema):
        return None
    is_sure = b"huggingface" in (schema.metadata or {})
    return Recognition(Certainty.CERTAIN if is_sure else Certainty.LIKELY, f"{files[0].name} with a column of images")


def _open(source: Path, options: Mapping[str, Any]) -> Saved:
    files = _arrow_files(source) or _parquet_files(source)
    if not files:
        raise ReweighError(
            f"No data set in {source}: looked for dataset_dict.json or state.json (datasets' save_to_disk), or for Parquet files."
        )
    first = next(iter(files.values()))[0]
    schema = _schema(first)
    image = _column(options.get("image"), _image_columns(schema), schema, "image", first)
    if image is None:
        raise ReweighError(f"{first} has no column of images (bytes, path); it has: {', '.join(schema.names)}.")
    label = _column(options.get("label"), [n for n in LABELS if n in schema.names][:1], schema, "label", first)
    return Saved(files=files, schema=schema, image=image, label=label, classes=_class_names(schema, label, first))


def _column(asked: Any, found: list[str], schema: pa.Schema, what: str, path: Path) -> str | None:
    """The column that is asked for, or the only one found."""
    if asked is not None:
        if asked not in schema.names:
            raise ReweighError(
                f"{path} has no column {asked!r} (option {what}); it has: {', '.join(schema.names)}.{nearest(str(asked), schema.names)}"
            )
        return str(asked)
    if len(found) > 1:
        raise ReweighError(
            f"{path} has {len(found)} columns of images: {', '.join(found)}. Say which one: --option {what}=NAME"
        )
    return found[0] if found else None


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
    if saved.label is None:
        return class_list_of(plain_classes(("unlabelled",)))
    values: set[str] = set()
    for files in saved.files.values():
        for path in files:
            for table in _tables(path, [saved.label]):
                values |= distinct(texts_of(table.column(saved.label).combine_chunks()))
    return classes_of_labels(values, where=f"column {saved.label!r} of {source}")


def _batches(saved: Saved, classes: ClassList, images: Path, findings: Findings) -> Iterator[pa.RecordBatch]:
    for split, files in saved.files.items():
        number = 0
        for path in files:
            for table in _tables(path, None):
                if table.schema.names != saved.schema.names:
                    raise ReweighError(
                        f"{path} has the columns {', '.join(table.schema.names)}, others {', '.join(saved.schema.names)}."
                    )
                for start in range(0, table.num_rows, ROWS):
                    part = table.slice(start, ROWS).combine_chunks()
                    yield _rows(saved, classes, part, images, split, number, findings)
                    number += part.num_rows


def _rows(
    saved: Saved, classes: ClassList, part: pa.Table, images: Path, split: str, first: int, findings: Findings
) -> pa.RecordBatch:
    """The rows of a part, their images written."""
    uids = pa.array([f"{split}/{first + i:08d}" for i in range(part.num_rows)])
    written: list[tuple[str | None, str | None]] = []
    for uid, image in zip(uids.to_pylist(), part[saved.image].to_pylist(), strict=True):
        data = (image or {}).get("bytes")
        if not data:
            findings.skip(EMPTY, [uid])
        written.append(write_image(images, uid, data) if data else (None, None))
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
    texts = texts_of(values)
    return classes.labels(texts, column=saved.label, where="the data set", uids=uids).fill_null(-1)


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


def _arrow_files(source: Path) -> dict[str, list[Path]]:
    """Split -> files of a data set saved to disk; a Dataset alone is train."""
    if (source / "state.json").is_file():
        return {"train": _data_files(source)}
    if not (source / "dataset_dict.json").is_file():
        return {}
    names = whole_json(source / "dataset_dict.json", dict).get("splits")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ReweighError(f"{source / 'dataset_dict.json'} names no splits.")
    return _by_split({name: _data_files(source / Path(name).name) for name in names}, source)


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
    files = files_in(source, "*.parquet") + files_in(source, "*/*.parquet")
    found: dict[str, list[Path]] = {}
    for path in files:
        words = (re.split(r"[-_.]", path.name)[0].lower(), path.parent.name.lower())
        found.setdefault(next((word for word in words if word in SPLITS), "train"), []).append(path)
    return _by_split(found, source)


def _by_split(found: Mapping[str, list[Path]], source: Path) -> dict[str, list[Path]]:
    """The splits under our names. Raises ReweighError for two of one meaning."""
    made: dict[str, list[Path]] = {}
    for name, files in found.items():
        split = SPLITS.get(name.lower())
        if split is None or split in made:
            raise ReweighError(
                f"{source}: split {name!r} is no part that is known, or there twice; known are {', '.join(SPLITS)}."
            )
        made[split] = files
    return made
