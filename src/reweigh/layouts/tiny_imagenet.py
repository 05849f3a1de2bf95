"""Layout `tiny-imagenet`: Tiny-ImageNet as `tiny-imagenet-200.zip` unpacks: 200 classes, images of 64 x 64.

A label is the rank of its wnid among the sorted wnids: `wnids.txt` is not sorted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog
from reweigh.errors import ReweighError
from reweigh.layouts.class_synsets import Described, wnid_classes
from reweigh.layouts.content import MISSING
from reweigh.layouts.folders import files_below, files_in, folders_in, images_below
from reweigh.layouts.image_names import is_image, is_unicode
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.text_lists import first_lines, read_lines
from reweigh.progress import Progress, silent

WNIDS, WORDS, ANNOTATIONS = "wnids.txt", "words.txt", "val_annotations.txt"
COLUMNS = ("uid", "file", "split", "label")
Row = tuple[str, str, str, int]


def index_tiny_imagenet(
    source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent
) -> Catalog:
    """The folder that holds wnids.txt; `val/` as it was published or sorted into folders by wnid; `test/` has no labels.

    Raises ReweighError for missing lists and a wnid that wnids.txt lacks, naming the line.
    """
    if not (source / WNIDS).is_file():
        raise ReweighError(_no_wnids(source))
    findings = Findings()
    wnids = _read_wnids(source / WNIDS, findings)
    words = _read_words(source / WORDS, set(wnids), findings)
    label = {wnid: number for number, wnid in enumerate(wnids)}
    rows = chain(
        _train(source, label, findings), _val(source, label, findings), _sorted(source, "test", label, findings)
    )
    return index_rows(
        output, row_batches(rows, COLUMNS), wnid_classes(wnids, words), findings, layout="tiny-imagenet", options=options, source=source,
        root=source, are_found=True, progress=progress,
    )  # fmt: skip


def recognise_tiny_imagenet(source: Path) -> Recognition | None:
    """wnids.txt beside train/ or val/."""
    if source.is_dir() and ((source / "train").is_dir() or (source / "val").is_dir()):
        first = first_lines(source / WNIDS, 1)
        if first and re.fullmatch(r"n\d{8}", first[0]):
            return Recognition(Certainty.CERTAIN, f"{WNIDS} beside train/ or val/")
    return None


def _no_wnids(source: Path) -> str:
    below = [p.name for p in folders_in(source) if (p / WNIDS).is_file()] if source.is_dir() else []
    zips = [p.name for p in files_in(source, "*.zip")]
    hint = f" {below[0]} has it: name {source / below[0]}." if below else f" {zips[0]} is not unpacked." if zips else ""
    return f"No {WNIDS} in {source}: Tiny-ImageNet has it beside train/, val/ and test/.{hint}"


def _read_wnids(path: Path, findings: Findings) -> list[str]:
    """The wnids, sorted."""
    found = []
    for line in read_lines(path, findings):
        if not re.fullmatch(r"n\d{8}", line.text):
            raise ReweighError(f"{path}, line {line.number}: {line.text[:40]!r} is no wnid, such as n01440764.")
        found.append(line.text)
    if len(set(found)) < len(found):
        findings.repaired[f"wnids stand twice in {WNIDS}"] += len(found) - len(set(found))
    ordered = sorted(set(found))
    if ordered != found:
        findings.notes.append(f"{WNIDS} is not sorted: a label is the rank of its wnid among the sorted ones")
    return ordered


def _read_words(path: Path, wnids: set[str], findings: Findings) -> dict[str, Described]:
    """wnid -> (words, no gloss), of these; words.txt has all nouns of WordNet."""
    found: dict[str, Described] = {}
    if not path.is_file():
        findings.notes.append(f"no {WORDS}")
        return found
    for line in read_lines(path, findings):
        wnid, _, words = line.text.partition("\t")
        if wnid in wnids:
            found[wnid] = (tuple(word.strip() for word in words.split(",") if word.strip()), None)
    return found


def _train(source: Path, label: Mapping[str, int], findings: Findings) -> Iterator[Row]:
    """train/<wnid>/images/ or train/<wnid>/; the boxes' lists beside the images are passed over."""
    if not (source / "train").is_dir():
        raise ReweighError(
            f"No train/ in {source}: {WNIDS} is there, train/<wnid>/images/ is not. Is it unpacked whole?"
        )
    there = {p.name: p for p in folders_in(source / "train")}
    missing = [wnid for wnid in label if wnid not in there]
    if len(missing) == len(label):
        raise ReweighError(
            f"{source / 'train'} has no folder of the {len(label):,} wnids of {WNIDS}, e.g. {missing[0]}."
        )
    findings.skip(f"class of {WNIDS} without a folder in train", missing)
    for wnid, folder in there.items():
        if wnid not in label:
            findings.skip(f"image in train of a class that {WNIDS} lacks", images_below(source, folder, findings))
            continue
        yield from _images(source, folder, "train", label[wnid], findings)


