"""The figures of one cell of `weights.py`: a head fitted on what a method made, tested; and how good its score is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.metrics.accuracy import class_averaged, per_class
from reweigh.metrics.detection import auroc, brier
from reweigh.metrics.effective_share import effective_share
from reweigh.probes.linear import Probe, fit_probe, predict
from weights_methods import Training
from weights_sets import Case

Q = 0.7
"""Of the generalised cross-entropy, as its paper has it."""
MAX_FITS, SETTLED = 12, 3e-3
"""Of its fits one after the other: the most (40 changed accuracy by less than .003), and the largest change
of a scaled coefficient that ends them."""


def cell_figures(case: Case, training: Training, *, l2: float) -> dict[str, Any]:
    """Shares, not per cent; None for what cannot be measured."""
    return {
        "l2": l2,
        "train": len(case.rows),
        **accuracy_figures(case, training, l2=l2),
        **score_figures(case, training),
    }


def accuracy_figures(case: Case, training: Training, *, l2: float) -> dict[str, float]:
    """Top-1 and class-averaged top-1 on the test rows."""
    head = fit_generalised(case, training, l2=l2) if training.loss == "generalised" else fit(case, training, l2=l2)
    predicted = np.concatenate([block.argmax(axis=1) for block in predict(head, case.features, case.test)])
    hits = predicted == case.answers
    return {
        "class_averaged": class_averaged(*per_class(hits, case.answers, case.k)),
        "top_1": float(hits.mean()),
        "steps": head.iterations,
    }


def fit(case: Case, training: Training, *, l2: float) -> Probe:
    """The shipped probe."""
    return fit_probe(case.features, case.rows, training.targets, k=case.k, l2=l2, weights=training.weights)


def fit_generalised(case: Case, training: Training, *, l2: float) -> Probe:
    """A probe of the generalised cross-entropy (1 - p^q) / q (Zhang and Sabuncu 2018), from the minimum of the plain one.

    The loss is concave in the plain one, -log p, so that its tangent lies above it: a fit of the plain loss with weights
    w p^q never raises the objective, and a fixed point is stationary. The strength of each fit is that of the sums over
    unscaled weights and of the features' first scale. Not convex: which minimum is reached depends on the start.
    """
    first = head = fit(case, training, l2=l2)
    for _ in range(MAX_FITS):
        own = np.concatenate(list(predict(head, case.features, case.rows)))[np.arange(len(case.rows)), training.targets]
        shrunk = training.weights * np.exp(Q * own.astype(np.float64))
        mass = float(shrunk.sum() / training.weights.sum())
        strength = l2 / mass * (first.scale / head.scale) ** 2
        before = head
        head = fit_probe(
            case.features, case.rows, training.targets, k=case.k, l2=strength, weights=shrunk, start=before, tolerance=1e-4
        )  # fmt: skip
        if np.abs((head.weight - before.weight) * head.scale).max() < SETTLED:
            break
    return head


def score_figures(case: Case, training: Training) -> dict[str, Any]:
    """Effective sample share of the weights; of a score AUROC, mean and Brier, also by kind of error and by factor."""
    figures: dict[str, Any] = {"ess": float(effective_share(np.asarray(training.weights, np.float64)))}
    if training.score is None:
        return figures
    known, score = case.is_known, np.asarray(training.score, np.float64)
    right, score = case.is_right[known], score[known]
    figures["auroc"] = _plain(auroc(score, right))
    figures["mean"] = float(score.mean())
    figures["truth"] = float(right.mean())
    if training.is_probability:
        figures["brier"] = _plain(brier(score, right))
    kinds = case.kinds[known]
    wrong = sorted(set(kinds[~right].tolist()) - {""})
    figures["by_kind"] = {
        kind: {"n": int((kinds == kind).sum()), "auroc": _plain(_against(score, right, kinds == kind))}
        for kind in wrong
    }
    if training.weighed is not None:
        figures["factors"] = _of_factors(case, training)
        power = training.weighed.facts["sharpness"]
        figures["ess_before_balance"] = float(effective_share(np.asarray(training.score, np.float64) ** power))
        smallest = training.weighed.facts.get("smallest_class_effective_share")
        figures["smallest_class_ess"] = None if smallest is None else float(smallest)
    return figures


def _of_factors(case: Case, training: Training) -> dict[str, Any]:
    """AUROC of each credibility over the rows of which it has an opinion, and what became of its curves."""
    made: dict[str, Any] = {}
    for name, factor in training.weighed.factors.items() if training.weighed else ():
        if factor.kind == "credibility":
            heard = case.is_known & ~np.isnan(factor.values)
            value = auroc(factor.values[heard].astype(np.float64), case.is_right[heard]) if heard.any() else math.nan
            curves = {source: curve["curve"] for source, curve in factor.facts.get("curves", {}).items()}
            made[name] = {
                "opinions": float(heard.sum() / max(case.is_known.sum(), 1)),
                "auroc": _plain(value),
                **curves,
            }
    return made


def _against(score: NDArray[np.float64], right: NDArray[np.bool_], is_kind: NDArray[np.bool_]) -> float:
    pair = right | is_kind
    return auroc(score[pair], right[pair])


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
