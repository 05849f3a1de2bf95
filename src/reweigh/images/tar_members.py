"""Members of an uncompressed tar as byte ranges, with whatever could harm refused by name."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from reweigh.errors import ReweighError

LONGEST_NAME = 4096
LARGEST_MEMBER = 1 << 33
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}


class Member(NamedTuple):
    """A file in a tar: its name and where its bytes are."""

    name: str
    offset: int
    length: int


def read_members(path: Path) -> Iterator[Member]:
    """The regular files of a tar, in their order, as byte ranges that need no further reading of the tar.

    Folders are passed over. Raises ReweighError for a compressed or broken tar, and for a member that is a link or a
    device, leaves the folder, or has an absurd name or size, naming the member.
    """
    if not path.is_file():
        raise ReweighError(f"No tar at {path}: nothing is there.")
    with path.open("rb") as file:
        head = file.read(2)
    if head in COMPRESSED:
        raise ReweighError(
            f"{path} is compressed with {COMPRESSED[head]}; images are read from inside a tar only where it is plain. Unpack it first."
        )
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.isdir():
                    continue
                _check(path, member)
                yield Member(member.name.removeprefix("./"), member.offset_data, member.size)
    except tarfile.TarError as cause:
        raise ReweighError(f"{path} is not a whole tar: {cause} (is the download complete?).") from cause


def is_tar(path: Path) -> bool:
    """Whether the name says that this is a tar, plain or compressed."""
    return path.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"))


def _check(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    shown = member.name[:100]
    if not member.isreg():
        raise ReweighError(f"{path}: member {shown!r} is a link or a device, not a file; refused.")
    if name.is_absolute() or ".." in name.parts:
        raise ReweighError(f"{path}: member {shown!r} leaves the tar's own folder; refused.")
    if len(member.name) > LONGEST_NAME or "\0" in member.name:
        raise ReweighError(f"{path}: member {shown!r} has an absurd name of {len(member.name)} characters; refused.")
    if member.size > LARGEST_MEMBER or member.offset_data + member.size > path.stat().st_size:
        raise ReweighError(
            f"{path}: member {shown!r} claims {member.size:,} bytes, more than there are; refused (a cut download?)."
        )
