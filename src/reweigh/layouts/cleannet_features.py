"""Features that were made for CleanNet's own code (kuanghuei/clean-net), as arrays: its lists, `train.npy`, `val.npy` and `ref.npy`.

They need no images: `reweigh.weigh` and `reweigh.label_verdicts` take them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.findings import Findings
from reweigh.errors import ReweighError, look_up, nearest
from reweigh.layouts.cleannet import SPLITS, column_count, names_of_classes, read_rows
from reweigh.layouts.text_lists import read_names
from reweigh.progress import Progress, silent

STEP = 1024
"""Rows between two words on how far it is."""
VERIFICATION = (1, 0, -1)
"""Verification labels: right, wrong, nobody looked."""


@dataclass(frozen=True, kw_only=True)
class CleanNetFeatures:
    """n images as `reweigh.weigh` takes them."""

    keys: tuple[str, ...] | None
    """Of a list, the key of each image; None of an array, which has none."""
    features: NDArray[np.float32]
    """(n, d)"""
    labels: NDArray[np.int32]
    """(n,) in 0..k-1"""
    class_names: tuple[str, ...]
    verified: NDArray[np.float32]
    """(n,) 1 a person found the label right, 0 wrong, NaN nobody looked."""


def read_cleannet(
    path: Path | str, *, split: str | None = None, class_list: Path | str | None = None, progress: Progress = silent
) -> CleanNetFeatures:
    """A list with features (.tsv, .tsv.gz) or an array that CleanNet's code made of one (`train.npy`, `val.npy`).

    split: of a list, `train`, `val` or `all`; lists with as many columns mean different things. class_list: a class name a line, in the
    order of the labels; without it a list's names in natural order, an array's numbers. 4 n d bytes of memory.
    Raises ReweighError, naming line or row, for another form, features of differing number or not finite, and unknown classes;
    for `all.npy`, whose pickled objects are not loaded; for `ref.npy` (`read_references`).
    """
    path = Path(path)
    names = None if class_list is None else read_names(Path(class_list), Findings())
    if path.suffix == ".npy":
        return _of_array(path, _load(path), names)
    if split is None:
        raise ReweighError(
            "read_cleannet needs split='train', 'val' or 'all': lists with as many columns mean different things."
        )
    look_up(split, SPLITS, kind="list of CleanNet")
    return _of_list(path, split, names, progress)


def read_references(path: Path | str) -> NDArray[np.float32]:
    """`ref.npy`: (k, m, d) the m reference vectors of each class, k-means centres of its features (m = 32 as published).

    Raises ReweighError for another shape and for values that are not finite, naming the class.
    """
    path = Path(path)
    values = _load(path)
    if values.ndim != 3 or not values.size:
        hint = " Is it train.npy or val.npy (read_cleannet)?" if values.ndim == 2 else ""
        raise ReweighError(f"{path} has the shape {values.shape}; ref.npy has (classes, references, features).{hint}")
    odd = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))
    if len(odd):
        raise ReweighError(f"{path}: references of class {odd[0]} are not finite, and of {len(odd) - 1:,} more.")
    return values.astype(np.float32)


def _of_list(path: Path, split: str, names: list[str] | None, progress: Progress) -> CleanNetFeatures:
    form = column_count(path, split, Findings())
    names = names_of_classes(path, split, form) if names is None else names
    label = {name: number for number, name in enumerate(names)}
    n = sum(1 for _ in read_rows(path, split, form, Findings()))
    keys: list[str] = []
    labels, verified = np.zeros(n, np.int32), np.full(n, np.nan, np.float32)
    features = np.zeros((0, 0), np.float32)
    for at, row in enumerate(read_rows(path, split, form, Findings())):
        if row.class_name not in label:
            hint = nearest(row.class_name, names)
            raise ReweighError(f"{path}, line {row.line}: {row.class_name[:60]!r} is not in the list of classes.{hint}")
        vector = _vector(path, row.line, row.features)
        if not at:
            features = np.zeros((n, len(vector)), np.float32)
        if len(vector) != features.shape[1]:
            raise ReweighError(
                f"{path}, line {row.line}: {len(vector):,} features, where the first line has {features.shape[1]:,}; was the file cut?"
            )
        features[at], labels[at] = vector, label[row.class_name]
        verified[at] = np.nan if row.verified is None else float(row.verified)
        keys.append(row.key)
        if not (at + 1) % STEP or at + 1 == n:
            progress("read features", at + 1, n, path.name)
    return CleanNetFeatures(
        keys=tuple(keys), features=features, labels=labels, class_names=tuple(names), verified=verified
    )


def _vector(path: Path, line: int, text: str) -> NDArray[np.float32]:
    try:
        vector = np.array(text.split(","), dtype=np.float32)
    except ValueError as cause:
        raise ReweighError(f"{path}, line {line}: features are numbers with commas between; {cause}.") from cause
    if not np.isfinite(vector).all():
        raise ReweighError(f"{path}, line {line}: feature {int(np.isfinite(vector).argmin())} is not finite.")
    return vector


def _of_array(path: Path, values: NDArray[Any], names: list[str] | None) -> CleanNetFeatures:
    """Of a matrix whose last columns are class and verification label."""
    if values.ndim != 2 or values.shape[1] < 3 or not len(values):
        hint = " Is it ref.npy (read_references)?" if values.ndim == 3 else ""
        raise ReweighError(
            f"{path} has the shape {values.shape}; train.npy and val.npy have (images, features + 2).{hint}"
        )
    odd = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(odd):
        raise ReweighError(f"{path}: row {odd[0]:,} is not finite, and {len(odd) - 1:,} more.")
    classes, said = values[:, -2], values[:, -1]
    k = len(names) if names is not None else int(classes.max()) + 1
    for name, column, is_right in (
        ("class", classes, (classes >= 0) & (classes < k) & (classes == classes.round())),
        ("verification label", said, np.isin(said, VERIFICATION)),
    ):
        if not is_right.all():
            row = int(is_right.argmin())
            known = f"0..{k - 1}" if name == "class" else "1, 0 and -1"
            raise ReweighError(
                f"{path}, row {row:,}: {name} {column[row]:g} is none of {known}. Is it train.npy or val.npy?"
            )
    return CleanNetFeatures(
        keys=None,
        features=np.ascontiguousarray(values[:, :-2], np.float32),
        labels=classes.astype(np.int32),
        class_names=tuple(names) if names is not None else tuple(map(str, range(k))),
        verified=np.where(said < 0, np.nan, said).astype(np.float32),
    )


def _load(path: Path) -> NDArray[Any]:
    """A .npy of numbers. Raises ReweighError for one of pickled objects, which could run code, and a broken one."""
    if not path.is_file():
        raise ReweighError(f"No file {path}.")
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as cause:
        if "objects in dtype" in str(cause):
            raise ReweighError(
                f"{path} holds pickled objects, as all.npy does: read the list it was made of (all.tsv)."
            ) from cause
        raise ReweighError(f"{path} is no whole .npy file of numbers. Is the download complete?") from cause
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise ReweighError(f"{path} is no .npy file of numbers.")
    return values
