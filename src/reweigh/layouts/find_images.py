"""Images without labels, wherever a user has them: a file, a folder, a list of paths, a tar or a catalog."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reweigh.catalog.findings import Findings
from reweigh.catalog.schema import SPLITS
from reweigh.catalog.tables import ImageLocation, image_locations, is_catalog, open_catalog, read_split, read_uids
from reweigh.errors import ReweighError, nearest
from reweigh.images.tar_members import is_tar, read_members
from reweigh.layouts.folders import images_below, is_named_image
from reweigh.layouts.image_names import is_image, natural_order
from reweigh.layouts.whole_text import whole_text

BLOCK = 8192


def find_images(path: Path, findings: Findings, *, split: str | None = None) -> Iterator[tuple[str, ImageLocation]]:
    """(name, place) of every image at `path`, in a fixed order; a list's paths are relative to the list; of a catalog only `split`.

    Linked folders are followed, as `index` does. What is no image by its ending, or has no valid name, is counted.
    Raises ReweighError where nothing is there, the file is none of these forms, or a split is asked of anything but a catalog.
    """
    if not path.exists():
        raise ReweighError(
            f"Nothing at {path}: looked for an image, a folder, a list of paths (.txt), a tar or a catalog."
        )
    if split is not None and split not in SPLITS:
        raise ReweighError(f"No split {split!r}; there are: {', '.join(SPLITS)}.{nearest(split, SPLITS)}")
    if split is not None and not is_catalog(path):
        raise ReweighError(f"--split chooses images of a catalog, and {path} is none; name the images' own folder.")
    if path.is_dir():
        yield from _catalog(path, split) if is_catalog(path) else _folder(path, findings)
    elif is_tar(path):
        yield from _tar(path, findings)
    elif path.suffix.lower() == ".txt":
        yield from _list(path)
    elif is_image(path.name):
        yield path.name, ImageLocation(path)
    else:
        raise ReweighError(
            f"{path} is no image by its ending, and neither a folder, a list of paths (.txt), a tar nor a catalog."
        )


def _folder(path: Path, findings: Findings) -> Iterator[tuple[str, ImageLocation]]:
    for inside in sorted(images_below(path, path, findings), key=natural_order):
        yield inside, ImageLocation(path / inside)


def _tar(path: Path, findings: Findings) -> Iterator[tuple[str, ImageLocation]]:
    for member in read_members(path):
        if is_named_image(member.name, findings):
            yield member.name, ImageLocation(path, member.offset, member.length)


def _list(path: Path) -> Iterator[tuple[str, ImageLocation]]:
    """A path a line; a file that is not there is handed on, so that it is listed among what cannot be read."""
    with tempfile.TemporaryDirectory() as scratch:
        lines = whole_text(path, Path(scratch)).path.read_text(encoding="utf-8-sig").split("\n")
    for line in (line.strip().replace("\\", "/") for line in lines):
        if line:
            yield line, ImageLocation(path.parent / line)


def _catalog(path: Path, split: str | None) -> Iterator[tuple[str, ImageLocation]]:
    catalog = open_catalog(path)
    asked = np.arange(catalog.n) if split is None else np.flatnonzero(read_split(catalog, split))
    for start in range(0, len(asked), BLOCK):
        rows = asked[start : start + BLOCK]
        yield from zip(read_uids(catalog, rows), image_locations(catalog, rows), strict=True)
