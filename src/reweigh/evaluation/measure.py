"""Predictions against labels: agreement with labels that may be wrong, accuracy where the right answer is known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.evaluation.settings import EvaluationSettings
from reweigh.metrics.accuracy import (
    class_averaged,
    confusion,
    label_positions,
    per_class,
    top_confusions,
    top_k_accuracy,
)
from reweigh.metrics.intervals import accuracy_interval, class_averaged_interval

NONE_OF_THE_CLASSES = -1
NOT_KNOWN = -2
DENSE_CONFUSION = 1000
"""Up to this many classes the whole confusion matrix is kept."""
N_CONFUSIONS = 200
"""Pairs of classes kept of the most frequent confusions."""

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Predictions against one set of answers; shares in 0..1, NaN where nothing could be measured."""

    n: int
    """Rows whose answer is one of the classes: what all shares are of."""
    n_none_of_the_classes: int
    """Rows whose answer is that no class fits (for agreement: rows without a label); left out of all shares."""
    n_not_known: int
    """Rows without an answer."""
    top_1: float
    top_1_interval: Interval
    top_5: float | None
    """None up to five classes, where it says nothing."""
    top_5_interval: Interval | None
    class_averaged: float
    """Mean over the classes that have rows of their top-1."""
    class_averaged_interval: Interval
    class_averaged_top_5: float | None
    """The mean over classes of top-5, by which WebVision 2018 ranked; None for five classes and fewer"""
    log_loss: float
    """Mean -log probability of the answer."""
    sizes: NDArray[np.int64]
    """(k,) rows of each class"""
    right: NDArray[np.int64]
    """(k,) of them predicted right"""
    confusion: NDArray[np.int64] | None
    """(k, k) counts, row = answer, column = prediction; None above 1,000 classes"""
    top_confusions: list[tuple[int, int, int]]
    """The 200 most frequent (answer, prediction, count) with answer != prediction."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was measured on some rows. `accuracy` by what it was measured against; empty where nothing is known."""

    k: int
    n: int
    agreement: Figures | None
    """Against the given labels, which may be wrong; None where no row has one."""
    accuracy: dict[str, Figures]
    """`verified_label` and `truth`, those of them that are known for some rows."""
    predicted: NDArray[np.int32]
    """(n,) most probable class"""
    probability: NDArray[np.float32]
    """(n,) its probability"""


def evaluate(
    log_probability_blocks: Iterable[NDArray[np.float32]],
    labels: NDArray[np.integer],
    *,
    k: int,
    verified_label: NDArray[np.integer] | None = None,
    truth: NDArray[np.integer] | None = None,
    settings: EvaluationSettings,
    seed: int,
) -> Evaluation:
    """Agreement and accuracy of predictions that come as blocks (b, k) of log-probabilities, in the order of `labels`.

    labels, verified_label, truth (n,): a class 0..k-1; -1 none of the classes (in `labels`: no label); -2 not known.
    Rows of -1 are counted and left out of the shares: a classifier cannot answer "none".
    Raises ReweighError where lengths, classes or values do not fit.
    """
    answers = {"labels": labels, "verified_label": verified_label, "truth": truth}
    known = {name: _checked(name, values, len(labels), k) for name, values in answers.items() if values is not None}
    predicted, probability = np.zeros(len(labels), np.int32), np.zeros(len(labels), np.float32)
    positions = {name: np.full(len(labels), -1, np.int32) for name in known}
    own = {name: np.zeros(len(labels), np.float32) for name in known}
    start = 0
    for block in log_probability_blocks:
        here = slice(start, start + len(block))
        if block.shape[1] != k or here.stop > len(labels):
            raise ReweighError(f"Predictions must be ({len(labels)}, {k}); found a block {block.shape} at row {start}.")
        best = block.argmax(axis=1)
        predicted[here], probability[here] = best, np.exp(block[np.arange(len(block)), best])
        for name, values in known.items():
            answer = np.maximum(values[here], -1)
            positions[name][here] = label_positions(block, answer)
            own[name][here] = block[np.arange(len(block)), np.maximum(answer, 0)]
        start = here.stop
    if start != len(labels):
        raise ReweighError(f"Predictions end after {start} rows, but there are {len(labels)} labels.")
    figures = {
        name: _figures(values, positions[name], own[name], predicted, k=k, settings=settings, seed=seed)
        for name, values in known.items()
    }
    agreement = figures.pop("labels")
    return Evaluation(
        k=k,
        n=len(labels),
        agreement=agreement if agreement.n else None,
        accuracy={name: f for name, f in figures.items() if f.n or f.n_none_of_the_classes},
        predicted=predicted,
        probability=probability,
    )


