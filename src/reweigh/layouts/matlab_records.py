"""An array of records in a MATLAB file of level 5 (version 5 to 7.2): fields of one number or one text.

Read here, not by scipy.io.loadmat, which a damaged file crashes (a segmentation fault, scipy 1.17). "MAT-File Format", MathWorks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from reweigh.errors import ReweighError

HEADER = 128
LARGEST = 64 << 20
"""Bytes of the largest element when it is unpacked."""
MOST = 1 << 20
"""Fields of all records together; ImageNet's 1,860 records have eight each."""
MATRIX, COMPRESSED = 14, 15
STRUCT, CHAR, FIRST_NUMERIC, LAST_NUMERIC = 2, 4, 6, 15
NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
"""Type of an element -> a number as `struct` knows it."""
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
"""Type of an element -> the encoding of its text."""
Value = int | float | str | None
Element = tuple[int, memoryview]
"""Type and content."""


class _BrokenError(Exception):
    """What does not fit the format."""


def read_records(path: Path, name: str) -> list[dict[str, Value]]:
    """The records of the array `name`; a field that is neither one number nor one text is None.

    Raises ReweighError for a file that is broken, of another version, or without such an array.
    """
    data = memoryview(path.read_bytes())
    try:
        order = {b"IM": "<", b"MI": ">"}.get(bytes(data[HEADER - 2 : HEADER]))
        if order is None or bytes(data[:6]) != b"MATLAB":
            raise _BrokenError("no header of level 5")
        for kind, content in _elements(data[HEADER:], order):
            kind, content = _unpacked(content, order) if kind == COMPRESSED else (kind, content)
            found = _records(content, order, name) if kind == MATRIX else None
            if found is not None:
                return found
    except (_BrokenError, struct.error, zlib.error, UnicodeDecodeError) as cause:
        raise ReweighError(f"{path} is no MATLAB file of version 5 to 7.2, or a broken one: {cause}.") from cause
    raise ReweighError(f"{path} has no array of records named {name}: it is another file, or cut.")


def _elements(data: memoryview, order: str) -> Iterator[Element]:
    """The elements that follow one another. A tag is type and bytes; up to four bytes of content stand in the tag itself."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start, end = at + 8, at + 8 + size
        if kind >> 16:
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if start + size > len(data) or (start == at + 4 and size > 4):
            raise _BrokenError(f"an element of {size:,} bytes, more than there are")
        yield kind, data[start : start + size]
        at = end if kind in (MATRIX, COMPRESSED) else end + -end % 8


def _unpacked(content: memoryview, order: str) -> Element:
    unpacker = zlib.decompressobj()
    whole = memoryview(unpacker.decompress(bytes(content), LARGEST))
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise _BrokenError("a packed element that is cut or absurdly large")
    return next(_elements(whole, order), (0, whole))


def _records(content: memoryview, order: str, name: str) -> list[dict[str, Value]] | None:
    """The records of a matrix; None for another array. Its elements: flags, sizes, name, and of records the length of a field's name,
    the fields' names and a matrix for each field of each record."""
    parts = _elements(content, order)
    flags, _, own = (next(parts, (0, memoryview(b"")))[1] for _ in range(3))
    if bytes(own) != name.encode() or len(flags) < 4 or struct.unpack_from(f"{order}I", flags)[0] & 0xFF != STRUCT:
        return None
    width, names = (next(parts, (0, memoryview(b"")))[1] for _ in range(2))
    length = struct.unpack_from(f"{order}i", width)[0]
    if not 0 < length <= 64 or not len(names) or len(names) % length:
        raise _BrokenError("records without names of fields")
    fields = [bytes(names[i : i + length]).split(b"\0")[0].decode() for i in range(0, len(names), length)]
    values: list[Value] = []
    for kind, matrix in parts:
        if kind != MATRIX or len(values) >= MOST:
            raise _BrokenError("a field that is no array, or more of them than can be")
        values.append(_value(matrix, order))
    if len(values) % len(fields):
        raise _BrokenError(f"{len(values):,} values of {len(fields)} fields")
    records = [values[i : i + len(fields)] for i in range(0, len(values), len(fields))]
    return [dict(zip(fields, record, strict=True)) for record in records]


def _value(matrix: memoryview, order: str) -> Value:
    """The number or text in a matrix: flags, sizes, name, content."""
    parts = list(_elements(matrix, order))
    if len(parts) < 4 or len(parts[0][1]) < 4:
        return None
    kind = struct.unpack_from(f"{order}I", parts[0][1])[0] & 0xFF
    stored, content = parts[3]
    if kind == CHAR and stored in TEXTS:
        wide = "" if TEXTS[stored] in ("latin-1", "utf-8") else "-le" if order == "<" else "-be"
        return bytes(content).decode(TEXTS[stored] + wide)
    if FIRST_NUMERIC <= kind <= LAST_NUMERIC and stored in NUMBERS:
        form = order + NUMBERS[stored]
        if len(content) == struct.calcsize(form):
            number: int | float = struct.unpack(form, content)[0]
            return int(number) if isinstance(number, float) and number.is_integer() else number
    return None
