"""Members of an uncompressed tar as byte ranges, with whatever could harm refused by name.

Headers are read here, not by `tarfile`, which takes 20 times as long: the tars of a web set hold millions of images.
Read: POSIX ustar, GNU's long names and large sizes, pax headers (path, size). POSIX.1-1988 and POSIX.1-2001.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reweigh.errors import ReweighError

BLOCK = 512
LONGEST_NAME = 4096
LARGEST_MEMBER = 1 << 33
LARGEST_HEADER = 1 << 20
"""Bytes of a long name or a pax header: one that says more is no header."""
KEPT = 64 << 20
"""Bytes of the tar that stay mapped into memory behind the header that is read."""
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}
ZEROS = bytes(BLOCK)
REGULAR, FOLDER, LONG_NAME, LONG_LINK, PAX, PAX_GLOBAL = b"\x000 7", b"5", b"L", b"K", b"xX", b"g"


class Member(NamedTuple):
    """A file in a tar: its name and where its bytes are."""

    name: str
    offset: int
    length: int


def read_members(path: Path) -> Iterator[Member]:
    """The regular files of a tar, in their order, as byte ranges that need no further reading of the tar.

    Folders are passed over. Names that are not UTF-8 come with lone surrogates, as from `os.listdir`.
    Raises ReweighError for a compressed or broken tar, and for a member that is a link or a device, leaves the folder,
    or has an absurd name or size, naming the member.
    """
    if not path.is_file():
        raise ReweighError(f"No tar at {path}: nothing is there.")
    with path.open("rb") as file:
        head = file.read(BLOCK)
        _check_form(path, head)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from _members(path, data)


def is_tar(path: Path) -> bool:
    """Whether the name says that this is a tar, plain or compressed."""
    return path.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"))


def _check_form(path: Path, head: bytes) -> None:
    if head[:2] in COMPRESSED:
        raise ReweighError(
            f"{path} is compressed with {COMPRESSED[head[:2]]}; images are read from inside a tar only where it is plain. "
            "Unpack it first."
        )
    if len(head) < BLOCK:
        raise ReweighError(
            f"{path} is not a whole tar: {len(head)} bytes are less than one header (is the download complete?)."
        )
    if head != ZEROS and not _has_checksum(head):
        raise ReweighError(f"{path} is not a tar: its first {BLOCK} bytes are no header of one.")


def _members(path: Path, data: mmap.mmap) -> Iterator[Member]:
    size, at, kept_from = len(data), 0, 0
    long_name: bytes | None = None
    pax: dict[str, bytes] = {}
    while at < size:
        if at - kept_from > KEPT and hasattr(mmap, "MADV_DONTNEED"):
            data.madvise(mmap.MADV_DONTNEED)  # else what was read counts as this process's memory
            kept_from = at
        header = data[at : at + BLOCK]
        if len(header) < BLOCK:
            raise _not_whole(path, at)
        simple = None if long_name is not None or pax else _simple(header, at + BLOCK, size)
        if simple is not None:
            yield simple
            at = simple.offset + -(-simple.length // BLOCK) * BLOCK
            continue
        if header == ZEROS:
            return
        if header[257:262] != b"ustar" and not _has_checksum(header):
            raise _not_whole(path, at)
        kind, length, start = header[156:157], _number(path, header[124:136], at), at + BLOCK
        if kind in PAX or kind in LONG_NAME + LONG_LINK or kind == PAX_GLOBAL:
            if length > LARGEST_HEADER or start + length > size:
                raise ReweighError(f"{path} is not a whole tar: a header of {length:,} bytes at byte {at:,}.")
            content = data[start : start + length]
            long_name = content.rstrip(b"\0") if kind == LONG_NAME else long_name
            pax = pax | _pax(path, content, at) if kind in PAX else pax
        else:
            name = pax.get("path", long_name if long_name is not None else _name(header))
            length = int(pax.get("size", length))
            if kind != FOLDER and not (kind in REGULAR and name.endswith(b"/")):
                yield _checked(
                    path, kind, name, start, length, size, is_sparse=any(key.startswith("GNU.sparse") for key in pax)
                )
            long_name, pax = None, {}
        at = start + -(-length // BLOCK) * BLOCK


def _not_whole(path: Path, at: int) -> ReweighError:
    return ReweighError(f"{path} is not a whole tar: no header at byte {at:,} (is the download complete?).")


def _simple(header: bytes, start: int, size: int) -> Member | None:
    """The member of a plain ustar header with nothing odd about it, as nearly all have; None: look closer."""
    end = header.find(0, 0, 101)
    if header[156:157] not in b"0\0" or header[257:263] != b"ustar\0" or header[345] or not 0 < end <= 100:
        return None
    raw, digits = header[:end], header[124:135]
    if b".." in raw or raw[0] in b"./" or raw[-1] == 47 or not digits.isdigit() or b"8" in digits or b"9" in digits:
        return None
    length = int(digits, 8)
    return (
        Member(raw.decode(errors="surrogateescape"), start, length)
        if start + length <= size and length <= LARGEST_MEMBER
        else None
    )


def _checked(path: Path, kind: bytes, raw: bytes, start: int, length: int, size: int, *, is_sparse: bool) -> Member:
    name = raw.decode(errors="surrogateescape")
    shown = name[:100].encode(errors="replace").decode()
    if kind not in REGULAR or is_sparse:
        raise ReweighError(f"{path}: member {shown!r} is a link, a device or a sparse file, not a plain one; refused.")
    if not name or len(raw) > LONGEST_NAME or "\0" in name:
        raise ReweighError(f"{path}: member {shown!r} has an absurd name of {len(raw)} bytes; refused.")
    if name.startswith("/") or (".." in name and ".." in name.split("/")):
        raise ReweighError(f"{path}: member {shown!r} leaves the tar's own folder; refused.")
    if length > LARGEST_MEMBER or start + length > size:
        raise ReweighError(
            f"{path}: member {shown!r} claims {length:,} bytes, more than there are; refused (a cut download?)."
        )
    return Member(name.removeprefix("./"), start, length)


def _name(header: bytes) -> bytes:
    """The name of a header; ustar keeps the first part of a long one in another field, GNU has times there."""
    name = header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0" and header[345]:
        return header[345:500].split(b"\0", 1)[0] + b"/" + name
    return name


def _number(path: Path, field: bytes, at: int) -> int:
    """A size: octal digits, or, with the first bit set, the bytes of the number itself."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    try:
        return int(field.split(b"\0", 1)[0].strip() or b"0", 8)
    except ValueError as cause:
        raise ReweighError(f"{path} is not a whole tar: {field!r} at byte {at + 124:,} is no size.") from cause


def _pax(path: Path, content: bytes, at: int) -> dict[str, bytes]:
    """The records `length key=value` of a pax header; of their keys we use path and size."""
    found, start = {}, 0
    while start < len(content) and content[start]:
        digits, blank, _ = content[start : start + 20].partition(b" ")
        length = int(digits) if blank and digits.isdigit() else 0
        key, equals, value = content[start + len(digits) + 1 : start + length].partition(b"=")
        if not length or not equals or not value.endswith(b"\n") or (key == b"size" and not value[:-1].isdigit()):
            raise ReweighError(f"{path} is not a whole tar: a broken pax header at byte {at:,}.")
        found[key.decode(errors="replace")] = value[:-1]
        start += length
    return found


def _has_checksum(header: bytes) -> bool:
    """Whether the header's sum, its own field counted as blanks, is the one that it states."""
    digits = header[148:156].split(b"\0", 1)[0].strip()
    try:
        return int(digits, 8) == sum(header) - sum(header[148:156]) + 8 * 32
    except ValueError:
        return False
