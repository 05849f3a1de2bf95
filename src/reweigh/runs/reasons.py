"""Why a label was judged as it was: one short clause an image, for a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reweigh.verdicts.record import LabelVerdicts

NEARLY_SAME = 0.97
"""Cosine from which the most similar image is told of as nearly the same one."""


UNLIKE = 0.1
"""Held-out probability under which a label that is kept is said not to look like it."""


UNREADABLE = "cannot be read"
"""The whole reason of an image that could not be read: exports know it by this."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the verdicts on n images were made of."""

    label_probability: NDArray[np.float32]
    """(n,) of the held-out prediction; NaN where there is none"""
    n_votes: NDArray[np.int32]
    """(n,) similar images with a label"""
    n_same: NDArray[np.int32]
    """(n,) of them those with this label"""
    nearest: NDArray[np.int64]
    """(n,) catalog row of the most similar image, -1 = none"""
    nearest_label: NDArray[np.int32]
    """(n,) its label, -1 = none"""
    nearest_similarity: NDArray[np.float32]
    """(n,) cosine"""
    is_contested: NDArray[np.bool_]
    """(n,) the same bytes stand under another label too"""
    copy_of: NDArray[np.int64]
    """(n,) catalog row of the same image under the same label that was judged in its place, -1 = none"""
    is_unreadable: NDArray[np.bool_]
    person: NDArray[np.float32]
    """(n,) 1 a person called the label right, 0 wrong, NaN nobody looked, or it was kept for measuring"""


class _Row(NamedTuple):
    """What is told of one image, as plain Python values: reading arrays one number at a time takes ten times as long."""

    is_unreadable: bool
    person: float
    label_probability: float
    n_votes: int
    n_same: int
    nearest_label: int
    nearest_similarity: float
    is_contested: bool
    copy_of: int
    label: int
    probability_right: float
    is_wrong: bool
    suggested_label: int
    probability_suggested: float
    also_plausible: int
    is_none: bool


def reasons(seen: Seen, verdicts: LabelVerdicts, names: Sequence[str], start: int, stop: int) -> list[str]:
    """A clause for each of the rows start..stop-1."""
    columns = (
        seen.is_unreadable, seen.person, seen.label_probability, seen.n_votes, seen.n_same, seen.nearest_label, seen.nearest_similarity,
        seen.is_contested, seen.copy_of, verdicts.labels, verdicts.probability_right, verdicts.wrong, verdicts.suggested_label,
        verdicts.probability_suggested, verdicts.also_plausible, verdicts.none_of_the_classes,
    )  # fmt: skip
    rows = zip(*(column[start:stop].tolist() for column in columns), strict=True)
    return [_reason(_Row(*row), names) for row in rows]


def _reason(row: _Row, names: Sequence[str]) -> str:
    if row.is_unreadable:
        return UNREADABLE
    if row.probability_right != row.probability_right:
        return "not judged: nothing to compare with"
    parts = [_shown(row, names)]
    if row.is_none:
        parts.append("may show none of the classes")
    if row.n_votes:
        parts.append(f"{row.n_same} of {row.n_votes} similar images have its label")
    if row.is_contested:
        parts.append("the same image stands under another label too")
    elif row.nearest_similarity >= NEARLY_SAME and row.nearest_label not in (-1, row.label):
        parts.append(f"nearly the same image is labelled {names[row.nearest_label]}")
    if row.copy_of >= 0:
        parts.append("copy of an image judged once")
    return "; ".join(parts)


def _shown(row: _Row, names: Sequence[str]) -> str:
    """What the image looks like, beside its label."""
    if row.person == row.person:
        return f"a person called it {'right' if row.person else 'wrong'}"
    own = row.label_probability
    held_out = "" if own != own else f", predicted with {own:.2f}"
    if row.is_wrong:
        return f"looks like {names[row.suggested_label]} ({row.probability_suggested:.2f}){held_out and f'; its label{held_out}'}"
    if row.also_plausible >= 0:
        return f"looks like its label, and like {names[row.also_plausible]}{held_out}"
    if own < UNLIKE:
        return f"hardly looks like its label{held_out}, but the label is more probably right than wrong"
    return f"looks like its label{held_out}"
