"""Layout `weblyfg`: WebFG-496 (web-aircraft, web-bird, web-car) and WebiNat-5089 (Sun et al., ICCV 2021), fine-grained classes from the web.

As published it is a folder a class in train/ and val/; users add lists `train/<class>/<image>:17`. Where there are no lists it is read as a plain folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, Classes, plain_classes
from reweigh.errors import ReweighError
from reweigh.layouts.folder import index_folder
from reweigh.layouts.folders import files_in
from reweigh.layouts.image_places import Place, asked_folder, best_place, described
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.text_lists import OUTSIDE, first_lines, is_inside, read_pairs, split_pair
from reweigh.progress import Progress, silent

LISTS = {"train": "train-list.txt", "val": "val-list.txt"}
MARK = ":"
SPLITS = ("", "train", "val")
"""Folders that name no class."""
MOST_CLASSES = 100_000
COLUMNS = ("uid", "file", "split", "label")
Row = tuple[str, str, str, int]


def index_weblyfg(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """The folder with train/ and val/; by its lists of path, colon and label (from 0) where it has them, else as a plain folder.

    A class is named by the folder of its images. Option `images`: the folder that the lists' paths are relative to.
    Raises ReweighError for a label that is no number, naming the line.
    """
    lists = {split: source / name for split, name in LISTS.items() if (source / name).is_file()}
    if not lists:
        if not (source / "train").is_dir():
            raise ReweighError(_nothing(source))
        if "images" in options:
            raise ReweighError(
                f"The option images goes with lists; {source} has no {LISTS['train']} and is read as a folder."
            )
        return index_folder(source, output, options, progress=progress)
    if "train" not in lists:
        raise ReweighError(f"No {LISTS['train']} in {source}, but {LISTS['val']}: is the download complete?")
    findings = Findings()
    if "val" not in lists:
        findings.warnings.append(f"no {LISTS['val']}")
    classes = _classes(lists, findings)
    asked = asked_folder(options, "images", source)
    places = [Place(asked)] if asked is not None else [Place(source), Place(source.parent)]
    place = best_place((name for name, _ in _pairs(lists["train"], Findings())), places)
    return index_rows(
        output, row_batches(_rows(lists, place, findings), COLUMNS), classes, findings, layout="weblyfg", options=options,
        source=source, root=place.folder, where=described(places), progress=progress,
    )  # fmt: skip


def recognise_weblyfg(source: Path) -> Recognition | None:
    """A list whose first line is a path, a colon and a number."""
    for name in LISTS.values():
        pair = split_pair((first_lines(source / name, 1) or [""])[0], MARK)
        if pair is not None and "/" in pair[0] and pair[1].isdecimal():
            return Recognition(Certainty.CERTAIN, f"{name} with path:label")
    return None


def _nothing(source: Path) -> str:
    parts = [p.name for p in files_in(source, "*.tar.gz*")]
    hint = (
        f" {parts[0]} is not unpacked{' (its parts are joined by cat)' if '.part' in parts[0] else ''}."
        if parts
        else ""
    )
    return f"No {LISTS['train']} and no train/ in {source}: web-bird and the like have train/<class>/ and val/<class>/.{hint}"


def _pairs(path: Path, findings: Findings) -> Iterator[tuple[str, int]]:
    """(path, label) of each line; a label is not checked against the classes, as it makes them."""
    for number, name, given in read_pairs(path, findings, mark=MARK):
        if not (given.isascii() and given.isdecimal() and len(given) < 9 and int(given) < MOST_CLASSES):
            raise ReweighError(
                f"{path}, line {number}: {given[:40]!r} after the last {MARK!r} is no label, 0..{MOST_CLASSES - 1}."
            )
        yield name, int(given)


def _classes(lists: Mapping[str, Path], findings: Findings) -> Classes:
    """Classes 0 to the largest label, each named by the folder of its first image; two of one name have their label behind it."""
    folder_of: dict[int, str] = {}
    others: set[int] = set()
    for path in lists.values():
        for name, label in _pairs(path, Findings()):
            folder = name.rpartition("/")[0].rpartition("/")[2]
            if folder_of.setdefault(label, folder) != folder:
                others.add(label)
        if not folder_of:
            raise ReweighError(f"{path} has no line with a path, {MARK!r} and a label.")
    if others:
        findings.warnings.append(f"{len(others):,} labels have images of several folders, e.g. label {min(others)}")
    names = [folder_of.get(label, "") for label in range(1 + max(folder_of))]
    times = Counter(names)
    return plain_classes(
        [str(n) if name in SPLITS else name if times[name] == 1 else f"{name} ({n})" for n, name in enumerate(names)]
    )


def _rows(lists: Mapping[str, Path], place: Place, findings: Findings) -> Iterator[Row]:
    for split, path in lists.items():
        for name, label in _pairs(path, findings):
            if is_inside(name):
                yield name, place.file(name), split, label
            else:
                findings.skip(OUTSIDE, [name])
