"""Lists of images as text, a line an image: a path and, after the last blank, a label or a number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from reweigh.catalog.findings import Findings
from reweigh.errors import ReweighError
from reweigh.layouts.whole_text import opened

BLOCK = 16_384
WIDEST = 1 << 16
"""Bytes of the longest line that is read: a longer one is no list of paths."""


@dataclass(frozen=True)
class Line:
    """A line of a list that is not blank."""

    number: int
    """Of the line, from 1."""
    text: str
    """Without blanks at its ends."""


def read_lines(path: Path, findings: Findings, *, widest: int = WIDEST) -> Iterator[Line]:
    """The lines of a text file that are not blank; any line ends, a byte order mark dropped; .gz is unpacked.

    A line that is not UTF-8 is read as latin-1, and counted among what was repaired.
    Raises ReweighError for a file that is not there, is empty, is no text (a line of more than `widest` bytes) or a broken .gz.
    """
    if not path.is_file():
        raise ReweighError(f"No {path.name} in {path.parent}: nothing is there.")
    found = 0
    for number, raw in enumerate(_raw_lines(path, widest), start=1):
        if len(raw) > widest or b"\0" in raw:
            raise ReweighError(f"{path}, line {number}: no text; is this the list, and not an archive of it?")
        if text := _decoded(raw, path, findings).strip().removeprefix("\ufeff"):
            found += 1
            yield Line(number, text)
    if not found:
        raise ReweighError(f"{path} is empty: a list of images has a line an image. Is the download complete?")


def read_names(path: Path, findings: Findings) -> list[str]:
    """A name of a class a line, without the header `class_name`, which Food-101N's lists have and CleanNet's lack.

    Raises ReweighError for a name that stands twice and a header alone, and as `read_lines`.
    """
    names = [line.text for line in read_lines(path, findings)]
    names = names[1:] if names[0] == "class_name" else names
    check_names(names, path)
    return names


def check_names(names: Sequence[str], path: Path) -> None:
    """Raises ReweighError for a class that stands twice in a list, and for a list of none."""
    twice = next((name for name, after in pairwise(sorted(names)) if name == after), None)
    if twice is not None or not names:
        raise ReweighError(f"{path}: {f'class {twice!r} stands twice' if twice else 'a header and no class'}.")


def read_pairs(path: Path, findings: Findings, *, mark: str | None = None) -> Iterator[tuple[int, str, str]]:
    """(line's number, path, what stands after its last blank, or after the last `mark`); the path with '/' between its parts.

    A line without a second part is counted as skipped.
    """
    for line in read_lines(path, findings):
        pair = split_pair(line.text, mark)
        if pair is None:
            findings.skip(f"no label in {path.name}", [line.text])
        else:
            yield line.number, *pair


def split_pair(text: str, mark: str | None = None) -> tuple[str, str] | None:
    """(path, what stands after the last blank or `mark`) of a line; None where one of them is missing."""
    parts = text.rsplit(mark, 1)
    if len(parts) < 2 or not all(part.strip() for part in parts):
        return None
    return parts[0].strip().replace("\\", "/").removeprefix("./"), parts[1].strip()


def label_number(text: str, k: int, path: Path, number: int) -> int:
    """A label 0..k-1. Raises ReweighError that names the list and the line."""
    if re.fullmatch(r"[0-9]{1,9}", text) and int(text) < k:
        return int(text)
    raise ReweighError(f"{path}, line {number}: label {text!r} is none of the {k:,} classes, 0..{k - 1}.")


OUTSIDE = "path that leads out of the folder"
"""Why a row of a list is left out."""


def is_inside(name: str) -> bool:
    """Whether a path of a list stays below the folder that it is relative to."""
    return not name.startswith("/") and ".." not in name.split("/") and not re.match(r"[A-Za-z]:", name)


def first_lines(path: Path, count: int) -> list[str]:
    """The first lines of a text file, for recognising it; [] where there is no such file, or it is no text."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        raw = file.read(WIDEST)
    if b"\0" in raw:
        return []
    return [line.strip() for line in islice(raw.decode("utf-8-sig", "replace").splitlines(), count)]


def spread_lines(path: Path, count: int) -> list[str]:
    """At most so many lines, spread evenly over a text file: a crawl's first folder alone may be missing. Of a .gz the first ones."""
    if path.suffix == ".gz":
        return first_lines(path, count)
    size, found = path.stat().st_size, dict[int, str]()
    with path.open("rb") as file:
        for start in sorted({size * i // count for i in range(count)}):
            file.seek(start)
            block = file.read(WIDEST)
            lines = block.splitlines(keepends=True)
            at = start + (len(lines[0]) if start and lines else 0)  # the first one is cut, but at the beginning
            whole = lines[1 if start else 0 :][:1]
            if whole and b"\0" not in whole[0]:
                found[at] = whole[0].decode("utf-8-sig", "replace").strip()
    return [text for _, text in sorted(found.items()) if text]


def _raw_lines(path: Path, widest: int) -> Iterator[bytes]:
    """Lines with their ends, which are \\n, \\r or both; one of more than `widest` bytes is handed on as far as it was read."""
    rest = b""
    with opened(path) as file:
        while block := file.read(WIDEST):
            lines = (rest + block).splitlines(keepends=True)
            rest = b"" if lines[-1].endswith(b"\n") else lines.pop()  # it may go on; a \r may be followed by its \n
            yield from lines
            if len(rest) > widest:
                break
    if rest:
        yield rest


def _decoded(raw: bytes, path: Path, findings: Findings) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        findings.repaired[f"lines of {path.name} are not UTF-8 and were read as latin-1"] += 1
        return raw.decode("latin-1")
