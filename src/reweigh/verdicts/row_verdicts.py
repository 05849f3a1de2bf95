"""What is said of each row: flag, suggestion, none of the classes, place in the order of review."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reweigh.verdicts.candidates import Candidates
from reweigh.verdicts.label_posterior import Beliefs
from reweigh.verdicts.look_alikes import mean_of_look_alikes

ALSO = 0.25
"""An image that shows its label and another class with at least this probability each keeps its label, and names the other."""
NONE_FROM = 0.65
"""From this value on none of the classes is what an image shows: recall .2 to .7 of such images, 2 to 5 % of the right ones."""


@dataclass(frozen=True, kw_only=True)
class Around:
    """The look-alikes of n rows and what is known of them, (r,) each."""

    votes: sparse.csr_matrix
    """(n, r)"""
    entropy: NDArray[np.float32]
    wrong: NDArray[np.float32]
    labels: NDArray[np.int32]


def row_verdicts(
    candidates: Candidates, beliefs: Beliefs, around: Around | None, person: NDArray[np.floating], cut: float
) -> dict[str, Any]:  # fmt: skip
    """The arrays of a row each of `LabelVerdicts`; person (n,): 1 the label is right, 0 wrong, NaN nobody looked."""
    wrong = np.where(np.isnan(person), beliefs.wrong, 1 - person).astype(np.float32)
    has_label = candidates.labels >= 0
    flagged = has_label & (wrong >= cut)
    suggested, probability = _suggestion(candidates, beliefs, flagged)
    second = np.take_along_axis(candidates.classes_of(slice(None)), beliefs.second[:, None].astype(np.int64), 1)[:, 0]
    is_also = has_label & ~flagged & (np.minimum(beliefs.own_share, beliefs.second_share) >= ALSO)
    return {
        "labels": candidates.labels, "wrong": flagged, "probability_right": 1 - wrong, "suggested_label": suggested,
        "probability_suggested": probability, "also_plausible": np.where(is_also, second, -1).astype(np.int32),
        "none_of_the_classes": has_label & _none_of_the_classes(around, beliefs),
        "review_order": _review_order(candidates, beliefs, around, ~np.isnan(person)),
    }  # fmt: skip


def _suggestion(
    candidates: Candidates, beliefs: Beliefs, flagged: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(class, probability), (n,) each: the class most believed in but the label, for flagged rows; -1 and NaN elsewhere."""
    suggested = np.full(candidates.n, -1, np.int32)
    probability = np.full(candidates.n, np.nan, np.float32)
    at = np.flatnonzero(flagged)
    q = beliefs.q[at, : candidates.m].copy()
    q[np.arange(len(at)), candidates.own[at]] = -1
    best = q.argmax(axis=1)
    suggested[at] = np.take_along_axis(candidates.classes_of(at), best[:, None], 1)[:, 0]
    probability[at] = q[np.arange(len(at)), best]
    return suggested, probability


def _none_of_the_classes(around: Around | None, beliefs: Beliefs) -> NDArray[np.bool_]:
    """(n,) u = .5 H_i + .5 mean H of the look-alikes + 2 max(0, mean w of the look-alikes - mean w) >= .65; nobody without features.

    Unknown classes form dense groups of their own; what marks them is look-alikes whose labels do not agree either.
    """
    if around is None:
        return np.zeros(len(beliefs.wrong), bool)
    usual = float(np.nanmean(around.wrong, dtype=np.float64))
    entropy = mean_of_look_alikes(around.votes, around.entropy)
    excess = np.maximum(0, mean_of_look_alikes(around.votes, np.nan_to_num(around.wrong, nan=usual)) - usual)
    return 0.5 * beliefs.entropy + 0.5 * entropy + 2 * excess >= NONE_FROM


def label_share(around: Around | None, own: NDArray[np.int32]) -> NDArray[np.float64]:
    """(n,) share of the look-alikes with a label that carry the row's `own`; NaN without such."""
    if around is None:
        return np.full(len(own), np.nan)
    row = np.repeat(np.arange(len(own)), np.diff(around.votes.indptr))
    theirs = around.labels[around.votes.indices]
    n = np.bincount(row, weights=theirs >= 0, minlength=len(own))
    same = np.bincount(row, weights=(theirs >= 0) & (theirs == own[row]), minlength=len(own))
    return np.divide(same, n, out=np.full(len(n), np.nan), where=n > 0)


def _review_order(
    candidates: Candidates, beliefs: Beliefs, around: Around | None, is_known: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """(n,) places from 1 by logit(w) + logit(1 - m), m the mean of p(label) and the look-alikes' share of it; 0 without a label.

    Rows that a person has looked at come last: they need no second look.
    """
    at = np.flatnonzero(candidates.labels >= 0)
    share = label_share(around, candidates.labels)[at]
    p = np.exp(candidates.log_p[at, candidates.own[at]].astype(np.float64))
    m = np.where(np.isnan(share), p, (p + share) / 2)
    doubt = _logit(beliefs.wrong[at]) + _logit(1 - m)
    order = at[np.lexsort((at, -doubt, is_known[at]))]
    places = np.zeros(candidates.n, np.int32)
    places[order] = np.arange(1, len(order) + 1)
    return places


def _logit(share: NDArray[np.floating]) -> NDArray[np.float64]:
    held = np.clip(np.asarray(share, np.float64), 1e-6, 1 - 1e-6)
    return np.log(held) - np.log1p(-held)
