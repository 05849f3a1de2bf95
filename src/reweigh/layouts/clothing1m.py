"""Layout `clothing1m`: Clothing1M (Xiao et al., CVPR 2015), 14 classes: a million labels of shops, 72,000 of people, some images with both.

Forms: key lists that define the splits beside `*_label_kv.txt`; lists `noisy_train.txt`, `clean_*.txt` with path and label;
both in the folder or in `annotations/`, images with or without `images/`. Folders a class without lists: `clothing1m_folders`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.findings import Findings
from reweigh.catalog.grouping import position
from reweigh.catalog.tables import Catalog, Classes, plain_classes
from reweigh.errors import ReweighError, look_up
from reweigh.layouts.clothing1m_folders import are_class_folders, index_class_folders
from reweigh.layouts.folders import files_in
from reweigh.layouts.image_places import Place, asked_folder, best_place, described
from reweigh.layouts.indexing import batched, index_rows
from reweigh.layouts.labels_by_path import (
    NO_LABEL,
    LabelsByPath,
    find_labels,
    labels_by_path,
    path_numbers,
    read_labels_by_path,
)
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.text_lists import OUTSIDE, first_lines, is_inside, label_number, read_lines, read_pairs, split_pair
from reweigh.progress import Progress, silent

MANY = 1000
"""New rows of a list of which more than half without a label are no oddity, but a file that was cut."""
K = 14
ANNOTATIONS = ("", "annotations", "annotation")
PARTS = {"clean_test": "test", "clean_val": "val", "clean_train": "train", "noisy_train": "train"}
"""Part -> split; an image of several parts is of the first of them."""
WANTED = {
    "both": tuple(PARTS),
    "noisy": ("clean_test", "clean_val", "noisy_train"),
    "clean": ("clean_test", "clean_val", "clean_train"),
}
"""Option `labels` -> parts that are read; val and test are people's labels in each."""


@dataclass(frozen=True, kw_only=True)
class Lists:
    """The lists that were found."""

    folder: Path
    keys: Mapping[str, Path]
    """Part -> the list of its paths; of paths and labels where its name does not end in _key_list.txt."""
    noisy: LabelsByPath | None
    clean: LabelsByPath | None


