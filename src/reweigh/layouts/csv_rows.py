"""Small CSV files, read whole: lists of classes, trees, labels."""

from __future__ import annotations

import csv
import tempfile
import unicodedata
from pathlib import Path

from reweigh.errors import ReweighError
from reweigh.layouts.whole_text import whole_text


def read_csv_rows(path: Path, *, what: str) -> list[dict[str, str]]:
    """The rows below the names, each with a text for every column, without blanks around and in Unicode's normal form.

    `what` a row is, for errors. Raises ReweighError for a file that is not there, has no row, or one of too few or too many values.
    """
    if not path.is_file():
        raise ReweighError(f"No {path.name} in {path.parent}: nothing is there, or it is a folder.")
    try:
        with (
            tempfile.TemporaryDirectory() as scratch,
            whole_text(path, Path(scratch)).path.open(encoding="utf-8-sig", newline="") as file,
        ):
            rows = list(csv.DictReader(file))
    except csv.Error as cause:
        raise ReweighError(f"{path} is not a CSV that can be read: {cause}.") from cause
    if not rows:
        raise ReweighError(f"{path} lists no {what}.")
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise ReweighError(
                f"{path}: {what} {number} of the list has not one value for each of the columns of the first line."
            )
    return [{key: unicodedata.normalize("NFC", value.strip()) for key, value in row.items()} for row in rows]
