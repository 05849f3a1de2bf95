"""What a method says about labels, and what is known about them: the two sides that are held against each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, read_columns
from reweigh.errors import ReweighError
from reweigh.evaluation.measure import NOT_KNOWN
from reweigh.evaluation.on_catalog import answers


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What one method says about n rows; a row whose ranking is NaN has no verdict."""

    flagged: NDArray[np.bool_]
    """(n,) judged wrong"""
    ranking: NDArray[np.floating]
    """(n,) high = more probably right"""
    probability_right: NDArray[np.floating] | None = None
    """(n,) 0..1; None: the method gives none, and its rate is the share of flagged rows"""
    suggested_label: NDArray[np.integer]
    """(n,) what the label should be, -1 = none"""
    none_of_the_classes: NDArray[np.bool_] | None = None
    """(n,) None: the method has no such verdict"""
    stated_rate: float = math.nan
    """Share of wrong labels as stated for all rows; NaN = none"""
    class_noise: NDArray[np.floating] | None = None
    """(k,) share of wrong labels of each class, NaN = none; None: the share of its flagged rows"""
    class_noise_ranges: NDArray[np.floating] | None = None
    """(k, 2), NaN = none"""


@dataclass(frozen=True, kw_only=True)
class KnownAnswers:
    """What is known of n rows."""

    is_right: NDArray[np.int8]
    """(n,) 1 the label is right, 0 wrong, -1 not known"""
    classes: NDArray[np.int32]
    """(n,) the right class, -1 none of the classes, -2 not known"""


def known_answers(catalog: Catalog, rows: NDArray[np.int64], labels: NDArray[np.integer]) -> dict[str, KnownAnswers]:
    """`truth`, where the catalog has one, and `verified_label`."""
    known = answers(catalog, rows)
    said = read_columns(catalog, ["verified"], rows)["verified"].cast("int8").fill_null(-1).to_numpy()
    without = known.verified_label == NOT_KNOWN
    named = np.where(without & (said == 1), labels, known.verified_label).astype(np.int32)
    person = np.where(without, said, known.verified_label == labels).astype(np.int8)
    found = {"verified_label": KnownAnswers(is_right=person, classes=named)}
    if known.truth is not None:
        is_right = np.where(known.truth == NOT_KNOWN, -1, known.truth == labels).astype(np.int8)
        found = {"truth": KnownAnswers(is_right=is_right, classes=known.truth), **found}
    return found


ROW_ARRAYS = ("flagged", "ranking", "probability_right", "suggested_label", "none_of_the_classes")


def chosen(judgement: Judgement, at: NDArray[np.int64]) -> Judgement:
    """The same about some of its rows."""
    values: dict[str, Any] = {name: getattr(judgement, name) for name in ROW_ARRAYS}
    taken: dict[str, Any] = {name: None if own is None else own[at] for name, own in values.items()}
    return replace(judgement, **taken)


def check_judgements(n: int, judgements: Mapping[str, Judgement]) -> None:
    """Return where there are judgements of n rows. Raises ReweighError that names the method and the array otherwise."""
    if not judgements:
        raise ReweighError("No method to measure: looked for one judgement or more, found none.")
    for method, judgement in judgements.items():
        for name in ROW_ARRAYS:
            values = getattr(judgement, name)
            if values is not None and np.shape(values) != (n,):
                raise ReweighError(f"{name} of {method!r} must be one a row, ({n},); found {np.shape(values)}.")
