"""Text files of any origin as UTF-8: a line that is not UTF-8 is read as latin-1, and counted."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from reweigh.errors import ReweighError

BLOCK_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class WholeText:
    """A text file that is valid UTF-8."""

    source: Path
    """The file that a user knows."""
    path: Path
    """What is read: that file, or its unpacked or repaired copy."""
    repaired: tuple[int, ...] = ()
    """Numbers, from 1, of the lines that were not UTF-8."""


def whole_text(path: Path, scratch: Path) -> WholeText:
    """The file where it is UTF-8 as it is, else a copy in `scratch` whose other lines were read as latin-1; .gz is unpacked.

    Raises ReweighError for a broken .gz.
    """
    if path.suffix != ".gz" and _is_utf8(path):
        return as_it_is(path)
    copy = scratch / path.name.removesuffix(".gz")
    repaired = []
    with opened(path) as file, copy.open("wb") as out:
        for number, line in enumerate(file, start=1):
            if not line.isascii():
                text, is_whole = _decoded(line)
                line = text.encode()
                if not is_whole:
                    repaired.append(number)
            out.write(line)
    return WholeText(source=path, path=copy, repaired=tuple(repaired))


def as_it_is(path: Path) -> WholeText:
    """A file that needs no copy: it is UTF-8, or no text at all but Parquet."""
    return WholeText(source=path, path=path)


def warnings_of(text: WholeText) -> list[str]:
    """The sentence that a user should read where lines were repaired."""
    if not text.repaired:
        return []
    shown = ", ".join(str(number) for number in text.repaired[:3])
    return [f"{len(text.repaired):,} lines of {text.source.name} are not UTF-8 and were read as latin-1 (line {shown})"]


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where it ends in .gz. Raises ReweighError for a .gz that is broken or cut, while it is read."""
    try:
        with cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as cause:
        raise ReweighError(f"{path} is no whole .gz: {cause}. Is the download complete?") from cause


def _decoded(line: bytes) -> tuple[str, bool]:
    try:
        return line.decode(), True
    except UnicodeDecodeError:
        return line.decode("latin-1"), False


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                if not block.isascii() or decoder.getstate()[0]:
                    decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
