"""What webify starts from: a catalog, its truth, and which of its rows may be drawn, stay, or are left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, Classes, read_classes, read_copies, read_labels, read_split
from reweigh.errors import ReweighError
from reweigh.webify.settings import WebifySettings
from reweigh.webify.sizes import pool_positions


@dataclass(frozen=True, kw_only=True)
class Given:
    """A clean set and what is known of its classes; k counts all of its classes."""

    catalog: Catalog
    truth: NDArray[np.int32]
    """(n,) right class of each row, below 0 = none or not known"""
    similarity: NDArray[np.floating] | None = None
    """(k, k) how alike classes are, 0 or more; None: only for corruptions, which need none"""
    glosses: tuple[str | None, ...] = ()
    """A description of each class, used where the catalog has none; (): no class has one"""
    matrix: NDArray[np.floating] | None = None
    """(k, k) probability of each label for each truth, for corruption "matrix" """
    notes: tuple[tuple[str, str], ...] = ()
    """Lines of the summary on where truth and similarity come from."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Rows and classes of the given set by what becomes of them."""

    kept: NDArray[np.int64]
    """Numbers of the classes that stay classes, ascending"""
    pool: NDArray[np.int64]
    """Numbers of the classes that are put aside"""
    place: NDArray[np.int32]
    """(k,) new number of each class, -1 = put aside"""
    classes: Classes
    """The kept ones, with descriptions filled in"""
    train: NDArray[np.int64]
    """Rows of split train whose truth is known, ascending"""
    fixed: NDArray[np.int64]
    """Rows of val and test that stay as they are, ascending"""
    left_out: tuple[tuple[str, int], ...]
    """Why rows of the given set are not in the new one, and how many."""


def select(given: Given, settings: WebifySettings) -> Selection:
    """Which classes and rows may be used for what. In the mix, of training images with the same bytes only one may.

    Raises ReweighError where no training row has a class, and where the pool would be all classes.
    """
    catalog, k = given.catalog, given.catalog.k
    if settings.pool_classes >= k:
        raise ReweighError(f"A pool of {settings.pool_classes} classes leaves none: {catalog.path} has {k}.")
    pool = pool_positions(k, settings.pool_classes)
    place = np.full(k, -1, np.int32)
    kept = np.setdiff1d(np.arange(k), pool)
    place[kept] = np.arange(len(kept))
    in_train = read_split(catalog, "train")
    labels = read_labels(catalog)
    known = given.truth >= 0
    if not (in_train & known).any():
        raise ReweighError(
            f"{catalog.path} has no training image with a label: looked at {int(in_train.sum()):,} rows of split train. "
            "webify makes labels wrong, so it needs right ones."
        )
    is_copy = np.zeros(catalog.n, bool) if settings.keep_side or settings.corruption else _copies(catalog, in_train)
    is_pool_test = ~in_train & (labels >= 0) & (place[labels] < 0)
    return Selection(
        kept=kept,
        pool=pool,
        place=place,
        classes=_kept_classes(given, kept),
        train=np.flatnonzero(in_train & known & ~is_copy),
        fixed=np.flatnonzero(~in_train & ~is_pool_test),
        left_out=(
            ("training images without a known class", int((in_train & ~known).sum())),
            ("training images with the bytes of another image", int((in_train & known & is_copy).sum())),
            ("test images of the pool's classes", int(is_pool_test.sum())),
        ),
    )


def _copies(catalog: Catalog, in_train: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) training rows whose bytes an earlier training row has, or a test row."""
    content = read_copies(catalog)
    made = np.zeros(catalog.n, bool)
    train = np.flatnonzero(in_train)
    first = np.unique(content[train], return_index=True)[1]
    made[train] = True
    made[train[first]] = False
    return made | (in_train & np.isin(content, content[~in_train]))


def _kept_classes(given: Given, kept: NDArray[np.int64]) -> Classes:
    classes = read_classes(given.catalog)
    glosses = given.glosses or (None,) * given.catalog.k
    return Classes(
        names=tuple(classes.names[c] for c in kept),
        synsets=tuple(classes.synsets[c] for c in kept),
        words=tuple(classes.words[c] for c in kept),
        descriptions=tuple(classes.descriptions[c] or glosses[c] for c in kept),
        extra=tuple(classes.extra[c] for c in kept) if classes.extra else (),
    )
