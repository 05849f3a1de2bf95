"""Layout `cnwl`: red and blue mini-ImageNet with controlled noise (Jiang et al., ICML 2020): 100 classes, lists of ten noise levels.

Red lists have web images with wrong labels beside ImageNet's, blue lists ImageNet's with exchanged labels. Images are not part of
the download; users keep them in folders of several names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, Classes, plain_classes
from reweigh.errors import ReweighError, look_up
from reweigh.layouts.cnwl_places import Pattern, find_pattern, image_folders, inside
from reweigh.layouts.image_places import asked_folder
from reweigh.layouts.indexing import batched, index_rows, row_batches
from reweigh.layouts.json_files import read_elements
from reweigh.layouts.labels_by_path import NO_LABEL, LabelsByPath, find_labels, labels_by_path, path_numbers
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.text_lists import OUTSIDE, is_inside, label_number, read_lines, read_pairs
from reweigh.progress import Progress, silent

K = 100
VALIDATION, ANNOTATIONS, CLASSES = "clean_validation", "mini-imagenet-annotations.json", "class_name.txt"
LIST = re.compile(r"(red|blue)_noise_nl_([0-9]+\.[0-9]+)")
IMAGENET = re.compile(r"(n[0-9]{8})[0-9]{8}\.\w+")
"""Name of an image of ImageNet: its class, and its rank among the class's images."""
BY_ANNOTATIONS, BY_NAME = "annotations", "name"
TOLD = {
    BY_ANNOTATIONS: f"web images are right or wrong as {ANNOTATIONS} says",
    BY_NAME: "web images are told by their names, and all of them count as wrong",
}
"""Option `noise` -> what is noted."""
NO_ANNOTATION = "web images have no annotation: whether their labels are right is not known"
PROBED = 50
COLUMNS = ("uid", "file", "split", "label", "source", "verified", "truth")
Named = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Cnwl:
    """What was found."""

    lists: Path
    """Folder of the split lists."""
    split: str
    k: int
    class_of: Mapping[str, int]
    """wnid -> label; empty where it is not known."""
    is_clean: LabelsByPath | None
    """1 or 0 by `id label`; None: web images count as wrong."""


def index_cnwl(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """One list of training images, and clean_validation, which becomes the split val.

    Of a red list's web images it is known only whether the label is right: `verified`, true for ImageNet's. Of a blue list's images
    the right class is: the truth, as that of validation. Options: `split` the list; `noise` annotations (the default where they are there)
    or name: how web images are told; `images` the folder below which all images lie.
    Raises ReweighError for a list that is not there, and a label that is none of the classes, naming the line.
    """
    lists = _lists_folder(source)
    if lists is None:
        raise ReweighError(_no_lists(source))
    findings = Findings()
    split = _split(lists, options)
    names = _class_names(lists, findings)
    class_of = _class_of(lists, len(names), findings)
    is_clean = _noise(source, lists, split, options, findings)
    found = Cnwl(lists=lists, split=split, k=len(names), class_of=class_of, is_clean=is_clean)
    if split.startswith("blue") and not class_of:
        findings.warnings.append("the right classes of a blue list are not known: no list without noise, no red list")
    asked = asked_folder(options, "images", source)
    tops = [asked] if asked is not None else [source, *({lists.parent} - {source})]
    folders = image_folders(tops, lists)
    return index_rows(
        output, row_batches(_rows(found, source, folders, findings), COLUMNS), _classes(names, class_of), findings, layout="cnwl",
        options=options, source=source, root=source, with_truth=True, progress=progress,
        where=f"in {', '.join(folder.name for folder in folders[:8])} of {source} (elsewhere: --option images=FOLDER)",
    )  # fmt: skip


def recognise_cnwl(source: Path) -> Recognition | None:
    """A folder split/ with lists of noise levels."""
    lists = _lists_folder(source)
    return None if lists is None else Recognition(Certainty.CERTAIN, f"{lists.name}/{_list_names(lists)[0]}")


def _lists_folder(source: Path) -> Path | None:
    """The folder split/ that has lists, here or in mini-imagenet/."""
    return next((p for p in (source / "split", source / "mini-imagenet" / "split") if _list_names(p)), None)


def _list_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if LIST.fullmatch(p.name) and p.is_file())


def _no_lists(source: Path) -> str:
    if source.name == "split":
        return f"{source} holds the lists alone: name the folder above it, {source.parent}."
    below = source / "dataset_no_images"
    packed = (source / "dataset_no_images.zip").is_file()
    hint = (
        f" {below.name} has it: name {below}."
        if _lists_folder(below)
        else " dataset_no_images.zip is not unpacked."
        if packed
        else ""
    )
    return f"No split/ with lists such as red_noise_nl_0.4 in {source} or its mini-imagenet/.{hint}"


def _split(lists: Path, options: Mapping[str, Any]) -> str:
    names = _list_names(lists)
    if "split" in options:
        look_up(str(options["split"]), dict.fromkeys(names), kind="list of noise")
        return str(options["split"])
    if len(names) > 1:
        raise ReweighError(
            f"{lists} has {len(names)} lists: say which, such as --option split={names[0]}; there are: {', '.join(names)}."
        )
    return names[0]


def _class_names(lists: Path, findings: Findings) -> list[str]:
    """The lines of class_name.txt, a class each."""
    path = lists.parent / CLASSES
    if not path.is_file():
        findings.notes.append(f"no {CLASSES}: classes are named 0 to {K - 1}")
        return [str(number) for number in range(K)]
    names = [line.text for line in read_lines(path, findings)]
    if len(names) != K:
        findings.warnings.append(f"{CLASSES} names {len(names):,} classes; mini-ImageNet has {K}")
    return names


