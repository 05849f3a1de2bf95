"""What WebVision's crawl wrote beside the images: one JSON file a source and query, an object an image, in the order of the search."""

from __future__ import annotations

import html
import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from reweigh.catalog.findings import Findings
from reweigh.layouts.folders import is_file
from reweigh.layouts.text_lists import is_inside, read_lines, split_pair, spread_lines

NO_META = "no JSON files (google/q0001.json and the like)"
KEPT_FILES = 32
"""Parsed files that are kept: the lists go through one query after the other."""
LARGEST = 1 << 28
"""Bytes of the largest JSON file that is read; those of the set have a few million."""
PROBED = 200
"""Lines of a list whose JSON files are looked for in each place."""
NOT_THERE = "images have no text: their JSON file is not there"
NOT_READ = "images have no text: their JSON file cannot be read"
NO_ENTRY = "images have no text: their JSON file has no entry for them"
MOVED = "images stand at another place in their JSON file than the meta list says; they were found by their id"


class Entry(msgspec.Struct):
    """What is read of an object; each may be absent, null, or of another type than in most rows."""

    id: Any = None
    rank: Any = None
    title: Any = None
    description: Any = None
    tags: Any = None
    url: Any = None
    site: Any = None
    page_url: Any = None


@dataclass(frozen=True)
class Text:
    """An image's texts, cleaned; rank from 1."""

    rank: int | None = None
    title: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    url: str | None = None
    site: str | None = None
    page_url: str | None = None


NOTHING = Text()
_DECODER = msgspec.json.Decoder(list[Entry])


@dataclass
class Meta:
    """The JSON files of a source, a few of them in memory."""

    folder: Path
    """Below which the meta list's paths lie."""
    renamed: bool
    """Whether `google/` of the list is `google_json/` on disk."""
    places_list: Path | None
    """train_meta_list: line i is of image i of the file list; None: entries are found by id alone."""
    findings: Findings
    files: OrderedDict[str, tuple[list[Entry], dict[str, int]] | str] = field(default_factory=OrderedDict)
    """Path -> (entries, place of each id), or why there are none."""

    def places(self) -> Iterator[tuple[str, int]]:
        """(JSON file, place of the image in it from 1) of every line of the meta list, ("", 0) for a line that does not say."""
        if self.places_list is not None:
            for line in read_lines(self.places_list, self.findings):
                name, place = split_pair(line.text) or ("", "")
                yield name, int(place) if place.isascii() and place.isdecimal() and len(place) < 10 else 0

    def path(self, name: str) -> Path:
        """Where a JSON file of the lists lies on disk."""
        top, _, rest = name.partition("/")
        return self.folder / (f"{top}_json/{rest}" if self.renamed else name)

    def text(self, name: str, place: int, image_id: str, own: str) -> Text:
        """The texts of an image; the id decides where the place says otherwise, or another file than its query's `own`."""
        found = self._kept(name or own)
        if isinstance(found, str) or image_id not in found[1]:
            other = self._kept(own)
            found, place = (found, place) if isinstance(other, str) or image_id not in other[1] else (other, -1)
        if isinstance(found, str):
            self.findings.repaired[found] += 1
            return NOTHING
        entries, place_of = found
        at = place_of.get(image_id)
        if at is None:
            self.findings.repaired[NO_ENTRY] += 1
            return NOTHING
        if place and at != place - 1 and (place < 0 or str(_entry(entries, place - 1).id) != image_id):
            self.findings.repaired[MOVED] += 1
        return _text(entries[at], at)

    def _kept(self, name: str) -> tuple[list[Entry], dict[str, int]] | str:
        """A file, read again only where others came in between."""
        found = self.files.get(name)
        if found is None:
            found = self._read(name)
            self.files[name] = found
            if len(self.files) > KEPT_FILES:
                self.files.popitem(last=False)
        return found

    def _read(self, name: str) -> tuple[list[Entry], dict[str, int]] | str:
        if not is_inside(name):
            return NOT_THERE
        path = self.path(name)
        if not is_file(path):
            return NOT_THERE
        entries = read_entries(path)
        if entries is None:
            self.findings.skip("JSON file that cannot be read", [name])
            return NOT_READ
        place_of: dict[str, int] = {}
        for place, entry in enumerate(entries):
            if isinstance(entry.id, str | int):
                place_of.setdefault(str(entry.id), place)
        return entries, place_of


def find_meta(root: Path, info: Path, source: str, findings: Findings) -> Meta | None:
    """The JSON files of a source, in the place that has most of those of some lines all over the list; None where none is in any."""
    path: Path | None = info / f"train_meta_list_{source}.txt"
    if path is not None and path.is_file():
        names = {line.rsplit(None, 1)[0] for line in spread_lines(path, PROBED)}
    else:
        path, lines = None, spread_lines(info / f"train_filelist_{source}.txt", PROBED)
        names = {f"{line.rsplit('/', 1)[0]}.json" for line in lines if "/" in line}
        findings.notes.append(f"no train_meta_list_{source}.txt: texts are found by the images' ids")
    folders = (root / "meta", root, info / "meta", info)
    ways = [Meta(folder, renamed, path, findings) for folder in folders for renamed in (False, True)]
    there = [sum(is_file(meta.path(name)) for name in names if is_inside(name)) for meta in ways]
    return ways[there.index(max(there))] if max(there) else None


def read_entries(path: Path) -> list[Entry] | None:
    """The objects of a JSON file; None for one that is no array of objects, is broken, too deep or too large."""
    if path.stat().st_size > LARGEST:
        return None
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _leniently(data)


def _leniently(data: bytes) -> list[Entry] | None:
    """What Python's own reader takes besides: lone surrogates, bytes that are no UTF-8 (replaced), NaN."""
    try:
        found = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    names = Entry.__struct_fields__
    return [Entry(**{n: e[n] for n in names if n in e}) if isinstance(e, dict) else Entry() for e in found]


def _entry(entries: list[Entry], place: int) -> Entry:
    return entries[place] if 0 <= place < len(entries) else Entry()


def _text(entry: Entry, place: int) -> Text:
    rank = str(entry.rank)
    is_rank = rank.isascii() and rank.isdecimal() and 0 < len(rank) < 10 and int(rank) > 0
    return Text(
        rank=int(rank) if is_rank else place + 1,
        title=_clean(entry.title),
        description=_clean(entry.description),
        tags=_tags(entry.tags),
        url=_clean(entry.url),
        site=_clean(entry.site),
        page_url=_clean(entry.page_url),
    )


def _clean(value: Any) -> str | None:
    """A text in one line, entities such as &amp; resolved, lone surrogates replaced; None where there is none."""
    if not isinstance(value, str) or not value:
        return None
    if "&" in value:
        value = html.unescape(value)
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode()
    return " ".join(value.split()) or None


def _tags(value: Any) -> list[str] | None:
    """A list of texts as it is (1.0); one text split at commas, or at blanks where it has none (2.0)."""
    if isinstance(value, str):
        value = value.split("," if "," in value else None)
    if not isinstance(value, list):
        return None
    return [tag for tag in map(_clean, value) if tag] or None
