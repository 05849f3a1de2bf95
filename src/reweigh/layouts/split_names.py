"""By which names people call the parts of a data set."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

SPLIT_OF = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test", "testing": "test",
    "eval": "test", "evaluation": "test",
}  # fmt: skip
"""Name in use, lower-cased -> split."""


def split_of_path(path: str) -> str | None:
    """The split that a word of a path says, of the folders before the file's name; None: none does.

    Words end at / - _ . and blanks: train-00000-of-00002.parquet, images/validation/1.jpg.
    """
    words = re.split(r"[-_. /]", path.lower())
    return next((SPLIT_OF[word] for word in words if word in SPLIT_OF), None)


NAMES = "|".join(SPLIT_OF)
FOLDER, FILE = rf"(?:^|/)(?P<word>{NAMES})/", rf"(?:^|/)(?P<word>{NAMES})[-_.][^/]*$"


def splits_of_paths(paths: pa.Array, *, by_files: bool = False) -> pa.Array:
    """(n,) the split that a folder of each path is named as, or by_files the file's name begins with; null where none is."""
    return _named(pc.utf8_lower(paths), FILE if by_files else FOLDER)


def are_files_named_by_split(parts: Iterable[pa.Array]) -> bool:
    """Whether no folder of a path of a set says a split and every file's name begins with one (train_0.jpg).

    Of some files only it is chance, as test_tube.jpg shows. No part is read after one that says no.
    """
    is_one = False
    for paths in parts:
        lower = pc.utf8_lower(paths)
        if (
            pc.any(pc.match_substring_regex(lower, FOLDER)).as_py()
            or not pc.all(pc.match_substring_regex(lower, FILE)).as_py()
        ):
            return False
        is_one = is_one or len(paths) > 0
    return is_one


def _named(paths: pa.Array, pattern: str) -> pa.Array:
    words = pc.struct_field(pc.extract_regex(paths, pattern), "word").dictionary_encode()
    return pa.array([SPLIT_OF[word] for word in words.dictionary.to_pylist()], pa.string()).take(words.indices)
