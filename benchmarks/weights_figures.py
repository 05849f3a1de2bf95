"""The figures of one cell of `weights.py`: a head fitted on what a method made, tested; and how good its score is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.metrics.accuracy import class_averaged, per_class
from reweigh.metrics.detection import auroc, brier
from reweigh.metrics.effective_share import effective_share
from reweigh.probes.linear import Probe, fit_probe, predict, probe_problem, solve
from weights_methods import Training
from weights_sets import Case

Q = 0.7
"""Of the generalised cross-entropy (1 - p^q) / q, as its paper has it."""


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
    """A probe of the generalised cross-entropy (Zhang and Sabuncu 2018), from the minimum of the plain one.

    The objective is not convex, and from zero its gradient is p^q of the plain one's, .09 for 32 classes: L-BFGS
    would end there early. Same features, scaling and penalty as the shipped probe.
    """
    import torch

    problem = probe_problem(case.features, case.rows, training.targets, k=case.k, weights=training.weights)
    start = solve(problem, l2=l2)
    rows = problem.rows
    if len(problem.present) < case.k:
        raise SystemExit("generalised cross-entropy is written for sets where every class has rows")
    x = torch.from_numpy(rows.centred(slice(0, rows.n)) / np.float32(rows.scale))
    y = torch.from_numpy(np.asarray(rows.targets, np.int64))
    share = torch.from_numpy(rows.weights / rows.weights.sum())
    weight = torch.from_numpy((start.weight * rows.scale).astype(np.float32)).requires_grad_()
    offset = start.bias + start.weight.astype(np.float64) @ rows.mean
    bias = torch.from_numpy(offset.astype(np.float32)).requires_grad_()
    steps = torch.optim.LBFGS(
        [weight, bias], max_iter=200, history_size=20, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
    )

    def objective() -> torch.Tensor:
        steps.zero_grad()
        own = torch.log_softmax(x @ weight.T + bias, dim=1).gather(1, y[:, None])[:, 0]
        value = (share * (1 - torch.exp(Q * own)) / Q).sum() + l2 / 2 * (weight**2).sum()
        value.backward()
        return value

    steps.step(objective)
    value = float(objective().detach())
    raw = weight.detach().numpy() / np.float32(rows.scale)
    return Probe(
        weight=raw, bias=(bias.detach().numpy() - raw.astype(np.float64) @ rows.mean).astype(np.float32), l2=l2,
        scale=rows.scale, loss=value, gradient=float(weight.grad.abs().max()),
        iterations=int(steps.state[weight]["n_iter"]), is_converged=True,
    )  # fmt: skip


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
