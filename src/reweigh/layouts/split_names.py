"""By which names people call the parts of a data set."""

from __future__ import annotations

import re

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


def splits_of_paths(paths: pa.Array) -> pa.Array:
    """(n,) the split that a folder of each path is named as; null where none is.

    Where all paths lack one and every file's name begins with a split's (train_0.jpg), what these say: of a few files only it is chance, as
    test_tube.jpg shows.
    """
    names = "|".join(SPLIT_OF)
    lower = pc.utf8_lower(paths)
    found = _named(lower, rf"(?:^|/)(?P<word>{names})/")
    if len(found) and found.null_count == len(found):
        begun = _named(lower, rf"(?:^|/)(?P<word>{names})[-_.][^/]*$")
        found = begun if not begun.null_count else found
    return found


def _named(paths: pa.Array, pattern: str) -> pa.Array:
    words = pc.struct_field(pc.extract_regex(paths, pattern), "word").dictionary_encode()
    return pa.array([SPLIT_OF[word] for word in words.dictionary.to_pylist()], pa.string()).take(words.indices)
