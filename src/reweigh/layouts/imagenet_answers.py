"""Which class each flat validation image of ImageNet is of: by the development kit, or by Kaggle's table of the same challenge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reweigh.catalog.findings import Findings
from reweigh.errors import ReweighError
from reweigh.layouts.class_synsets import imagenet_wnids
from reweigh.layouts.imagenet_devkit import ANSWERS, find_devkit, read_devkit_answers, read_devkit_classes
from reweigh.layouts.text_lists import label_number, read_lines, read_pairs

KAGGLE_IMAGES = "CLS-LOC"
"""Kaggle's archive (imagenet-object-localization-challenge) has train/, val/ and test/ in ILSVRC/Data/CLS-LOC."""
KAGGLE_PLACES = (KAGGLE_IMAGES, f"Data/{KAGGLE_IMAGES}", f"ILSVRC/Data/{KAGGLE_IMAGES}")
SOLUTION, MAPPING = "LOC_val_solution.csv", "LOC_synset_mapping.txt"
HEADER = "ImageId,PredictionString"
MINI = "imagenet_val.txt"
"""Of the check set of mini-WebVision: a name and a label a line, beside val/ (as ELR's code has it)."""
VAL_FOLDERS = ("val", "validation", "valid")
ROW = re.compile(r"ILSVRC2012_val_(\d{8}),(n\d{8})(?: .*)?")
IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})\..+")


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What is known of the challenge's classes and of its validation images."""

    classes: Mapping[str, tuple[tuple[str, ...], str | None]] = field(default_factory=dict)
    """wnid -> (words, gloss)"""
    wnids: Mapping[int, str] = field(default_factory=dict)
    """Number of a validation image, from 1 -> its wnid"""
    said: str = ""
    """Whose they are, for notes and errors"""
    path: Path | None = None
    are_all: bool = True
    """Whether an image that it does not name is an error, not one that was left out on purpose."""


def val_folder(root: Path) -> Path:
    """The folder of validation images, whichever of its names it bears."""
    return next((root / name for name in VAL_FOLDERS if (root / name).is_dir()), root / "val")


def images_root(source: Path) -> Path:
    """The folder that holds train/ and val/: the source, or Kaggle's in it."""
    places = [source, *(source / inside for inside in KAGGLE_PLACES)]
    return next((place for place in places if (place / "train").is_dir() or val_folder(place).is_dir()), source)


def find_answers(source: Path, root: Path, asked: str | None, findings: Findings) -> Answers:
    """Those of the folder that is asked for, else of the source, or of the folder of Kaggle's archive that `root` lies in.

    Empty where there are none. Raises ReweighError where the folder that is asked for has none, and for broken files.
    """
    places = [source, *(root.resolve().parents[2:3] if root.resolve().name == KAGGLE_IMAGES else [])]
    if asked is not None:
        places = [Path(asked) if Path(asked).is_dir() else source / asked]
    for place in places:
        if (place / SOLUTION).is_file():
            return _kaggle(place, findings)
        if (place / MINI).is_file():
            return _mini(place / MINI, findings)
    devkit = find_devkit(source, asked)
    return Answers() if devkit is None else _devkit(devkit, findings)


def _devkit(folder: Path, findings: Findings) -> Answers:
    known = read_devkit_classes(folder)
    return Answers(
        classes={own.wnid: (own.words, own.gloss) for own in known.values()}, wnids=dict(enumerate(read_devkit_answers(folder, known, findings), 1)),
        said="the devkit's answers", path=folder / ANSWERS,
    )  # fmt: skip


def _mini(path: Path, findings: Findings) -> Answers:
    """Labels are ranks among ImageNet's sorted wnids, which are WebVision's synsets in their order."""
    known, wnids = imagenet_wnids(), {}
    for number, name, label in read_pairs(path, findings):
        image = IMAGE.fullmatch(name.rpartition("/")[2])
        if image is None:
            raise ReweighError(f"{path}, line {number}: {name[:60]!r} is no image of ILSVRC-2012's validation.")
        wnids[int(image[1])] = known[label_number(label, len(known), path, number)]
    classes = known[: max(known.index(wnid) for wnid in set(wnids.values())) + 1]
    return Answers(
        classes=dict.fromkeys(classes, ((), None)), wnids=wnids, said=f"the labels of {path.name}, ranks among ImageNet's sorted wnids",
        path=path, are_all=False,
    )  # fmt: skip


def _kaggle(folder: Path, findings: Findings) -> Answers:
    wnids = dict(_solution(folder / SOLUTION, findings))
    mapping = folder / MAPPING
    words = dict(_mapping(mapping, findings)) if mapping.is_file() else {}
    if not words:
        findings.notes.append(f"no {MAPPING}: classes are those of {SOLUTION}, without its words")
    unknown = sorted(set(wnids.values()) - set(words)) if words else []
    if unknown:
        raise ReweighError(
            f"{mapping} lacks {unknown[0]}, a class of {SOLUTION}, and {len(unknown) - 1} more: are both whole?"
        )
    classes = words or dict.fromkeys(wnids.values(), ())
    return Answers(
        classes={wnid: (own, None) for wnid, own in classes.items()},
        wnids=wnids,
        said=f"the answers of {SOLUTION}",
        path=folder / SOLUTION,
    )


def _solution(path: Path, findings: Findings) -> Iterator[tuple[int, str]]:
    """(number of the image, wnid) of each row: the class stands first, boxes after it. Raises ReweighError that names the line."""
    seen: set[int] = set()
    for line in read_lines(path, findings):
        row = ROW.fullmatch(line.text)
        if row is None and line.number == 1 and line.text == HEADER:
            continue
        if row is None or int(row[1]) in seen:
            why = "stands twice" if row else "is no image of ILSVRC-2012's validation and a wnid"
            raise ReweighError(f"{path}, line {line.number}: {line.text[:60]!r} {why}.")
        seen.add(int(row[1]))
        yield int(row[1]), row[2]


def _mapping(path: Path, findings: Findings) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(wnid, words) of each line, such as `n01440764 tench, Tinca tinca`."""
    for line in read_lines(path, findings):
        wnid, _, words = line.text.partition(" ")
        if not re.fullmatch(r"n\d{8}", wnid):
            raise ReweighError(f"{path}, line {line.number}: {line.text[:60]!r} is no wnid and its words.")
        yield wnid, tuple(word.strip() for word in words.split(",") if word.strip())
