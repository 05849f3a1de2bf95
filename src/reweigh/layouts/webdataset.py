"""Layout `webdataset`: tars whose members of one key are one sample: key.jpg, key.cls, key.json, key.txt. Images stay in the tars.

Keys and fields are cut as webdataset cuts them: the base name at its first dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.errors import ReweighError
from reweigh.images.tar_members import Member, is_tar, read_members
from reweigh.layouts.class_lists import ClassList, class_list_of, classes_of_labels, read_class_list
from reweigh.layouts.folders import files_in, first_files, first_folders, holds_images, is_named_unicode
from reweigh.layouts.indexing import batched, index_rows
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.split_names import split_of_path
from reweigh.layouts.table_columns import tags_of, texts_of
from reweigh.layouts.text_lists import read_lines
from reweigh.progress import Progress, silent

KEY = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)", re.DOTALL)
"""webdataset's own rule: the folder part may hold dots, the base name is cut at its first one."""
IMAGES = ("jpg", "jpeg", "png", "webp")
READ = ("cls", "json", "txt")
LARGEST = 1 << 20
"""Bytes of the largest cls, json or txt member that is read."""
LABELS, TITLES = ("label", "cls", "class"), ("title", "caption", "text")
TEXTS = ("description", "query", "source")
CUT = "member whose name is cut at a dot before its ending (webdataset takes what comes before as the key)"
UNCLEAR = "json whose label is neither a text nor a whole number, nor a list of one"
NOT_UTF8 = "cls or txt are not UTF-8 and were read as latin-1"
WINDOW = 50_000
"""Samples of a tar in memory at a time, about 50 MB: members of one sample lie side by side but in tars made by hand."""
TWICE = "field that a sample has twice (the first counts)"
APART = "samples have members that are not side by side (webdataset would give them in pieces); they were put together"
UNREAD = "json that cannot be read"
TOO_LARGE = f"cls, json or txt over {LARGEST:,} bytes"


@dataclass(kw_only=True)
class Sample:
    """Members of one key in a tar."""

    key: str
    fields: dict[str, Member] = field(default_factory=dict)
    is_apart: bool = False


