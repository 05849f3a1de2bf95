"""Layout `food101n`: Food-101N (Lee et al., CVPR 2018): 310,000 web images of 101 dishes; of 57,600 a person said whether the label is right.

Its test set is that of Food-101, a data set of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.findings import Findings
from reweigh.catalog.grouping import position
from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.errors import ReweighError, nearest
from reweigh.layouts.folders import files_in, folders_in, images_below, is_file
from reweigh.layouts.image_places import asked_folder
from reweigh.layouts.indexing import batched, index_rows, row_batches
from reweigh.layouts.json_files import is_plain_path, whole_json
from reweigh.layouts.labels_by_path import LabelsByPath, find_labels, labels_by_path, path_numbers
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.text_lists import OUTSIDE, check_names, first_lines, is_inside, read_lines, read_names, read_pairs
from reweigh.progress import Progress, silent

IMAGES, META = "images", "meta"
LIST, CLASSES = "imagelist.tsv", "classes.txt"
VERIFIED = {"train": "verified_train.tsv", "val": "verified_val.tsv"}
HEADER = "class_name"
"""How the first line of each list begins; Food-101's own lists have no such line."""
COLUMNS = ("uid", "file", "split", "label", "verified", "verification", "withheld")


def index_food101n(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """The folder that holds images/ and meta/. All images are for training; `verified` is what a person said of the label.

    Column `verification`: train or val, the list that says it. Option `test`: the folder of Food-101, whose test images are
    the split test; one list of classes serves both. Option `held_out`: a list of classes that count as verified by nobody
    (CleanNet's transfer from some classes to others); what was said of their images is `right` or `wrong` in column `withheld`.
    Raises ReweighError for missing folders and a row of an unknown class, naming the line.
    """
    if not (source / IMAGES).is_dir() or not (source / META).is_dir():
        raise ReweighError(_no_folders(source))
    findings = Findings()
    names = _class_names(source, findings)
    held_out = _held_out(source, options, names)
    test = _food101(source, options)
    if test is None:
        findings.notes.append("no test set: Food-101's is given by --option test=FOLDER")
    root = source if test is None else Path(os.path.commonpath([source, test]))
    below = source.relative_to(root).as_posix() + "/" if source != root else ""

    def rows() -> Iterator[tuple[Any, ...]]:
        yield from _withholding(_rows(source, f"{below}{IMAGES}/", names, findings), held_out, findings)
        if test is not None:
            yield from ((*row, None) for row in _test_rows(test, root, names, findings))

    return index_rows(
        output, row_batches(rows(), COLUMNS), plain_classes(names), findings, layout="food101n", options=options, source=source,
        root=root, where=f"in {source / IMAGES}", progress=progress,
    )  # fmt: skip


def recognise_food101n(source: Path) -> Recognition | None:
    """meta/ with a list that begins with Food-101N's header."""
    meta = source / META
    for name in (LIST, *VERIFIED.values()):
        if (first_lines(meta / name, 1) or [""])[0].startswith("class_name/key"):
            return Recognition(Certainty.CERTAIN, f"{META}/{name}")
    there = (source / IMAGES).is_dir() and any((meta / name).is_file() for name in VERIFIED.values())
    return Recognition(Certainty.LIKELY, f"{META}/{VERIFIED['train']} or {VERIFIED['val']}") if there else None


def _no_folders(source: Path) -> str:
    lacks = " and ".join(f"{name}/" for name in (IMAGES, META) if not (source / name).is_dir())
    if source.name in (IMAGES, META):
        return f"No {lacks} in {source}: name the folder above it, {source.parent}."
    below = [p.name for p in folders_in(source) if (p / META).is_dir()] if source.is_dir() else []
    packed = [p.name for p in files_in(source, "*.zip")]
    hint = (
        f" {below[0]} has it: name {source / below[0]}."
        if below
        else f" {packed[0]} is not unpacked."
        if packed
        else ""
    )
    return f"No {lacks} in {source}: Food-101N has {IMAGES}/<class>/ and {META}/{LIST}.{hint}"


def _class_names(source: Path, findings: Findings) -> list[str]:
    """The classes in the order of their list, without its header: a first line that names no folder, while others do."""
    path = source / META / CLASSES
    folders = [p.name for p in folders_in(source / IMAGES)]
    if not path.is_file():
        if not folders:
            raise ReweighError(f"No {CLASSES} in {path.parent}, and no folder in {source / IMAGES}: is it unpacked?")
        findings.notes.append(f"no {META}/{CLASSES}: classes are the folders of {IMAGES}/, sorted")
        return sorted(folders)
    names = [line.text for line in read_lines(path, findings)]
    is_header = names[0] == HEADER or (names[0] not in folders and any(name in folders for name in names[1:]))
    findings.notes.append(
        f"{CLASSES} has the header {names[0][:40]!r}" if is_header else f"{CLASSES} has no header line"
    )
    names = names[1:] if is_header else names
    check_names(names, path)
    return names


def _held_out(source: Path, options: Mapping[str, Any], names: Sequence[str]) -> frozenset[int]:
    """Labels of the classes in the list that the option `held_out` names: from where the user stands, or else in meta/."""
    asked = options.get("held_out")
    if asked is None:
        return frozenset()
    path = Path(asked) if Path(asked).is_file() else source / META / asked
    label = {name: number for number, name in enumerate(names)}
    listed = read_names(path, Findings())
    unknown = next((name for name in listed if name not in label), None)
    if unknown is not None:
        raise ReweighError(
            f"{path}: {unknown[:60]!r} is none of the {len(label):,} classes.{nearest(unknown[:60], label)}"
        )
    return frozenset(label[name] for name in listed)


def _rows(source: Path, prefix: str, names: Sequence[str], findings: Findings) -> Iterator[tuple[Any, ...]]:
    """Rows of the image list, then verified rows that it lacks, where their image is there."""
    label = {name: number for number, name in enumerate(names)}
    verified = {kind: _read_verified(source, name, findings) for kind, name in VERIFIED.items()}
    seen = [np.zeros(0, np.uint64)]
    for block in batched(_listed(source, label, findings)):
        numbers = path_numbers([key for key, _ in block])
        seen.append(numbers)
        for (key, number), said in zip(block, _said(verified, numbers), strict=True):
            yield key, prefix + key, "train", number, *said
    listed = np.sort(np.concatenate(seen))
    for name in VERIFIED.values():
        for block in batched(_verified_keys(source / META / name, label, findings)):
            numbers = path_numbers([key for key, _ in block])
            is_new = position(numbers, listed) < 0
            for (key, number), new, said in zip(block, is_new.tolist(), _said(verified, numbers), strict=True):
                if new and is_file(source / IMAGES / key):
                    yield key, prefix + key, "train", number, *said
                elif new:
                    findings.skip(f"row of {name} without an image", [key])


def _listed(source: Path, label: Mapping[str, int], findings: Findings) -> Iterator[tuple[str, int]]:
    """(class/key, label) of each image: of the list, else of the folders."""
    path = source / META / LIST
    if not path.is_file():
        findings.notes.append(f"no {META}/{LIST}: images are those in {IMAGES}/")
        for folder in folders_in(source / IMAGES):
            if folder.name not in label:
                raise ReweighError(f"{folder} is none of the {len(label):,} classes.{nearest(folder.name, label)}")
            for name in images_below(source / IMAGES, folder, findings):
                yield name, label[folder.name]
        return
    for line in read_lines(path, findings):
        key = line.text.replace("\\", "/")
        if line.number == 1 and key.startswith(HEADER):
            continue
        if is_inside(key):
            yield key, _label(key, label, path, line.number)
        else:
            findings.skip(OUTSIDE, [key])


def _withholding(
    rows: Iterable[tuple[Any, ...]], held_out: frozenset[int], findings: Findings
) -> Iterator[tuple[Any, ...]]:
    """The rows with column `withheld`: what a person said of an image of a class that is held out, which `verified` then lacks."""
    withheld = 0
    for *row, label, verified, verification in rows:
        is_withheld = verified is not None and label in held_out
        withheld += is_withheld
        said = None if not is_withheld else "right" if verified else "wrong"
        yield (*row, label, None if is_withheld else verified, verification, said)
    if held_out:
        findings.notes.append(f"{withheld:,} verification labels of {len(held_out):,} classes are withheld")


def _verified_keys(path: Path, label: Mapping[str, int], findings: Findings) -> Iterator[tuple[str, int]]:
    """(class/key, label) of each row of a list of verification labels."""
    if path.is_file():
        for number, key, _ in read_pairs(path, Findings()):
            if (number > 1 or not key.startswith(HEADER)) and is_inside(key):
                yield key, _label(key, label, path, number)


def _read_verified(source: Path, name: str, findings: Findings) -> LabelsByPath | None:
    """Verification labels, 1 right and 0 wrong, by class/key; None where there is no such list."""
    path = source / META / name
    if not path.is_file():
        findings.warnings.append(f"no {META}/{name}")
        return None

    def pairs() -> Iterator[tuple[str, int]]:
        for number, key, said in read_pairs(path, findings):
            if said in ("0", "1"):
                yield key, int(said)
            elif number > 1 or not key.startswith(HEADER):
                raise ReweighError(f"{path}, line {number}: verification label {said[:40]!r} is neither 0 nor 1.")

    return labels_by_path(pairs(), name, findings)


def _said(
    verified: Mapping[str, LabelsByPath | None], numbers: NDArray[np.uint64]
) -> Iterator[tuple[bool | None, str | None]]:
    """(what a person said of the label, which list says it) of each image; train before val."""
    found = {kind: find_labels(labels, numbers).tolist() for kind, labels in verified.items()}
    for values in zip(*found.values(), strict=True):
        yield next(((bool(v), kind) for kind, v in zip(found, values, strict=True) if v >= 0), (None, None))


def _label(key: str, label: Mapping[str, int], path: Path, line: int) -> int:
    name = key.partition("/")[0]
    if name not in label:
        raise ReweighError(
            f"{path}, line {line}: {name[:60]!r} is none of the {len(label):,} classes.{nearest(name[:60], label)}"
        )
    return label[name]


def _food101(source: Path, options: Mapping[str, Any]) -> Path | None:
    """The folder of Food-101, or the one in it that holds images/ and meta/."""
    folder = asked_folder(options, "test", source)
    if folder is None:
        return None
    for place in (folder, folder / "food-101"):
        if (place / IMAGES).is_dir() and any((place / META / f"test.{end}").is_file() for end in ("txt", "json")):
            return place
    raise ReweighError(
        f"No {META}/test.txt and {IMAGES}/ in {folder} (option test): name the folder of Food-101, food-101."
    )


def _test_rows(test: Path, root: Path, names: Sequence[str], findings: Findings) -> Iterator[tuple[Any, ...]]:
    """Rows of Food-101's list of test images, which leaves out .jpg."""
    label = {name: number for number, name in enumerate(names)}
    prefix = (test / IMAGES).relative_to(root).as_posix()
    path = test / META / "test.txt"
    keys: Iterable[tuple[int, str]]
    if path.is_file():
        keys = ((line.number, line.text.replace("\\", "/")) for line in read_lines(path, findings))
    else:
        path = test / META / "test.json"
        found = whole_json(path, dict[str, list[str]])
        keys = enumerate((key for rows in found.values() for key in rows), start=1)
    for number, key in keys:
        if not is_plain_path(key):
            findings.skip(OUTSIDE, [ascii(key)])
            continue
        name = key if key.endswith(".jpg") else f"{key}.jpg"
        yield f"food-101/{name}", f"{prefix}/{name}", "test", _label(key, label, path, number), None, None
