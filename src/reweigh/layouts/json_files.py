"""JSON of any origin: an array an element at a time, or a small file whole; broken, too deep and too large ones are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from reweigh.errors import ReweighError
from reweigh.layouts.text_lists import is_inside

T = TypeVar("T")

CHUNK = 1 << 20
"""Characters that are read at a time."""
LONGEST = 16 << 20
"""Characters of the longest element: those of data sets have a few hundred."""
LARGEST = 1 << 28
"""Bytes of the largest file that is read whole."""
BLANKS = " \t\r\n"


def read_elements(path: Path, key: str) -> Iterator[Any]:
    """The elements of the array that is the whole file, or stands under `key` in its object. Memory: one chunk.

    Bytes that are no UTF-8 are replaced. Raises ReweighError for a file that has no such array, or is broken.
    """
    if not path.is_file():
        raise ReweighError(f"No {path.name} in {path.parent}: nothing is there.")
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        text = _Text(path, file)
        if text.next() == "{":
            _to_key(text, key)
        if text.next() != "[":
            raise ReweighError(f"{path}: looked for an array under {key!r}, found none.")
        text.at += 1
        if text.next() == "]":
            return
        while True:
            yield text.value()
            mark = text.next()
            text.at += 1
            if mark == "]":
                return
            if mark != ",":
                raise text.broken()


def whole_json(path: Path, kind: type[T]) -> T:
    """The file's value, of this type. Raises ReweighError for another one, and for a file that is broken, too deep or too large."""
    if not path.is_file():
        raise ReweighError(f"No {path.name} in {path.parent}: nothing is there.")
    size = path.stat().st_size
    if size > LARGEST:
        raise ReweighError(f"{path} has {size:,} bytes; at most {LARGEST:,} are read.")
    try:
        return msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as cause:
        raise ReweighError(f"{path} cannot be read: {_one_line(cause)}. Is the download complete?") from cause


@dataclass
class _Text:
    """What is read of a file so far and not yet used."""

    path: Path
    file: IO[str]
    buffer: str = ""
    at: int = 0
    is_whole: bool = False

    def more(self) -> None:
        """Drop what is used, and read on."""
        read = self.file.read(max(CHUNK, len(self.buffer) - self.at))
        self.buffer, self.at, self.is_whole = self.buffer[self.at :] + read, 0, not read

    def next(self) -> str:
        """The next character that is no blank, "" at the end."""
        while True:
            while self.at < len(self.buffer) and self.buffer[self.at] in BLANKS:
                self.at += 1
            if self.at < len(self.buffer) or self.is_whole:
                return self.buffer[self.at : self.at + 1]
            self.more()

    def value(self) -> Any:
        """The next value."""
        self.next()
        while True:
            try:
                found, end = _DECODER.raw_decode(self.buffer, self.at)
                if end < len(self.buffer) or self.is_whole:  # else a number may go on
                    self.at = end
                    return found
            except (ValueError, RecursionError) as cause:
                if self.is_whole or len(self.buffer) - self.at > LONGEST:
                    raise self.broken() from cause
            self.more()

    def broken(self) -> ReweighError:
        shown = self.buffer[self.at : self.at + 40]
        return ReweighError(f"{self.path} is no whole JSON: at {shown!r}. Is the download complete?")


_DECODER = json.JSONDecoder()


def _to_key(text: _Text, key: str) -> None:
    """Pass over the keys of an object up to this one and its colon."""
    text.at += 1
    while text.next() == '"':
        name = text.value()
        if text.next() != ":":
            raise text.broken()
        text.at += 1
        if name == key:
            return
        text.value()
        if text.next() == ",":
            text.at += 1
    raise ReweighError(f"{text.path} has no key {key!r}.") if text.next() == "}" else text.broken()


def is_plain_path(name: str) -> bool:
    """Whether a text can be a path of a list: inside of its folder, valid Unicode, without line ends and the like."""
    return name.isprintable() and is_inside(name)


def _one_line(cause: Exception) -> str:
    return " ".join(str(cause).split())[:200]
