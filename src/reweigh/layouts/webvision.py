"""Layout `webvision`: WebVision 1.0 (2017; 1,000 classes) and 2.0 (2018 to 2020; 5,000 classes), or its first 50 classes.

Read are the lists of `info/` (train, val, test), and beside them the crawl's JSON files with rank, title, description and tags.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Catalog, Classes
from reweigh.errors import ReweighError, look_up
from reweigh.layouts.folders import files_in
from reweigh.layouts.indexing import index_rows, row_batches
from reweigh.layouts.recognition import Certainty, Recognition
from reweigh.layouts.tar_places import TarPlaces
from reweigh.layouts.text_lists import first_lines, read_lines
from reweigh.layouts.webvision_images import LABEL_LISTS, Places, find_images, find_list, read_tars
from reweigh.layouts.webvision_meta import NO_META, Meta, find_meta
from reweigh.layouts.webvision_rows import COLUMNS, Queries, test_rows, train_rows, val_rows
from reweigh.progress import Progress, silent

SOURCES, ALL = ("google", "flickr"), "all"
SUBSETS = {"full": None, "mini": 50}
"""Subset -> how many classes, from the first; mini is Google's part only, as in the literature (Jiang et al., ICML 2018)."""


@dataclass(frozen=True, kw_only=True)
class WebVision:
    """Where the parts of a copy are."""

    root: Path
    info: Path
    classes: Classes
    version: str
    sources: tuple[str, ...]
    """Of google and flickr, and "all" where there is only the list of both."""


def index_webvision(source: Path, output: Path, options: Mapping[str, Any], *, progress: Progress = silent) -> Catalog:
    """The folder that holds `info/`, or `info/` itself; where no image is unpacked, the tars in it are read in place.

    Options: `subset` full or mini, `sources` google and flickr with a comma between, `images` the folder below which
    `google/` or `flickr/` lie, where it is none of the usual ones. Rows of a source whose images are not there at all are left out
    with a warning. Labels are those of the lists; where a query belongs to another class, that is counted.
    Raises ReweighError for a folder without the lists, a label out of range (naming its line), and as `index_rows`.
    """
    findings = Findings()
    webvision = _open(source, options, findings)
    kept = SUBSETS[look_up_subset(options)]
    images = _images(webvision, options, None)
    tars = None
    if "images" not in options and not any(images.values()) and (tars := read_tars(webvision.root)):
        images = _images(webvision, options, tars)
    missing = [name for name in webvision.sources if images[name] is None]
    if len(missing) == len(images):
        raise ReweighError(_no_images(webvision, options))
    for name in missing:
        findings.warnings.append(
            f"no image of {list_of(webvision, name).name} is there{_packed(webvision.root, name)}: its rows are left out"
        )
    there = {name: places for name, places in images.items() if places is not None}
    findings.notes += [f"WebVision {webvision.version}", *(f"{n}: images in {p.shown}" for n, p in there.items())]
    classes = webvision.classes if kept is None else _first(webvision.classes, kept)
    rows = _rows(webvision, there, kept, options.get("images"), tars, findings)
    return index_rows(
        output, rows, classes, findings, layout="webvision", options=options, source=webvision.info, root=webvision.root, places=tars,
        progress=progress,
    )  # fmt: skip


def recognise_webvision(source: Path) -> Recognition | None:
    """`info/` with its lists; or folders of queries without it."""
    if not source.is_dir():
        return None
    for info in (source / "info", source):
        lists = [name for name in LABEL_LISTS if (info / name).is_file()]
        if lists and re.match(r"n\d{8} ", (first_lines(info / "synsets.txt", 1) or [""])[0]):
            return Recognition(Certainty.CERTAIN, f"synsets.txt and {lists[0]} in {info.name}")
    for folder in ("google", "flickr", "google_images_resized", "flickr_images_resized"):
        if (source / folder).is_dir() and any((source / folder / name).is_dir() for name in ("q0001", "q00001")):
            return Recognition(Certainty.LIKELY, f"{folder}/ with folders of queries")
    return None


def _images(webvision: WebVision, options: Mapping[str, Any], tars: TarPlaces | None) -> dict[str, Places | None]:
    """Source -> where its images are."""
    asked = options.get("images")
    return {
        name: find_images(webvision.root, list_of(webvision, name), name, asked, tars) for name in webvision.sources
    }


def look_up_subset(options: Mapping[str, Any]) -> str:
    """The subset that is asked for."""
    name = str(options.get("subset", "full"))
    look_up(name, SUBSETS, kind="subset of WebVision")
    return name


def list_of(webvision: WebVision, source: str) -> Path:
    """The list of training images of a source."""
    return webvision.info / f"train_filelist_{source}.txt"


def _open(source: Path, options: Mapping[str, Any], findings: Findings) -> WebVision:
    if not source.is_dir():
        raise ReweighError(f"{source} is a file; the layout webvision reads the folder that holds info/.")
    info = source / "info" if (source / "info").is_dir() else source
    root = source if info != source else source.parent
    if not (info / "synsets.txt").is_file():
        packed = " info.tar is there: unpack it." if (source / "info.tar").is_file() else ""
        below = [p.name for p in sorted(source.iterdir()) if (p / "info" / "synsets.txt").is_file()]
        hint = f" {below[0]}/info has it: name {source / below[0]}." if below else ""
        raise ReweighError(
            f"No info/synsets.txt in {source}: WebVision's lists are in a folder info/ (info.tar of its site).{packed}{hint}"
        )
    classes = _classes(info / "synsets.txt", findings)
    lists = [name for name in SOURCES if (info / f"train_filelist_{name}.txt").is_file()]
    if (info / f"train_filelist_{ALL}.txt").is_file():
        if lists and len(lists) < len(SOURCES):
            findings.warnings.append(
                f"train_filelist_{ALL}.txt is there, and of {' and '.join(SOURCES)} only {lists[0]} has a list: what else it holds is left out "
                f"(--option sources={ALL} reads it)"
            )
        lists.append(ALL)
    if not lists:
        raise ReweighError(
            f"{info} has no train_filelist_google.txt, _flickr.txt or _all.txt: is info.tar unpacked whole?"
        )
    sources = _asked(options, lists)
    first = first_lines(info / f"train_filelist_{sources[0]}.txt", 1)
    version = "2.0" if first and re.search(r"/q\d{5}/", first[0]) else "1.0"
    return WebVision(root=root, info=info, classes=classes, version=version, sources=sources)


