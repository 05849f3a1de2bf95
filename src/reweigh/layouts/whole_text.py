"""Text files of any origin as UTF-8: a line that is not UTF-8 is read as latin-1, and counted."""

from __future__ import annotations

import codecs
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

BLOCK_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class WholeText:
    """A text file that is valid UTF-8."""

    path: Path
    """The file itself, or its repaired copy."""
    repaired: tuple[int, ...] = ()
    """Numbers, from 1, of the lines that were not UTF-8."""


def whole_text(path: Path, scratch: Path) -> WholeText:
    """The file where it is UTF-8 as it is, else a copy in `scratch` whose other lines were read as latin-1; .gz is unpacked."""
    if path.suffix != ".gz" and _is_utf8(path):
        return WholeText(path=path)
    copy = scratch / path.name.removesuffix(".gz")
    repaired = []
    with open_bytes(path) as file, copy.open("wb") as out:
        for number, line in enumerate(file, start=1):
            if not line.isascii():
                text, is_whole = _decoded(line)
                line = text.encode()
                if not is_whole:
                    repaired.append(number)
            out.write(line)
    return WholeText(path=copy, repaired=tuple(repaired))


def warnings_of(text: WholeText, source: Path) -> list[str]:
    """The sentence that a user should read where lines were repaired."""
    if not text.repaired:
        return []
    shown = ", ".join(str(number) for number in text.repaired[:3])
    return [f"{len(text.repaired):,} lines of {source.name} are not UTF-8 and were read as latin-1 (line {shown})"]


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where it ends in .gz."""
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


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
