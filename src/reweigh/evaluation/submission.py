"""WebVision's submission: a line an image, its name and five classes, best first."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.whole_files import write_bytes

PLACES = 5
INSIDE = "predictions.txt"


def check_submission(names: Sequence[str], k: int) -> None:
    """Raises ReweighError where these images and k classes make no submission: before the work, not after it."""
    if k < PLACES:
        raise ReweighError(f"A submission names {PLACES} classes an image; there are only {k}.")
    seen: set[str] = set()
    for name in names:
        if not name or name.split() != [name]:
            raise ReweighError(f"A submission parts its columns by white space; the image's name {name!r} has some.")
        if name in seen:
            raise ReweighError(f"A submission has a line for each image; {name!r} is predicted twice.")
        seen.add(name)


def write_submission(path: Path, names: Sequence[str], best: NDArray[np.integer]) -> None:
    """`name TAB five class numbers from 0 with blanks`, best (n, 5) first; a path ending in .zip gets it inside as predictions.txt.

    An image that cannot be read has a line too: the count of lines is checked when it is scored. Raises ReweighError for
    fewer than five classes, names with white space and names that come twice.
    """
    check_submission(names, best.shape[1])
    lines = (f"{name}\t{' '.join(map(str, row))}\n" for name, row in zip(names, best[:, :PLACES].tolist(), strict=True))
    data = "".join(lines).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() != ".zip":
        write_bytes(path, data)
        return
    beside = path.with_name(f"{path.name}.partial")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(INSIDE, data)
    beside.replace(path)


def read_submission(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """(names, classes (n, 5)) of a submission, as text or in a zip; any white space between. Raises ReweighError for odd lines."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            text = archive.read(INSIDE).decode()
    else:
        text = path.read_text(encoding="utf-8")
    names, best = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        parts = line.split()
        if len(parts) != PLACES + 1 or not all(part.isdigit() for part in parts[1:]):
            raise ReweighError(
                f"{path}, line {number}: a name and five class numbers were expected, found {line[:80]!r}."
            )
        names.append(parts[0])
        best.append([int(part) for part in parts[1:]])
    return names, np.array(best, np.int64).reshape(-1, PLACES)