def _classes(names: list[str], class_of: Mapping[str, int]) -> Classes:
    """Classes by their lines, a wnid at the beginning being the synset; where no line has one, synsets from the images' names."""
    wnids = [re.match(r"(n[0-9]{8})\b[\s,:]*(.*)", name) for name in names]
    classes = plain_classes([found[2] or found[1] if found else name for name, found in zip(names, wnids, strict=True)])
    synset_of = {label: wnid for wnid, label in class_of.items()}
    return replace(
        classes, synsets=tuple(found[1] if found else synset_of.get(label) for label, found in enumerate(wnids))
    )


def _class_of(lists: Path, k: int, findings: Findings) -> dict[str, int]:
    """wnid -> label, by a list whose ImageNet images have right labels: one without noise, else a red one."""
    levels = {name: found for name in _list_names(lists) if (found := LIST.fullmatch(name))}
    right = [n for n, found in levels.items() if float(found[2]) == 0 or found[1] == "red"]
    name = min(right, key=lambda name: (float(levels[name][2]) > 0, name), default=None)
    class_of: dict[str, int] = {}
    if name is None:
        return class_of
    for number, image, given in read_pairs(lists / name, Findings()):
        found = IMAGENET.fullmatch(image)
        if found is None:
            continue
        label = label_number(given, k, lists / name, number)
        if class_of.setdefault(found[1], label) != label:
            findings.warnings.append(f"{name} gives {found[1]} more than one label: ImageNet's classes are not known")
            return {}
    findings.notes.append(f"ImageNet's classes by {name}")
    return class_of


def _noise(
    source: Path, lists: Path, split: str, options: Mapping[str, Any], findings: Findings
) -> LabelsByPath | None:
    """What the annotations say of web images; None: they are told by their names. Only the red lists have such images."""
    if not split.startswith("red"):
        if "noise" in options:
            raise ReweighError(f"The option noise says how web images are told; {split} has none, only the red lists.")
        return None
    path = next(
        (p for p in (f / ANNOTATIONS for f in (source, lists.parent, lists.parent.parent)) if p.is_file()), None
    )
    noise = str(options.get("noise", BY_NAME if path is None else BY_ANNOTATIONS))
    look_up(noise, TOLD, kind="way to tell noise")
    if noise == BY_ANNOTATIONS and path is None:
        raise ReweighError(
            f"No {ANNOTATIONS} in {source} (option noise=annotations); noise=name tells web images by their names."
        )
    findings.notes.append(TOLD[noise])
    if noise == BY_NAME or path is None:
        return None
    return labels_by_path(_annotations(path, findings), path.name, findings)


def _annotations(path: Path, findings: Findings) -> Iterator[tuple[str, int]]:
    """("id label", 1 right or 0 wrong) of each entry: elements are lists of entries, or entries."""
    for element in read_elements(path, "data"):
        for entry in element if isinstance(element, list) else [element]:
            values = entry if isinstance(entry, dict) else {}
            image, label = values.get("image/id"), values.get("image/class/label")
            is_clean = values.get("image/class/label/is_clean")
            if isinstance(image, str | int) and isinstance(label, str | int) and is_clean in (0, 1):
                key = f"{image} {label}"
                yield key.encode(errors="replace").decode(), int(is_clean)
            else:
                findings.skip(f"entry of {path.name} without id, label and is_clean", [ascii(entry)[:80]])


def _rows(found: Cnwl, source: Path, folders: list[Path], findings: Findings) -> Iterator[tuple[Any, ...]]:
    path = found.lists / found.split
    imagenet, web = (_pattern(path, found, folders, is_web=is_web) for is_web in (False, True))
    for block in batched(_named(path, found.k, findings)):
        for (name, label), verified in zip(block, _verified(block, found, findings), strict=True):
            of = IMAGENET.fullmatch(name)
            file = (imagenet if of else web).path(name, label, found.split)
            truth = found.class_of.get(of[1]) if of and found.split.startswith("blue") else None
            yield name, inside(file, source), "train", label, "imagenet" if of else "web", verified, truth
    path = found.lists / VALIDATION
    if not path.is_file():
        findings.warnings.append(f"no {VALIDATION}")
        return
    pattern = _pattern(path, found, folders)
    for name, label in _named(path, found.k, findings):
        yield name, inside(pattern.path(name, label, VALIDATION), source), "val", label, "imagenet", None, label


def _named(path: Path, k: int, findings: Findings) -> Iterator[Named]:
    for number, name, given in read_pairs(path, findings):
        if is_inside(name):
            yield name, label_number(given, k, path, number)
        else:
            findings.skip(OUTSIDE, [name])


def _pattern(path: Path, found: Cnwl, folders: list[Path], *, is_web: bool | None = None) -> Pattern:
    """Where the images of one kind, or of both, lie, by the first of them in the list."""
    named = _named(path, found.k, Findings())
    own = (pair for pair in named if is_web is None or (IMAGENET.fullmatch(pair[0]) is None) == is_web)
    return find_pattern(list(islice(own, PROBED)), folders, path.name)


def _verified(block: list[Named], found: Cnwl, findings: Findings) -> list[bool | None]:
    """Whether the labels of a red list are right: ImageNet's are, a web image's by its annotation or, told by the name, not."""
    if not found.split.startswith("red"):
        return [None] * len(block)
    is_imagenet = [IMAGENET.fullmatch(name) is not None for name, _ in block]
    if found.is_clean is None:
        return list(is_imagenet)
    said = find_labels(found.is_clean, path_numbers([f"{name.rpartition('.')[0]} {label}" for name, label in block]))
    values = [
        True if of else None if value == NO_LABEL else bool(value)
        for of, value in zip(is_imagenet, said.tolist(), strict=True)
    ]
    findings.repaired[NO_ANNOTATION] += values.count(None)
    return values
