"""Where WebVision's images lie on a user's disk: the official archives were unpacked in several ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from reweigh.errors import ReweighError
from reweigh.layouts.folders import files_in, is_file
from reweigh.layouts.tar_places import TarPlaces, find_places, read_places
from reweigh.layouts.text_lists import is_inside, spread_lines

LABEL_LISTS = ("train_filelist_google.txt", "train_filelist_flickr.txt", "train_filelist_all.txt")
TRAIN_FOLDERS = (
    "",
    "train_images_256",
    "train_images_resized",
    "train",
    "val",
    "google_resized_256",
    "flickr_resized_256",
)
SPLIT_FOLDERS = {
    "val": ("val_images_256", "val_images_resized", "val", ""), "test": ("test_images_256", "test_images_resized", "test", ""),
}  # fmt: skip
PROBED = 200
"""Images of a list that are looked for in each place."""


@dataclass(frozen=True)
class Places:
    """How a path of a list becomes one on disk, relative to the root."""

    root: Path
    folder: str
    """In front of the path, or ""."""
    renamed: bool
    """Whether the top folder is `google_images_resized` where the list says `google`."""
    tars: TarPlaces | None = None
    """The archives whose members these are; None: files."""

    @property
    def shown(self) -> str:
        """For a note."""
        top = "folders named ..._images_resized" if self.renamed else ""
        where = " of ".join(part for part in (top, self.folder) if part) or "the folder itself"
        return where if self.tars is None else f"{where} of {len(self.tars.files)} tars, read in place"

    def file(self, name: str) -> str:
        """The path on disk of a list's path."""
        if self.renamed:
            top, _, rest = name.partition("/")
            name = f"{top}_images_resized/{rest}"
        return f"{self.folder}/{name}" if self.folder else name


def find_images(root: Path, path: Path, part: str, asked: str | None, tars: TarPlaces | None = None) -> Places | None:
    """The place in which most of the list's first images are; None where none of them is in any.

    part: google, flickr, all, val or test. asked: the folder to look in, of val and test also that or the usual ones. tars: look among
    their members instead of on disk. The images looked for are spread over the list.
    Raises ReweighError for a folder that is not there.
    """
    if asked is not None:
        folder = Path(asked)
        folder = folder if folder.is_absolute() else root / folder
        if not folder.is_dir():
            raise ReweighError(f"No folder {folder} (option images).")
        own = str(folder.relative_to(root)) if folder.is_relative_to(root) else str(folder)
        own = "" if own == "." else own
        below = tuple("/".join(filter(None, (own, name))) for name in SPLIT_FOLDERS.get(part, ("",)))
        folders: tuple[str, ...] = below + SPLIT_FOLDERS.get(part, ())
    else:
        folders = SPLIT_FOLDERS.get(part, TRAIN_FOLDERS)
    ways = (False,) if part in SPLIT_FOLDERS else (False, True)
    names = [
        name
        for name in (line.rsplit(None, 1)[0].replace("\\", "/") for line in spread_lines(path, PROBED))
        if is_inside(name)
    ]
    places = [Places(root, folder, is_renamed, tars) for folder in folders for is_renamed in ways]
    found = [_count(root, [place.file(name) for name in names], tars) for place in places]
    return places[found.index(max(found))] if max(found) else None


def read_tars(root: Path) -> TarPlaces | None:
    """The images of the archives in the folder, read in place; None where there is no plain tar with any."""
    tars = [path for path in files_in(root, "*.tar") if path.name != "info.tar"]
    return read_places(tars, root) if tars else None


def _count(root: Path, files: list[str], tars: TarPlaces | None) -> int:
    return sum(exists(root, file, tars) is not None for file in files)


def exists(root: Path, file: str, tars: TarPlaces | None = None) -> str | None:
    """The file, or the one that ends in .jpg in its place (images were converted when they were made smaller); None: neither."""
    names = dict.fromkeys((file, file.rpartition(".")[0] + ".jpg"))
    if tars is None:
        return next((name for name in names if is_file(root / name)), None)
    is_there = find_places(tars, pa.array(names, pa.string())) >= 0
    return next((name for name, found in zip(names, is_there.tolist(), strict=True) if found), None)


def find_list(root: Path, info: Path, split: str) -> Path | None:
    """val_filelist.txt or test_filelist.txt, in info/ or beside it."""
    return next((f / f"{split}_filelist.txt" for f in (info, root) if (f / f"{split}_filelist.txt").is_file()), None)
