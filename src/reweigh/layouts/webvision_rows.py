"""Rows of WebVision's lists: path and label, query, and the text of each image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.errors import ReweighError
from reweigh.layouts.text_lists import (
    OUTSIDE,
    is_inside,
    label_number,
    read_lines,
    read_pairs,
    split_pair,
    spread_lines,
)
from reweigh.layouts.webvision_images import Places, exists
from reweigh.layouts.webvision_meta import NOTHING, Meta

COLUMNS = (
    "uid", "file", "split", "label", "source", "query", "rank", "title", "description", "tags", "url", "site", "page_url", "group",
)  # fmt: skip
SHORT = "\0"
"""In the place of a JSON file: the meta list has ended."""
PROBED = 200
"""Lines of a list that say whether classes count from 0 or 1."""
NO_TEXT = (None,) * 9

Row = tuple[Any, ...]


@dataclass
class Queries:
    """What the queries of a source say, and to which class each belongs."""

    texts: dict[int, str]
    labels: dict[int, int]
    """Query -> class from 0; empty where the map is not there."""
    differing: int = 0
    """Images whose label is not that of their query."""
    example: str = ""

    @classmethod
    def read(cls, info: Path, source: str, lists: Sequence[Path], findings: Findings) -> Queries:
        """queries_SOURCE.txt (1.0) or queries.txt (2.0), and the map from queries to synsets, whichever are there.

        Read by number, not by line: numbers are missing in between. The map counts classes from 1, or from 0 where more lines of the lists agree.
        """
        texts: dict[int, str] = {}
        paths = [path for path in (info / f"queries_{source}.txt", info / "queries.txt") if path.is_file()]
        for line in read_lines(paths[0], findings) if paths else ():
            first, _, text = line.text.partition(" ")
            if re.fullmatch(r"[0-9]{1,9}", first) and text.strip():
                texts[int(first)] = text.strip()
        labels: dict[int, int] = {}
        path = info / "queries_synsets_map.txt"
        for number, query, label in read_pairs(path, findings) if path.is_file() else ():
            if not re.fullmatch(r"[0-9]{1,9}", query) or not re.fullmatch(r"[0-9]{1,9}", label):
                raise ReweighError(
                    f"{path}, line {number}: {query!r} {label!r} are not a query's number and a synset's."
                )
            labels[int(query)] = int(label)
        base = _base(labels, lists)
        if base == 0:
            said = f"{path.name} counts classes from 0"
            findings.notes += [said] if said not in findings.notes else []
        return cls(texts, {query: label - base for query, label in labels.items()})

    def text(self, query: str, label: int, name: str) -> str:
        """The words of a query such as q0001, else that; counts a label that is not the query's."""
        number = int(query[1:]) if re.fullmatch(r"q[0-9]{1,8}", query) else -1
        if number in self.labels and self.labels[number] != label:
            self.differing += 1
            self.example = self.example or f"{name} ({label}, query {number} is of class {self.labels[number]})"
        return self.texts.get(number, query)


def _base(labels: Mapping[int, int], lists: Sequence[Path]) -> int:
    """Whether the map's classes count from 1 or 0, by what lines all over the lists say; where these are silent, from 0 if there is one."""
    agrees = [0, 0]
    for line in (line for path in lists for line in spread_lines(path, PROBED)):
        found = re.fullmatch(r".*/q([0-9]{1,8})/[^/]* ([0-9]{1,9})", line)
        if found:
            query, label = int(found[1]), int(found[2])
            for base in (0, 1):
                agrees[base] += labels.get(query, -1) - base == label
    if agrees[0] == agrees[1]:
        return 0 if 0 in labels.values() else 1
    return int(agrees[1] > agrees[0])


def train_rows(
    path: Path,
    source: str,
    places: Places,
    queries: Mapping[str, Queries],
    meta: Meta | None,
    k: int,
    findings: Findings,
) -> Iterator[Row]:
    """Rows of a list of training images; line i of the meta list is line i of this one. queries: by source."""
    entries = meta.places() if meta is not None and meta.places_list is not None else repeat(("", 0))
    for line in read_lines(path, findings):
        json_file, place = next(entries, (SHORT, 0))
        if json_file == SHORT:
            findings.repaired[
                f"images have no line in the meta list beside {path.name}; they were found by their id"
            ] += 1
            json_file = ""
        pair = split_pair(line.text)
        if pair is None:
            findings.skip(f"no label in {path.name}", [line.text])
            continue
        name, label = pair[0], label_number(pair[1], k, path, line.number)
        if not is_inside(name):
            findings.skip(OUTSIDE, [name])
            continue
        folder, _, base = name.rpartition("/")
        image_id = base.rpartition(".")[0]
        own = folder.partition("/")[0].removesuffix("_images_resized") if source == "all" else source
        text = NOTHING if meta is None else meta.text(json_file, place, image_id, f"{folder}.json")
        asked = queries.get(own) or queries[source]
        yield (
            name, _file(places, name), "train", label, own, asked.text(folder.rpartition("/")[2], label, name),
            text.rank, text.title, text.description, text.tags, text.url, text.site, text.page_url, f"{own}/{image_id}",
        )  # fmt: skip


def val_rows(path: Path, places: Places, k: int, findings: Findings) -> Iterator[Row]:
    """Rows of val_filelist.txt: bare names and their label."""
    for number, name, given in read_pairs(path, findings):
        yield from _plain(places, name, "val", label_number(given, k, path, number), findings)


def test_rows(path: Path, places: Places, k: int, findings: Findings) -> Iterator[Row]:
    """Rows of test_filelist.txt: names; a label beside them is a dummy and is not read."""
    for line in read_lines(path, findings):
        yield from _plain(places, line.text.split()[0].replace("\\", "/"), "test", -1, findings)


def _plain(places: Places, name: str, split: str, label: int, findings: Findings) -> Iterator[Row]:
    if is_inside(name):
        yield name, _file(places, name), split, label, *NO_TEXT, None
    else:
        findings.skip(OUTSIDE, [name])


def _file(places: Places, name: str) -> str:
    """The file on disk; a name that ends in something else than .jpg is looked for, as it may have been converted."""
    file = places.file(name)
    return file if name.endswith(".jpg") else exists(places.root, file, places.tars) or file