def _val(source: Path, label: Mapping[str, int], findings: Findings) -> Iterator[Row]:
    """val/images/ with val_annotations.txt; or folders by wnid."""
    folder = source / "val"
    if not folder.is_dir():
        findings.notes.append("no val/")
    elif any(p.name in label for p in folders_in(folder)):
        findings.notes.append("val: folders by wnid")
        rest = (folder / "images").is_dir() and (folder / ANNOTATIONS).is_file()
        yield from _sorted(source, "val", label, findings, leave="images" if rest else "")
        if rest:
            yield from _annotated(folder, label, findings, is_rest=True)
    elif not (folder / ANNOTATIONS).is_file():
        raise ReweighError(
            f"No {ANNOTATIONS} in {folder}, and no folders by wnid: which classes its images are of is not known."
        )
    else:
        yield from _annotated(folder, label, findings)


def _annotated(folder: Path, label: Mapping[str, int], findings: Findings, *, is_rest: bool = False) -> Iterator[Row]:
    """Images of val/images/, or val/, with their labels from the list; is_rest: other folders hold the others of the list."""
    path = folder / ANNOTATIONS
    inside = folder / "images" if (folder / "images").is_dir() else folder
    there = {p.rsplit("/", 1)[-1] for p in files_below(str(inside)) if is_image(p) and is_unicode(p)}
    listed = set()
    for line in read_lines(path, findings):
        name, _, rest = line.text.partition("\t")
        wnid = rest.split("\t", 1)[0]
        if wnid not in label:
            raise ReweighError(
                f"{path}, line {line.number}: {wnid[:40]!r} of {name[:60]!r} is none of the {len(label):,} wnids of {WNIDS}."
            )
        listed.add(name)
        uid = f"{inside.relative_to(folder.parent).as_posix()}/{name}"
        if name in there:
            yield uid, uid, "val", label[wnid]
        elif not is_rest:
            findings.skip(MISSING, [uid])
    findings.skip(f"image in val that {ANNOTATIONS} lacks", sorted(there - listed))


def _sorted(
    source: Path, split: str, label: Mapping[str, int], findings: Findings, *, leave: str = ""
) -> Iterator[Row]:
    """Images of folders by wnid; -1 for those of other folders: test/images/ has no labels. leave: a folder that is passed over."""
    if not (source / split).is_dir():
        findings.notes.append(f"no {split}/")
        return
    for folder in folders_in(source / split):
        if folder.name != leave:
            yield from _images(source, folder, split, label.get(folder.name, -1), findings)


def _images(source: Path, folder: Path, split: str, label: int, findings: Findings) -> Iterator[Row]:
    for path in files_below(str(folder)):
        name = path[len(str(source)) + 1 :]
        if is_image(name) and is_unicode(name):
            yield name, name, split, label
        elif not name.endswith("_boxes.txt"):
            findings.skip("not an image by its ending", [name.encode(errors="replace").decode()])
