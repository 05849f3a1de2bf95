"""Where users keep the images of mini-ImageNet with controlled noise: folders of any name, flat, by label or by list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reweigh.layouts.folders import folders_in, is_file

MOST_FOLDERS = 50
SUBFOLDERS = ("", "{label}/", "{split}/", "{split}/{label}/")
ENDINGS = ("", ".JPEG", ".jpeg", ".png")
"""In place of the list's own: the validation images end in .JPEG on disk, in .jpg in the list."""


@dataclass(frozen=True)
class Pattern:
    """How the paths of one kind of images are built."""

    folder: Path
    below: str
    ending: str

    def path(self, name: str, label: int, split: str) -> Path:
        base = name.rpartition(".")[0] + self.ending if self.ending else name
        return self.folder / self.below.format(label=label, split=split) / base


def image_folders(tops: Sequence[Path], lists: Path) -> list[Path]:
    """The folders in which images may lie: these and those in them, without the lists' own."""
    inside = [folder for top in tops for folder in folders_in(top)[:MOST_FOLDERS] if folder != lists]
    return [*inside, *tops]


def find_pattern(samples: Sequence[tuple[str, int]], folders: Sequence[Path], split: str) -> Pattern:
    """The pattern by which most of the samples (name, label) are there; of equal ones the first."""
    best, most = Pattern(folders[0], "", ""), 0
    for folder in folders:
        for below in SUBFOLDERS:
            for ending in ENDINGS:
                pattern = Pattern(folder, below, ending)
                there = sum(is_file(pattern.path(*sample, split)) for sample in samples)
                if there == len(samples):
                    return pattern
                best, most = (pattern, there) if there > most else (best, most)
    return best


def inside(path: Path, root: Path) -> str:
    """The path below the root where it lies there, else whole."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