def _asked(options: Mapping[str, Any], lists: list[str]) -> tuple[str, ...]:
    """The sources to read: those of the option, else google for the subset mini, else all that have a list."""
    usual = (
        "google"
        if look_up_subset(options) == "mini" and lists != [ALL]
        else ",".join([n for n in lists if n != ALL] or [ALL])
    )
    asked = tuple(name.strip() for name in str(options.get("sources", usual)).split(","))
    for name in asked:
        if name not in lists:
            raise ReweighError(f"No train_filelist_{name}.txt: there are lists of {', '.join(lists)} (option sources).")
    return asked


def _classes(path: Path, findings: Findings) -> Classes:
    """Classes in the order of synsets.txt; a name that two of them have (crane) is followed by the synset."""
    synsets, words = [], []
    for line in read_lines(path, findings):
        synset, _, names = line.text.partition(" ")
        if synset in synsets:
            raise ReweighError(f"{path}, line {line.number}: {synset} stands twice; a class is one line.")
        if not re.fullmatch(r"n\d{8}", synset) or not names.strip():
            raise ReweighError(
                f"{path}, line {line.number}: {line.text[:60]!r} is not a synset and its names, such as `n01440764 tench, Tinca tinca`."
            )
        synsets.append(synset)
        words.append(tuple(word.strip() for word in names.split(",") if word.strip()))
    times = Counter(own[0] for own in words)
    names_ = [
        own[0] if times[own[0]] == 1 else f"{own[0]} ({synset})" for synset, own in zip(synsets, words, strict=True)
    ]
    return Classes(names=tuple(names_), synsets=tuple(synsets), words=tuple(words), descriptions=(None,) * len(synsets))


def _first(classes: Classes, count: int) -> Classes:
    return Classes(
        names=classes.names[:count], synsets=classes.synsets[:count], words=classes.words[:count],
        descriptions=classes.descriptions[:count],
    )  # fmt: skip


def _rows(
    webvision: WebVision,
    images: Mapping[str, Places],
    kept: int | None,
    asked: str | None,
    tars: TarPlaces | None,
    findings: Findings,
) -> Iterator[pa.RecordBatch]:
    """Rows of all lists; with `kept`, of the first classes only."""
    k = len(webvision.classes.names)
    for name, places in images.items():
        queries = {
            own: Queries.read(webvision.info, own, [list_of(webvision, name)], findings)
            for own in ((name, *SOURCES) if name == ALL else (name,))
        }
        meta = find_meta(webvision.root, webvision.info, name, findings)
        rows = train_rows(list_of(webvision, name), name, places, queries, meta, k, findings)
        yield from row_batches((row for row in rows if kept is None or row[3] < kept), COLUMNS)
        _tell(queries, meta, name, findings)
    for split, make in (("val", val_rows), ("test", test_rows)):
        path = find_list(webvision.root, webvision.info, split)
        if path is None:
            findings.notes.append(f"no {split}_filelist.txt")
            continue
        found = find_images(webvision.root, path, split, asked, tars)
        if found is None:
            findings.warnings.append(
                f"no image of {path.name} is there{_packed(webvision.root, split)}: its rows are left out"
            )
            continue
        if split == "test" and kept is not None:
            findings.notes.append("test images left out: the subset has none of its own")
            continue
        others = make(path, found, k, findings)
        yield from row_batches((row for row in others if kept is None or row[3] < kept), COLUMNS)


def _tell(queries: Mapping[str, Queries], meta: Meta | None, name: str, findings: Findings) -> None:
    """What was counted while a list was read."""
    for own, found in queries.items():
        if found.differing:
            findings.warnings.append(
                f"{found.differing:,} images of {own} have a label that is not their query's, e.g. {found.example}: "
                "the label of the list is kept"
            )
    if meta is None:
        findings.warnings.append(f"{NO_META} of {name}: its images have neither title nor rank")


def _packed(root: Path, name: str) -> str:
    beginnings = (name,) if name in ("val", "test") else (name, "webvision_train")
    tars = [p.name for p in files_in(root, "*.tar") if name == ALL or p.name.startswith(beginnings)]
    return f" ({', '.join(tars[:3])} {'is' if len(tars) == 1 else 'are'} not unpacked)" if tars else ""


def _no_images(webvision: WebVision, options: Mapping[str, Any]) -> str:
    first = first_lines(list_of(webvision, webvision.sources[0]), 1)
    asked = options.get("images")
    where = str(asked) if asked else f"{webvision.root}, and in its folders train_images_256, train and the like"
    return (
        f"No image of {list_of(webvision, webvision.sources[0])} is there, e.g. {first[0].rsplit(' ', 1)[0] if first else 'none'}: "
        f"looked in {where}{_packed(webvision.root, webvision.sources[0])}. Where they lie elsewhere: --option images=FOLDER"
    )
