"""Images put into a folder: linked where they are files, written out where they lie in a tar, and whether they are there."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import ImageLocation
from reweigh.errors import ReweighError
from reweigh.images.reading import REASONS, Unreadable, read_bytes
from reweigh.layouts.image_names import is_image
from reweigh.runs.exports.safe_names import last_part, safe_name, with_mark

NOT_POSSIBLE = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK)
"""Answers of a file system that has no such links, or none to there."""
WRITTEN = "written out"
BEGINNINGS = {
    b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"II*\0": ".tif", b"MM\0*": ".tif", b"P5": ".pgm",
    b"P6": ".ppm",
}  # fmt: skip


def is_there(locations: Sequence[ImageLocation]) -> NDArray[np.bool_]:
    """(n,) whether each image's file is there, and long enough where the image is a part of it."""
    sizes: dict[Path, int] = {}
    found = np.zeros(len(locations), bool)
    for i, place in enumerate(locations):
        if place.offset is None:
            found[i] = _size(place.path) >= 0
            continue
        if place.path not in sizes:
            sizes[place.path] = _size(place.path)
        found[i] = sizes[place.path] >= place.offset + (place.length or 0)
    return found


def _size(path: Path) -> int:
    """Bytes of the file; -1 where there is none that may be read."""
    try:
        status = os.stat(path)  # noqa: PTH116 millions of files
    except ValueError:  # a NUL in the name
        return -1
    except OSError as cause:
        if cause.errno not in REASONS:
            raise
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def put_image(
    location: ImageLocation, uid: str, folder: Path, *, was_unreadable: bool = False
) -> tuple[str, str] | None:
    """Put an image into a folder that is there, under a name that nothing in it has; (how, its name).

    How: `relative links`, `links` (to another file system), `hard links`, `copies`, or `written out` of a tar.
    None: in a tar, and as unreadable as it was. Raises ReweighError for one that could be read before, naming it.
    """
    if location.offset is not None:
        try:
            return WRITTEN, _write_out(location, uid, folder)
        except Unreadable as cause:
            if was_unreadable:
                return None
            raise ReweighError(f"Image {uid!r} cannot be read out of {location.path} any more: {cause}.") from cause
    name = safe_name(location.path.name, empty="image")
    source = _real(str(location.path.parent)) / location.path.name
    attempt = 0
    while True:
        try:
            taken = name if not attempt else with_mark(name, uid, attempt)
            return _link(source, folder / taken), taken
        except FileExistsError:
            attempt += 1


def _write_out(location: ImageLocation, uid: str, folder: Path) -> str:
    data = read_bytes(location)
    name = safe_name(last_part(uid), empty="image")
    name = name if is_image(name) else f"{name}{_ending(data)}"
    attempt = 0
    while True:
        taken = name if not attempt else with_mark(name, uid, attempt)
        try:
            with (folder / taken).open("xb") as file:
                file.write(data)
            return taken
        except FileExistsError:
            attempt += 1


def _ending(data: bytes) -> str:
    """The ending that the bytes of an image call for; none where they are of a kind that is not known by its beginning."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((ending for start, ending in BEGINNINGS.items() if data.startswith(start)), "")


def _link(source: Path, target: Path) -> str:
    """Make `target` stand for `source` in the first way that is possible here, and say which."""
    is_near = _device(str(source.parent)) == _device(str(target.parent))
    for how, make in WAYS.items():
        if how == "relative links" and not is_near:
            continue
        try:
            make(source, target)
        except FileExistsError:
            raise
        except OSError as cause:
            if cause.errno not in NOT_POSSIBLE or how == "copies":
                raise
        else:
            return how
    raise AssertionError("copies are possible or raise")


def _relative_link(source: Path, target: Path) -> None:
    os.symlink(os.path.relpath(source, _real(str(target.parent))), target)  # noqa: PTH211


def _absolute_link(source: Path, target: Path) -> None:
    os.symlink(source, target)  # noqa: PTH211


def _hard_link(source: Path, target: Path) -> None:
    os.link(source, target)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("xb") as write:
        shutil.copyfileobj(read, write)


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "relative links": _relative_link,
    "links": _absolute_link,
    "hard links": _hard_link,
    "copies": _copy,
}
"""How an image file is put into a folder, the first that is possible."""


@lru_cache(maxsize=4096)
def _real(folder: str) -> Path:
    """The folder without links, so that `..` in a relative link means what it says."""
    return Path(folder).resolve()


@lru_cache(maxsize=4096)
def _device(folder: str) -> int:
    return os.stat(folder).st_dev  # noqa: PTH116
