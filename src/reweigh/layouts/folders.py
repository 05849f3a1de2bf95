"""Folders and files of a source, hidden ones passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import is_catalog
from reweigh.layouts.image_names import is_image, is_unicode, natural_order


def folders_in(path: Path) -> list[Path]:
    """Folders in the folder that are not hidden and no catalogs or runs of ours, in natural order."""
    found = [
        p
        for p in path.iterdir()
        if is_unicode(p.name) and not p.name.startswith(".") and p.is_dir() and not _is_ours(p)
    ]
    return sorted(found, key=lambda p: natural_order(p.name))


def first_folders(path: Path, most: int = 20) -> list[Path]:
    """A few folders in the folder, by name: where to look for a form's signs without reading a set of millions."""
    names = sorted(name for name in os.listdir(path) if not name.startswith(".") and is_unicode(name))  # noqa: PTH208 names
    return list(islice((path / name for name in names if os.path.isdir(path / name)), most))  # noqa: PTH112 False for odd links


def is_file(path: str | Path) -> bool:
    """Whether a file is there that a data set names; False, where `Path.is_file` raises, for names that no file can have."""
    return os.path.isfile(path)  # noqa: PTH113


def files_in(folder: Path, pattern: str) -> list[Path]:
    """Files of a folder, or below it, that match, by name; a folder or a pipe of such a name is none."""
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def first_files(path: Path, ending: str, most: int = 1000) -> list[Path]:
    """Those of the first entries of a folder whose names end so, by name."""
    with os.scandir(path) as entries:
        return sorted(path / entry.name for entry in islice(entries, most) if entry.name.endswith(ending))


def holds_images(path: Path) -> bool:
    """Whether one of the first folders in the folder holds an image: it may be a folder a class then."""
    return any(is_image(entry) for folder in first_folders(path, 3) for entry in islice(os.listdir(folder), 100))  # noqa: PTH208 names


def files_below(folder: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Paths of all files below the folder that are not hidden; a link to a folder that it lies in is passed over."""
    place = _identity(folder)
    if place in above:
        return
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.name.startswith("."):
            continue
        if is_folder(entry):
            yield from files_below(entry.path, above | {place})
        else:
            yield entry.path


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)  # noqa: PTH116 paths stay texts here: a set has millions
    return status.st_dev, status.st_ino


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a listing is a folder, or a link to one; a link that leads to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def images_below(source: Path, folder: Path, findings: Findings) -> Iterator[str]:
    """Paths, relative to `source`, of the images below a folder in it; other files are counted."""
    above = frozenset() if folder == source else frozenset([_identity(str(source))])
    for path in files_below(str(folder), above):
        inside = path[len(str(source)) + 1 :]
        if is_named_image(inside, findings):
            yield inside


def is_named_unicode(name: str, findings: Findings) -> bool:
    """Whether the name is valid Unicode, as a table can hold it; counted where it is not."""
    if is_unicode(name):
        return True
    findings.skip("name is not valid Unicode", [name.encode(errors="replace").decode()])
    return False


def is_named_image(name: str, findings: Findings) -> bool:
    """Whether the name is valid Unicode and ends as images do; counted where it is not."""
    if not is_named_unicode(name, findings):
        return False
    if is_image(name):
        return True
    findings.skip("not an image by its ending", [name])
    return False


def _is_ours(path: Path) -> bool:
    return is_catalog(path) or (path / "run.json").is_file()
