"""Why a label was judged as it was: one short clause an image, for a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.verdicts.record import LabelVerdicts

NEARLY_SAME = 0.97
"""Cosine from which the most similar image is told of as nearly the same one."""


UNLIKE = 0.1
"""Held-out probability under which a label that is kept is said not to look like it."""


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


def reasons(seen: Seen, verdicts: LabelVerdicts, names: Sequence[str], start: int, stop: int) -> list[str]:
    """A clause for each of the rows start..stop-1."""
    return [_reason(seen, verdicts, names, i) for i in range(start, stop)]


def _reason(seen: Seen, verdicts: LabelVerdicts, names: Sequence[str], i: int) -> str:
    if seen.is_unreadable[i]:
        return "cannot be read"
    if np.isnan(verdicts.probability_right[i]):
        return "not judged: nothing to compare with"
    parts = [_shown(seen, verdicts, names, i)]
    if verdicts.none_of_the_classes[i]:
        parts.append("may show none of the classes")
    if seen.n_votes[i]:
        parts.append(f"{seen.n_same[i]} of {seen.n_votes[i]} similar images have its label")
    if seen.is_contested[i]:
        parts.append("the same image stands under another label too")
    elif seen.nearest_similarity[i] >= NEARLY_SAME and seen.nearest_label[i] not in (-1, verdicts.labels[i]):
        parts.append(f"nearly the same image is labelled {names[seen.nearest_label[i]]}")
    if seen.copy_of[i] >= 0:
        parts.append("copy of an image judged once")
    return "; ".join(parts)


def _shown(seen: Seen, verdicts: LabelVerdicts, names: Sequence[str], i: int) -> str:
    """What the image looks like, beside its label."""
    if not np.isnan(seen.person[i]):
        return f"a person called it {'right' if seen.person[i] else 'wrong'}"
    own = seen.label_probability[i]
    held_out = "" if np.isnan(own) else f", predicted with {own:.2f}"
    if verdicts.wrong[i]:
        return f"looks like {names[verdicts.suggested_label[i]]} ({verdicts.probability_suggested[i]:.2f}){held_out and f'; its label{held_out}'}"
    if verdicts.also_plausible[i] >= 0:
        return f"looks like its label, and like {names[verdicts.also_plausible[i]]}{held_out}"
    if own < UNLIKE:
        return f"hardly looks like its label{held_out}, but the label is more probably right than wrong"
    return f"looks like its label{held_out}"
