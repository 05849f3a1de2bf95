"""In which folder the images of a list lie: users unpack the same archives in different ways."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from reweigh.errors import ReweighError
from reweigh.layouts.folders import is_file
from reweigh.layouts.text_lists import is_inside

PROBED = 200
"""Names of a list that are looked for in each place."""


@dataclass(frozen=True)
class Place:
    """A folder, and the beginning of the list's paths that is left out below it."""

    folder: Path
    cut: str = ""

    def file(self, name: str) -> str:
        """The path below the folder of a path of the list."""
        return name.removeprefix(self.cut)


def best_place(names: Iterable[str], places: Sequence[Place]) -> Place:
    """The place that has most of the first names; of equal ones the first."""
    probed = [name for name in islice(names, PROBED) if is_inside(name)]
    return max(places, key=lambda place: sum(is_file(place.folder / place.file(name)) for name in probed))


def asked_folder(options: Mapping[str, Any], option: str, beside: Path) -> Path | None:
    """The folder that an option names, from where the user stands or else beside the lists; None where it is not given."""
    asked = options.get(option)
    if asked is None:
        return None
    for folder in (Path(asked), beside / asked):
        if os.path.isdir(folder):  # noqa: PTH112 False for names that no folder can have
            return folder.resolve()
    raise ReweighError(f"No folder {asked} (option {option}): looked here and in {beside}.")


def described(places: Sequence[Place]) -> str:
    """Where it was looked, for an error."""
    looked = [f"{place.folder}{f' (without {place.cut})' if place.cut else ''}" for place in places]
    return f"in {' and '.join(looked)} (elsewhere: --option images=FOLDER)"