def _checked(name: str, values: NDArray[np.integer], n: int, k: int) -> NDArray[np.int64]:
    checked = np.asarray(values, np.int64)
    if checked.shape != (n,):
        raise ReweighError(f"{name} must be one a row, {n} in all; found shape {checked.shape}.")
    bad = np.flatnonzero((checked < NOT_KNOWN) | (checked >= k))
    if len(bad):
        raise ReweighError(f"{name} must lie in -2..{k - 1}; row {bad[0]} has {checked[bad[0]]}.")
    return checked


def _figures(
    answers: NDArray[np.int64],
    positions: NDArray[np.int32],
    own: NDArray[np.float32],
    predicted: NDArray[np.int32],
    *,
    k: int,
    settings: EvaluationSettings,
    seed: int,
) -> Figures:
    """Figures over the rows whose answer is a class."""
    rows = np.flatnonzero(answers >= 0)
    labels, positions, n = answers[rows], positions[rows], len(rows)
    sizes, right = per_class(positions == 0, labels, k)
    drawn: dict[str, Any] = {"n_draws": settings.n_draws, "confidence": settings.confidence, "seed": seed}
    has_top_5 = k > 5
    return Figures(
        n=n,
        n_none_of_the_classes=int((answers == NONE_OF_THE_CLASSES).sum()),
        n_not_known=int((answers == NOT_KNOWN).sum()),
        top_1=top_k_accuracy(positions, 1),
        top_1_interval=accuracy_interval(int(right.sum()), n, **drawn),
        top_5=top_k_accuracy(positions, 5) if has_top_5 else None,
        top_5_interval=accuracy_interval(int((positions < 5).sum()), n, **drawn) if has_top_5 else None,
        class_averaged=class_averaged(sizes, right),
        class_averaged_interval=class_averaged_interval(sizes, right, **drawn),
        class_averaged_top_5=class_averaged(*per_class(positions < 5, labels, k)) if has_top_5 else None,
        log_loss=float(-own[rows].mean(dtype=np.float64)) if n else math.nan,
        sizes=sizes,
        right=right,
        confusion=confusion(labels, predicted[rows], k) if k <= DENSE_CONFUSION else None,
        top_confusions=top_confusions(labels, predicted[rows], k, n=N_CONFUSIONS),
    )


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The figures as plain JSON values, null for what could not be measured; without the rows' predictions."""
    agreement = evaluation.agreement
    return {
        "n": evaluation.n,
        "k": evaluation.k,
        "agreement": None if agreement is None else figures_as_json(agreement),
        "accuracy": {name: figures_as_json(figures) for name, figures in evaluation.accuracy.items()},
    }


def figures_as_json(figures: Figures) -> dict[str, Any]:
    """One set of figures as plain JSON values; `per_class` has one entry a class, in order."""
    return {
        "n": figures.n,
        "n_none_of_the_classes": figures.n_none_of_the_classes,
        "n_not_known": figures.n_not_known,
        "top_1": _number(figures.top_1),
        "top_1_interval": _interval(figures.top_1_interval),
        "top_5": _number(figures.top_5),
        "top_5_interval": _interval(figures.top_5_interval),
        "class_averaged": _number(figures.class_averaged),
        "class_averaged_interval": _interval(figures.class_averaged_interval),
        "class_averaged_top_5": _number(figures.class_averaged_top_5),
        "log_loss": _number(figures.log_loss),
        "per_class": {
            "size": figures.sizes.tolist(),
            "right": figures.right.tolist(),
            "share": [
                right / size if size else None
                for size, right in zip(figures.sizes.tolist(), figures.right.tolist(), strict=True)
            ],
        },
        "confusion": None if figures.confusion is None else figures.confusion.tolist(),
        "top_confusions": [list(pair) for pair in figures.top_confusions],
    }


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _interval(value: Interval | None) -> list[float] | None:
    return None if value is None or not all(map(math.isfinite, value)) else [float(value[0]), float(value[1])]
