"""Layout `imagenet`: ILSVRC-2012 (ImageNet-1k), or classes of it, as the archives are unpacked.

`train/<wnid>/`; `val/` flat with the devkit's or Kaggle's answers, or with folders named by wnid or by number; `test/` without labels. These
folders lie in the source, or below `ILSVRC/Data/CLS-LOC` of Kaggle's archive: uids are the same then.
A label is the rank of its wnid among the sorted wnids, never the devkit's ILSVRC2012_ID.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog
from reweigh.errors import ReweighError
from reweigh.layouts.class_synsets import imagenet_wnids, wnid_classes
from reweigh.layouts.content import MISSING
from reweigh.layouts.folders import files_in, first_folders, folders_in, images_below
from reweigh.layouts.image_names import is_image, is_unicode
from reweigh.layouts.imagenet_answers import SOLUTION, Answers, find_answers, images_root, val_folder
from reweigh.layouts.imagenet_devkit import ANSWERS
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.progress import Progress, silent

WNID, NUMBER = re.compile(r"n\d{8}"), re.compile(r"[0-9]{1,6}")
COLUMNS = ("uid", "file", "split", "label")
OTHER_CLASS = "val image of a class that train has no folder of"
Row = tuple[str, str, str, int]


def index_imagenet(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """The folder that holds `train/`, `val/` or both. Classes are those of `train/`, where it is there.

    Option `devkit`: the folder with meta.mat and the validation answers, or with Kaggle's LOC_val_solution.csv, where it is not in the source.
    Raises ReweighError for archives that are not unpacked, a flat `val/` without answers, and as `index_rows`.
    """
    if not source.is_dir():
        raise ReweighError(f"{source} is a file; the layout imagenet reads the folder that holds train/ and val/.")
    root = images_root(source)
    if not (root / "train").is_dir() and not val_folder(root).is_dir():
        raise ReweighError(_no_splits(source))
    findings = Findings()
    answers = find_answers(source, root, options.get("devkit"), findings)
    wnids = _wnids(root, sorted(answers.classes), findings)
    rows = chain(
        _train(root, wnids, findings), _val(root, wnids, answers, findings), _test(root / "test", root, findings)
    )  # fmt: skip
    return index_rows(
        output, row_batches(rows, COLUMNS), wnid_classes(wnids, answers.classes), findings, layout="imagenet", options=options, source=source,
        root=root, are_found=True, progress=progress,
    )  # fmt: skip


def recognise_imagenet(source: Path) -> Recognition | None:
    """Names that only ILSVRC has, or folders of wnids whose images are named by them."""
    if not source.is_dir():
        return None
    if images_root(source) != source:
        return Recognition(Certainty.CERTAIN, f"{images_root(source).relative_to(source)} with train/ or val/")
    val = val_folder(source)
    if (source / "train").is_dir() or val.is_dir():
        for inside in (val, *first_folders(val, 3)) if val.is_dir() else ():
            first = next((name for name in _names(inside) if name.startswith("ILSVRC2012_val_")), None)
            if first:
                sure = Certainty.CERTAIN if val.name == "val" else Certainty.LIKELY  # controlled noise has validation/
                return Recognition(sure, (inside / first).relative_to(source).as_posix())
        if any("ILSVRC2012_devkit" in name for name in _names(source)):
            return Recognition(Certainty.CERTAIN, "the devkit beside train/ or val/")
    folder = next((name for name in _names(source / "train") if WNID.fullmatch(name)), None)
    if folder and any(re.match(f"{folder}_\\d+\\.", name) for name in _names(source / "train" / folder)):
        return Recognition(Certainty.LIKELY, f"train/{folder}/{folder}_*")
    return None


def _names(folder: Path) -> list[str]:
    """The first names in a folder, in no order; [] where there is no such folder, or none that may be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, 2000)]
    except OSError:
        return []


def _wnids(source: Path, known: list[str], findings: Findings) -> list[str]:
    """The classes, sorted: folders of train, else those `known` from devkit or Kaggle, else folders of val."""
    train = _folders_by_wnid(source / "train")
    if train:
        if len(train) < len(known):
            findings.notes.append(
                f"train has {len(train):,} of the challenge's {len(known):,} classes: labels are ranks among these"
            )
        return train
    if (source / "train").is_dir():
        raise ReweighError(_no_wnids(source / "train"))
    found = known or _folders_by_wnid(val_folder(source)) or _by_number(val_folder(source), findings)
    if not found:
        raise ReweighError(
            f"{source} has no train/, and val/ has no folders named by wnid: which classes there are, only the devkit says. "
            "Unpack ILSVRC2012_devkit_t12.tar.gz there, or name its folder, or that of Kaggle's LOC_val_solution.csv, by --option devkit=FOLDER."
        )
    return found


def _by_number(val: Path, findings: Findings) -> list[str]:
    """The first of ImageNet's sorted wnids, as many as the numbers of val's folders say; [] where these are no numbers."""
    numbers = [p.name for p in folders_in(val)] if val.is_dir() else []
    if not numbers or not all(NUMBER.fullmatch(name) for name in numbers):
        return []
    found = imagenet_wnids()[: max(map(int, numbers)) + 1]
    findings.notes.append(
        f"no train/: the folders of val are ranks among ImageNet's 1,000 sorted wnids, of which they name {len(found):,}"
    )
    return found


def _folders_by_wnid(folder: Path) -> list[str]:
    return sorted(p.name for p in folders_in(folder) if WNID.fullmatch(p.name)) if folder.is_dir() else []


def _train(source: Path, wnids: Sequence[str], findings: Findings) -> Iterator[Row]:
    if not (source / "train").is_dir():
        findings.notes.append("no train/: there are validation images only")
        return
    label = {wnid: number for number, wnid in enumerate(wnids)}
    for folder in folders_in(source / "train"):
        if folder.name not in label:
            findings.skip("folder in train that is no wnid", [folder.name])
            continue
        for name in images_below(source, folder, findings):
            yield name, name, "train", label[folder.name]


