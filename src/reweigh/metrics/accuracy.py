"""How often predictions meet labels: by position, by class, by pair of classes. Ties go to the smaller class number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def label_positions(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Classes ranked before each row's label, (b,): 0 = the label has the highest score; -1 where the label is -1.

    scores (b, k), the higher the more probable; labels (b,) in -1..k-1.
    """
    own = scores[np.arange(len(scores)), np.maximum(labels, 0)][:, None]
    positions = (scores > own).sum(axis=1)
    if (scores == own).sum() > len(scores):  # ties: those with a smaller class number stand before
        positions += ((scores == own) & (np.arange(scores.shape[1]) < labels[:, None])).sum(axis=1)
    return np.where(labels >= 0, positions, -1).astype(np.int32)


def best_others(
    scores: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(class, score) of the best class but the label, (b,) each; the best of all where the label is -1.

    With one class there is no other: class -1, score -infinity.
    """
    others = scores.astype(np.float32)  # a copy
    labelled = np.flatnonzero(labels >= 0)
    others[labelled, labels[labelled]] = -np.inf
    best = others.argmax(axis=1)
    values = others[np.arange(len(others)), best]
    return np.where(np.isneginf(values), -1, best).astype(np.int32), values


def top_k_accuracy(positions: NDArray[np.integer], top: int) -> float:
    """Share of rows whose label is among the `top` highest; NaN without rows. positions as `label_positions`, >= 0."""
    return float((positions < top).mean()) if len(positions) else float("nan")


def per_class(
    hits: NDArray[np.bool_], labels: NDArray[np.integer], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows, hits) of each class, (k,) each; labels (n,) in 0..k-1."""
    return np.bincount(labels, minlength=k), np.bincount(labels[hits], minlength=k)


def class_averaged(sizes: NDArray[np.integer], right: NDArray[np.integer]) -> float:
    """Mean over the classes that have rows of their share of right ones; NaN without any."""
    has_rows = sizes > 0
    return float((right[has_rows] / sizes[has_rows]).mean()) if has_rows.any() else float("nan")


def confusion(labels: NDArray[np.integer], predicted: NDArray[np.integer], k: int) -> NDArray[np.int64]:
    """Counts (k, k): row = label, column = prediction."""
    return np.bincount(labels.astype(np.int64) * k + predicted, minlength=k * k).reshape(k, k)


def top_confusions(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], k: int, *, n: int
) -> list[tuple[int, int, int]]:
    """The n most frequent (label, prediction, count) with label != prediction; equal counts by number."""
    wrong = labels != predicted
    pairs, counts = np.unique(labels[wrong].astype(np.int64) * k + predicted[wrong], return_counts=True)
    order = np.lexsort((pairs, -counts))[:n]
    return [(int(pairs[i] // k), int(pairs[i] % k), int(counts[i])) for i in order]
