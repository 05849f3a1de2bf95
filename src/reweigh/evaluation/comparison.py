"""Two models on the same images: what the second gains, with intervals of the paired difference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.evaluation.measure import Evaluation
from reweigh.evaluation.on_catalog import Answers
from reweigh.evaluation.settings import EvaluationSettings
from reweigh.metrics.accuracy import class_averaged, per_class
from reweigh.metrics.intervals import paired_class_averaged_interval, paired_interval


def compare(
    before: Evaluation, after: Evaluation, known: Answers, *, settings: EvaluationSettings, seed: int
) -> dict[str, Any]:
    """What `after` gains over `before` on the same rows, as JSON: for each kind of answer that some rows have.

    `agreement`, `verified_label`, `truth` -> n, top_1, class_averaged (differences of shares) and their intervals.
    """
    answers = {"agreement": known.labels, "verified_label": known.verified_label, "truth": known.truth}
    found = {}
    for kind, values in answers.items():
        if values is not None and (values >= 0).any():
            found[kind] = _gain(before.predicted, after.predicted, values, before.k, settings=settings, seed=seed)
    return found


def _gain(
    before: NDArray[np.int32], after: NDArray[np.int32], answers: NDArray[np.int32], k: int, *, settings: EvaluationSettings, seed: int
) -> dict[str, Any]:  # fmt: skip
    rows = np.flatnonzero(answers >= 0)
    labels, one, other = answers[rows], before[rows] == answers[rows], after[rows] == answers[rows]
    drawn: dict[str, Any] = {"n_draws": settings.n_draws, "confidence": settings.confidence, "seed": seed}
    averaged = class_averaged(*per_class(other, labels, k)) - class_averaged(*per_class(one, labels, k))
    return {
        "n": len(rows),
        "top_1": float(other.mean() - one.mean()),
        "top_1_interval": list(paired_interval(one, other, **drawn)),
        "class_averaged": averaged if math.isfinite(averaged) else None,
        "class_averaged_interval": list(paired_class_averaged_interval(one, other, labels, k, **drawn)),
    }