def _val(source: Path, wnids: Sequence[str], answers: Answers, findings: Findings) -> Iterator[Row]:
    """Rows of val/, by what is in it."""
    folder = val_folder(source)
    if not folder.is_dir():
        findings.notes.append("no val/")
        return
    folders = folders_in(folder)
    label = {wnid: number for number, wnid in enumerate(wnids)}
    if not folders:
        yield from _flat(folder, label, answers, findings)
        return
    if all(NUMBER.fullmatch(p.name) for p in folders):
        findings.notes.append("val: folders by number, taken as ranks of the sorted wnids")
        classes: list[int | None] = [*_numbered(folder, folders, len(wnids))]
    else:
        findings.notes.append("val: folders by wnid")
        classes = [label.get(p.name) for p in folders]
    for own, number in zip(folders, classes, strict=True):
        for name in images_below(source, own, findings):
            if number is None:
                findings.skip(OTHER_CLASS if WNID.fullmatch(own.name) else "folder in val that is no wnid", [name])
            else:
                yield name, name, "val", number
    findings.skip(
        "val image outside of the folders of classes",
        (p.name for p in folder.iterdir() if p.is_file() and is_unicode(p.name) and is_image(p.name)),
    )


def _numbered(folder: Path, folders: Sequence[Path], k: int) -> list[int]:
    """The classes of folders 0..k-1, which stand in numeric order. Raises ReweighError for numbers beyond."""
    numbers = [int(p.name) for p in folders]
    if len(set(numbers)) < len(numbers) or max(numbers) >= k:
        raise ReweighError(
            f"{folder} has folders {min(numbers)}..{max(numbers)}, {len(numbers):,} of them; as ranks of the {k:,} sorted wnids they must be "
            "0..k-1, each once (counted from 1, they may be the devkit's numbers, which have another order). Name them by wnid."
        )
    return numbers


def _flat(folder: Path, label: Mapping[str, int], answers: Answers, findings: Findings) -> Iterator[Row]:
    """Image i has the i-th answer; images that are not there are counted."""
    names: dict[int, str] = {}
    for name in sorted(os.listdir(folder)):  # noqa: PTH208
        official = re.fullmatch(r"ILSVRC2012_val_(\d{8})\..+", name)
        if official and is_image(name) and is_unicode(name):
            names[int(official[1])] = name
        elif not name.startswith("."):
            findings.skip(
                "file in val not named like ILSVRC2012_val_00000001.JPEG", [name.encode(errors="replace").decode()]
            )
    if not names:
        packed = [name for name in _names(folder) if name.endswith(".tar")]
        raise ReweighError(
            f"{folder} has no image ILSVRC2012_val_00000001.JPEG and no folder of a class; found {_some(sorted(_names(folder)))}."
            f"{' Unpack it there.' if packed else ' Is the download complete?'}"
        )
    if not answers.wnids:
        raise ReweighError(
            f"{folder} is flat: which class its {len(names):,} images are of stands in the devkit's {ANSWERS}, or in Kaggle's {SOLUTION}, which are "
            f"not in {folder.parent}. Name its folder by --option devkit=FOLDER, or sort the images into folders by wnid."
        )
    unanswered = sorted(names.keys() - answers.wnids.keys())
    if not answers.are_all:
        findings.skip(
            f"val image that {answers.path.name if answers.path else ''} does not list", (names[n] for n in unanswered)
        )
    elif unanswered:
        raise ReweighError(
            f"{folder / names[unanswered[0]]}: {answers.path} has no answer for it, only for {len(answers.wnids):,} images; is it whole, and of 2012?"
        )
    findings.notes.append(f"val: flat, with {answers.said}")
    for number, wnid in sorted(answers.wnids.items()):
        if wnid not in label:
            findings.skip(OTHER_CLASS, [names.get(number, f"ILSVRC2012_val_{number:08d}.JPEG")])
        elif number not in names:
            findings.skip(MISSING, [f"{folder.name}/ILSVRC2012_val_{number:08d}.JPEG"])
        else:
            name = f"{folder.name}/{names[number]}"
            yield name, name, "val", label[wnid]


def _test(folder: Path, source: Path, findings: Findings) -> Iterator[Row]:
    """Images of test/, whose labels were never published."""
    if folder.is_dir():
        findings.notes.append("test: without labels")
        for name in images_below(source, folder, findings):
            yield name, name, "test", -1


def _no_splits(source: Path) -> str:
    below = [p.name for p in folders_in(source) if (p / "train").is_dir() or val_folder(p).is_dir()]
    tars = [p.name for p in files_in(source, "*.tar*")]
    if WNID.fullmatch(source.name) or _folders_by_wnid(source):
        hint = f"It has folders of classes itself: name the folder above it, {source.parent}, or use --layout folder."
    elif below:
        hint = f"{below[0]} has one: name {source / below[0]}."
    else:
        hint = f"{_some(tars)} {'are' if len(tars) > 1 else 'is'} not unpacked." if tars else "Is it the right folder?"
    return f"No train/ or val/ in {source}: the layout imagenet reads train/<wnid>/ and val/. {hint}"


def _no_wnids(train: Path) -> str:
    packed = [p.name for p in files_in(train, "n*.tar")]
    if packed:
        return f"{train} has {len(packed):,} tars and no folder a class: unpack each into a folder of its name, {packed[0]} into {packed[0][:-4]}/."
    return f"No folder named by a wnid, such as n01440764, in {train}; found {_some(sorted(_names(train)))}. Is it unpacked?"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "") if names else "nothing"