def index_clothing1m(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """The folder of Clothing1M.

    Shops' labels become `label`, people's `verified_label`; where a training image has only a person's label, and in val and test,
    that is the label too. An image of val or test is no training image, whatever the lists say. Options: `labels` both, noisy
    (training images of the noisy list, without people's labels) or clean; `images` the folder that the lists' paths are relative to.
    Raises ReweighError for missing lists and a label that is none of the classes, naming the line.
    """
    asked = str(options.get("labels", "both"))
    wanted = look_up(asked, WANTED, kind="choice of labels")
    findings = Findings()
    folder = next((source / name for name in ANNOTATIONS if _has_lists(source / name)), None)
    classes = _classes(folder or source, findings)
    if folder is None:
        if not are_class_folders(source, PARTS):
            raise ReweighError(_no_lists(source))
        if "images" in options:
            raise ReweighError(
                f"The option images goes with lists; {source} has none and is read as folders of classes."
            )
        return index_class_folders(
            source, output, options, classes, {p: PARTS[p] for p in wanted}, findings, progress=progress
        )
    lists = _read_lists(folder, wanted, len(classes.names), findings)
    places = _places(source, folder, options)
    place = best_place(chain.from_iterable(_keys(path) for path in reversed(list(lists.keys.values()))), places)
    findings.notes.append(f"images in {place.folder}{f', without {place.cut} of the lists' if place.cut else ''}")
    return index_rows(
        output, _batches(lists, place, asked, findings), classes, findings, layout="clothing1m", options=options, source=source,
        root=place.folder, where=described(places), progress=progress,
    )  # fmt: skip


def recognise_clothing1m(source: Path) -> Recognition | None:
    """Lists of noisy and clean labels, or lists of paths with a comma in the name, as no other set has."""
    for folder in (source / name for name in ANNOTATIONS) if source.is_dir() else ():
        for name in ("noisy_label_kv.txt", "clean_label_kv.txt", "noisy_train_key_list.txt"):
            if (folder / name).is_file():
                return Recognition(Certainty.CERTAIN, name)
        for part in PARTS:
            first = (first_lines(folder / f"{part}.txt", 1) or [""])[0]
            if re.fullmatch(r"(images/)?\d/\d+/\d+,\d+\.jpg\s+\d+", first):
                return Recognition(Certainty.CERTAIN, f"{part}.txt with paths of Clothing1M")
    return (
        Recognition(Certainty.LIKELY, "folders noisy_train and clean_*") if are_class_folders(source, PARTS) else None
    )


def _has_lists(folder: Path) -> bool:
    names = (
        "noisy_label_kv.txt",
        "clean_label_kv.txt",
        *(f"{p}_key_list.txt" for p in PARTS),
        *(f"{p}.txt" for p in PARTS),
    )
    return any((folder / name).is_file() for name in names)


def _no_lists(source: Path) -> str:
    packed = [p.name for p in files_in(source, "annotation*.zip")]
    hint = f" {packed[0]} is not unpacked." if packed else f" Is {source} the folder that holds images/ and the lists?"
    return f"No lists of Clothing1M in {source} or {source / 'annotations'}: looked for noisy_label_kv.txt, clean_label_kv.txt and key lists.{hint}"


def _classes(folder: Path, findings: Findings) -> Classes:
    """The English names, the Chinese ones in `extra`; numbers where there is no list of them."""
    path, chinese = folder / "category_names_eng.txt", folder / "category_names_chn.txt"
    if not path.is_file():
        findings.notes.append(f"no {path.name}: classes are named 0 to {K - 1}")
        return plain_classes([str(number) for number in range(K)])
    names = [line.text for line in read_lines(path, findings)]
    if len(names) != K:
        findings.warnings.append(f"{path.name} names {len(names):,} classes; Clothing1M has {K}")
    classes = plain_classes(names)
    others = [line.text for line in read_lines(chinese, findings)] if chinese.is_file() else []
    if len(others) == len(names):
        classes = replace(classes, extra=tuple(json.dumps({"name_chn": o}, ensure_ascii=False) for o in others))
    elif others:
        findings.notes.append(f"{chinese.name} has {len(others):,} names and is not read")
    return classes


def _read_lists(folder: Path, wanted: tuple[str, ...], k: int, findings: Findings) -> Lists:
    """The key lists of the parts that are wanted, else lists of path and label; and the labels of both kinds."""
    keys = {}
    for part in wanted:
        there = [p for p in (folder / f"{part}_key_list.txt", folder / f"{part}.txt") if p.is_file()]
        if there:
            keys[part] = there[0]
    noisy = _noisy_list(folder, keys, findings) if "noisy_train" in wanted else None
    clean_kv = folder / "clean_label_kv.txt"
    if "noisy_train" in wanted and "noisy_train" not in keys and noisy is not None:
        keys["noisy_train"] = noisy
        findings.warnings.append(f"no noisy_train_key_list.txt: all of {noisy.name} is taken for training")
    if not any(PARTS[part] == "train" for part in keys):
        raise ReweighError(
            f"No list of training images in {folder}: looked for {' and '.join(f'{p}_key_list.txt' for p in wanted if PARTS[p] == 'train')}"
            f"; found {', '.join(sorted(p.name for p in folder.glob('*.txt'))[:8]) or 'nothing'}. Is the download complete?"
        )
    absent = [part for part in wanted if part not in keys]
    if absent:
        findings.warnings.append(f"no list of {', '.join(absent)}")
    clean = [clean_kv] if clean_kv.is_file() else [p for n, p in keys.items() if n != "noisy_train" and not _is_keys(p)]
    pairs = ((name, label_number(text, k, p, line)) for p in clean for line, name, text in read_pairs(p, findings))
    return Lists(
        folder=folder, keys=keys, noisy=None if noisy is None else read_labels_by_path(noisy, k, findings),
        clean=labels_by_path(pairs, " and ".join(p.name for p in clean), findings) if clean else None,
    )  # fmt: skip


def _noisy_list(folder: Path, keys: Mapping[str, Path], findings: Findings) -> Path | None:
    """The list of noisy labels; a shortened one (noisy_label_kv_260K.txt) where there is but that one."""
    path, others = folder / "noisy_label_kv.txt", files_in(folder, "noisy_label_kv_*.txt")
    if path.is_file():
        return path
    if len(others) == 1:
        findings.notes.append(f"noisy labels of {others[0].name}")
        return others[0]
    return next((keys[part] for part in ("noisy_train",) if part in keys and not _is_keys(keys[part])), None)


def _is_keys(path: Path) -> bool:
    return path.name.endswith("_key_list.txt")


def _keys(path: Path) -> Iterator[str]:
    """The paths of a list; labels beside them are read elsewhere, and counted there where they lack."""
    for line in read_lines(path, Findings()):
        pair = None if _is_keys(path) else split_pair(line.text)
        if _is_keys(path):
            yield line.text.replace("\\", "/")
        elif pair is not None:
            yield pair[0]


def _places(source: Path, folder: Path, options: Mapping[str, Any]) -> list[Place]:
    """Where images may lie: below images/ as the lists say, or without it; above, where the folder of the lists was named."""
    asked = asked_folder(options, "images", folder)
    if asked is not None:
        return [Place(asked), Place(asked, "images/")]
    tops = [source, source.parent] if source.name in ANNOTATIONS else [source]
    return [Place(top, cut) for top in tops for cut in ("", "images/")]


def _batches(lists: Lists, place: Place, asked: str, findings: Findings) -> Iterator[pa.RecordBatch]:
    """Rows of each part, without those of an earlier one; people's labels beside the noisy ones."""
    seen = held_out = np.zeros(0, np.uint64)
    n_both = n_differing = 0
    for part, path in lists.keys.items():
        mine, n_new, n_without = [seen], 0, 0
        for block in batched(_inside(path, findings)):
            numbers = path_numbers(block)
            noisy, clean = find_labels(lists.noisy, numbers), find_labels(lists.clean, numbers)
            label = noisy if part == "noisy_train" else clean
            is_new = position(numbers, seen) < 0
            findings.repaired[f"images of {path.name} are in a list of val or test too, and are of that split"] += int(
                (position(numbers, held_out) >= 0).sum()
            )
            without = np.flatnonzero(is_new & (label == NO_LABEL))
            findings.skip(_no_label(part), (block[i] for i in without))
            n_new, n_without = n_new + int(is_new.sum()), n_without + len(without)
            kept = np.flatnonzero(is_new & (label != NO_LABEL))
            has_both = (noisy[kept] != NO_LABEL) & (clean[kept] != NO_LABEL)
            n_both += int(has_both.sum())
            n_differing += int((has_both & (noisy[kept] != clean[kept])).sum())
            mine.append(numbers)
            yield _batch([block[i] for i in kept], part, place, noisy[kept], clean[kept], asked)
        if n_without and n_without > (n_new // 2 if n_new >= MANY else n_new - 1):
            kv = path.parent / ("noisy_label_kv.txt" if part == "noisy_train" else "clean_label_kv.txt")
            raise ReweighError(
                f"{n_without:,} of the {n_new:,} images of {path.name} have {_no_label(part)}: {kv.name} "
                f"{'is cut' if kv.is_file() else f'is not in {path.parent}'}. Is the download complete?"
            )
        seen = np.sort(np.concatenate(mine))
        held_out = held_out if PARTS[part] == "train" else seen
    if asked == "both":
        findings.notes.append(
            f"{n_both:,} images have a noisy and a clean label, {n_differing:,} of them two that differ"
        )


def _inside(path: Path, findings: Findings) -> Iterator[str]:
    for name in _keys(path):
        if is_inside(name):
            yield name
        else:
            findings.skip(OUTSIDE, [name])


def _no_label(part: str) -> str:
    return "no noisy label" if part == "noisy_train" else "no clean label"


def _batch(
    names: list[str], part: str, place: Place, noisy: NDArray[np.int32], clean: NDArray[np.int32], asked: str
) -> pa.RecordBatch:
    """Rows of one part; `source` says whose label it is, `noisy_label` keeps the shop's where people's is taken."""
    is_noisy = (noisy != NO_LABEL) if PARTS[part] == "train" and asked != "clean" else np.zeros(len(names), bool)
    label = np.where(is_noisy, noisy, clean)
    is_known = (clean != NO_LABEL) & (PARTS[part] != "train" or asked != "noisy")
    return pa.record_batch(
        {
            "uid": pa.array(names, pa.string()),
            "file": pa.array([place.file(name) for name in names], pa.string()),
            "split": pa.array([PARTS[part]] * len(names), pa.string()),
            "label": pa.array(label, pa.int32()),
            "source": pa.array(np.where(is_noisy, "noisy", "clean").tolist(), pa.string()),
            "verified_label": pa.array(clean, pa.int32(), mask=~is_known),
            "verified": pa.array(label == clean, pa.bool_(), mask=~is_known),
            "noisy_label": pa.array(noisy, pa.int32(), mask=noisy == NO_LABEL),
        }
    )