def index_webdataset(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """A folder of tars, or one tar; classes.csv or classes.txt beside them names the classes that numbers stand for.

    A sample's label is its cls, else label, cls or class of its json; its txt, or caption of its json, is the title. Splits by the tars'
    or their folders' names. Samples without an image are counted. Raises ReweighError for compressed tars, and as `index_rows`.
    """
    tars = _tars(source)
    root = source if source.is_dir() else source.parent
    findings = Findings()
    classes = _classes(tars, root, findings, progress)
    findings.notes.append(f"{len(tars):,} tars, read in place")

    def batches() -> Iterator[pa.RecordBatch]:
        for number, tar in enumerate(tars):
            progress("read tars", number, len(tars), tar.name)
            for block in batched(_rows(tar, root, findings)):
                yield _batch(block, classes, str(root))

    return index_rows(
        output, batches(), classes.classes, findings, layout="webdataset", options=options, source=source, root=root, are_found=True,
        progress=progress,
    )  # fmt: skip


def recognise_webdataset(source: Path) -> Recognition | None:
    """A tar that begins with members of one key, an image among them."""
    folders = [source, *first_folders(source)] if source.is_dir() else []
    tars = [path for folder in folders for path in first_files(folder, ".tar")] if folders else [source]
    tars = [path for path in tars if path.suffix == ".tar" and path.is_file()]
    if not tars:
        return None
    try:
        names = [member.name for member in islice(read_members(tars[0]), 12)]
    except ReweighError:  # whose reader will tell what is wrong with it
        return (
            None
            if folders and holds_images(source)
            else Recognition(Certainty.LIKELY, f"{tars[0].name}, which cannot be read")
        )
    pairs = [found.groups() for name in names if (found := KEY.fullmatch(name))]
    keys = {key for key, ending in pairs if ending.lower() in IMAGES}
    beside = {ending for key, ending in pairs if key in keys and ending in READ}
    if not beside:
        return None
    is_sure = ("cls" in beside or "json" in beside) and not tars[0].with_suffix(".parquet").exists()  # of img2dataset
    return Recognition(
        Certainty.CERTAIN if is_sure else Certainty.LIKELY,
        f"{tars[0].name} with samples of jpg and {', '.join(sorted(beside))}",
    )


def _below(source: Path) -> list[Path]:
    """Tars in the folder and in the folders in it."""
    return sorted(path for pattern in ("*", "*/*") for path in files_in(source, pattern) if is_tar(path))


def _tars(source: Path) -> list[Path]:
    found = [source] if source.is_file() else _below(source)
    if not found:
        raise ReweighError(f"No tar in {source} or the folders in it: looked for shards such as train-000000.tar.")
    return found


def _classes(tars: Sequence[Path], root: Path, findings: Findings, progress: Progress) -> ClassList:
    if (root / "classes.csv").is_file():
        return read_class_list(root / "classes.csv")
    if (root / "classes.txt").is_file():
        return class_list_of(plain_classes([line.text for line in read_lines(root / "classes.txt", findings)]))
    labels: set[str] = set()
    for number, tar in enumerate(tars):
        progress("read labels", number, len(tars), tar.name)
        labels |= {row[4] for row in _rows(tar, root, Findings(), are_labels_all=True) if row[4] is not None}
    if not labels:
        findings.warnings.append("no sample has a label: neither cls nor a json with label, cls or class")
        return class_list_of(plain_classes(("unlabelled",)))
    return classes_of_labels(labels, where=str(root))


def _samples(tar: Path, findings: Findings) -> Iterator[Sample]:
    """The samples of a tar, in the order of their first members. Those whose members lie more than WINDOW samples apart come in pieces."""
    samples: dict[str, Sample] = {}
    last = None
    for member in read_members(tar):
        base = member.name.rpartition("/")[2]
        found = KEY.fullmatch(member.name)
        if base.startswith(".") or (member.name.startswith("__") and member.name.endswith("__")):
            continue
        if not is_named_unicode(member.name, findings):
            continue
        if found is None:
            findings.skip("member without an ending", [f"{tar.name}/{member.name}"])
            continue
        key, ending = found[1], found[2].lower()
        if (
            ending not in IMAGES
            and ending.rpartition(".")[2] in IMAGES
            and not re.fullmatch(r"[a-z][a-z_]*\.[a-z]+", ending)
        ):
            findings.skip(CUT, [f"{tar.name}/{member.name}"])
            continue
        sample = samples.setdefault(key, Sample(key=key))
        sample.is_apart |= bool(sample.fields) and last != key
        if ending in sample.fields:
            findings.skip(TWICE, [f"{tar.name}/{member.name}"])
        sample.fields.setdefault(ending, member)
        last = key
        if len(samples) > WINDOW:
            yield samples.pop(next(iter(samples)))
    yield from samples.values()


Row = tuple[str, str, int, int, str | None, str, Mapping[str, Any]]
"""uid, file, offset, length, label, split, texts"""


def _rows(tar: Path, root: Path, findings: Findings, *, are_labels_all: bool = False) -> Iterator[Row]:
    """The samples with an image; `are_labels_all`: nothing else is read beside it."""
    shard = tar.relative_to(root).as_posix()
    split = split_of_path(shard) or "train"
    with tar.open("rb") as file:
        for sample in _samples(tar, findings):
            image = next((sample.fields[ending] for ending in IMAGES if ending in sample.fields), None)
            if image is None:
                cut = [m.name for ending, m in sample.fields.items() if ending.rpartition(".")[2] in IMAGES]
                findings.skip(
                    CUT if cut else "sample without an image", [f"{shard}/{name}" for name in cut or [sample.key]]
                )
                continue
            findings.repaired[APART] += sample.is_apart
            read = {}
            for name in READ:
                member = sample.fields.get(name)
                if member is None:
                    continue
                if are_labels_all and ("cls" in read or name == "txt"):
                    break
                if member.length > LARGEST:
                    findings.skip(TOO_LARGE, [f"{shard}/{member.name}"])
                    continue
                file.seek(member.offset)
                read[name] = file.read(member.length)
            texts = _json(read.get("json"), f"{shard}/{sample.key}", findings)
            if "txt" in read:
                texts["title"] = _text(read["txt"], findings)
            label = (
                _text(read["cls"], findings) if "cls" in read else _label_of(texts, f"{shard}/{sample.key}", findings)
            )
            yield (
                f"{shard}/{image.name}",
                shard,
                image.offset,
                image.length,
                (label or "").strip() or None,
                split,
                texts,
            )


def _json(data: bytes | None, name: str, findings: Findings) -> dict[str, Any]:
    if data is None:
        return {}
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        findings.skip(UNREAD, [name])
        return {}
    title = next((found[n] for n in TITLES if isinstance(found.get(n), str)), None)
    return {**{n: found[n] for n in (*LABELS, *TEXTS, "tags", "rank") if n in found}, "title": title}


def _label_of(texts: Mapping[str, Any], name: str, findings: Findings) -> str | None:
    """The label that a sample's json tells; one that is several, or no label, is counted."""
    value = next((texts[n] for n in LABELS if texts.get(n) is not None), None)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return None if value is None else str(value)
    findings.skip(UNCLEAR, [name])
    return None


def _text(data: bytes, findings: Findings) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        findings.repaired[NOT_UTF8] += 1
        return data.decode("latin-1")


def _batch(rows: Sequence[Row], classes: ClassList, where: str) -> pa.RecordBatch:
    uids, files, offsets, lengths, labels, splits, texts = zip(*rows, strict=True)
    columns: dict[str, pa.Array] = {
        "uid": pa.array(uids, pa.string()), "file": pa.array(files, pa.string()), "offset": pa.array(offsets, pa.int64()),
        "length": pa.array(lengths, pa.int64()), "split": pa.array(splits, pa.string()),
        "rank": pa.array([_rank(row.get("rank")) for row in texts], pa.int32()),
    }  # fmt: skip
    columns["label"] = classes.labels(
        texts_of(pa.array(labels, pa.string())), column="cls", where=where, uids=columns["uid"]
    ).fill_null(-1)
    for name in ("title", *TEXTS):
        columns[name] = texts_of(
            pa.array([row.get(name) if isinstance(row.get(name), str) else None for row in texts], pa.string())
        )
    tags = [[str(tag) for tag in row["tags"]] if isinstance(row.get("tags"), list) else None for row in texts]
    columns["tags"] = tags_of(pa.array(tags, pa.list_(pa.string())))
    return pa.record_batch(columns)


def _rank(value: Any) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,8}", text) else None
