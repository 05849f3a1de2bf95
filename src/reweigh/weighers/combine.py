"""From the factors of each image to one credibility: the table COMBINERS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.weighers.factor import Factor

LEAST = 0.01
"""Credibilities are held within [.01, .99] before their log-odds are added."""
COEFFICIENTS = {"visual": 1.5, "rank": 2.0, "text": 2.0, "source": 1.0}
"""Of each group's mean log-odds: calibrated curves are flattened by the errors of their target."""


@dataclass(frozen=True, kw_only=True)
class Combined:
    """One credibility an image and how it was made."""

    credibility: NDArray[np.float32]
    """(n,); under `product` with multipliers a weight of mean about 1, not a probability"""
    facts: dict[str, Any]
    """As JSON: the combiner and its numbers, which `explain` reads."""


def pooled(factors: Sequence[Factor], *, share_right: float | None = None) -> Combined:
    """logit c = b + sum over groups of lambda mean (logit c_f - logit pi_f); pi_f is the mean of factor f.

    Factors of one group see the same evidence and are averaged; groups are added. NaN is left out of its group's mean.
    b makes the mean of c the share of right labels; while that is not known, b = logit pi of the held-out factor.
    """
    _refuse_multipliers(factors, "pooled")
    means = {f.name: float(np.nanmean(np.clip(f.values, LEAST, 1 - LEAST), dtype=np.float64)) for f in factors}
    total = np.zeros(len(factors[0].values))
    for group in _groups(factors):
        members = [f for f in factors if f.group == group]
        total += COEFFICIENTS[group] * group_log_odds([f.values for f in members], [means[f.name] for f in members])
    intercept = _logit(means.get("held_out", float(np.mean(list(means.values())))))
    if share_right is not None:
        intercept = _shifted(total, share_right)
    facts = {
        "combiner": "pooled",
        "intercept": float(intercept),
        "means": means,
        "coefficients": {group: COEFFICIENTS[group] for group in _groups(factors)},
        "share_right": share_right,
    }
    return Combined(credibility=_sigma(intercept + total).astype(np.float32), facts=facts)


def geometric(factors: Sequence[Factor], *, share_right: float | None = None) -> Combined:
    """c = (product of the factors that have an opinion) ^ (1 / their number); without any, the mean of the others' c."""
    _refuse_multipliers(factors, "geometric")
    n_known, logs = np.zeros(len(factors[0].values)), np.zeros(len(factors[0].values))
    with np.errstate(divide="ignore"):
        for factor in factors:
            known = ~np.isnan(factor.values)
            n_known += known
            logs += np.where(known, np.log(np.where(known, factor.values, 1.0)), 0.0)
    values = np.exp(logs / np.maximum(n_known, 1))
    silent = n_known == 0
    values[silent] = values[~silent].mean() if (~silent).any() else 1.0
    return Combined(credibility=values.astype(np.float32), facts={"combiner": "geometric"})


def product(factors: Sequence[Factor], *, share_right: float | None = None) -> Combined:
    """c = product of all factors, as URNet prints it: .6 x .5 x .75 x .7 = .1575. NaN is the factor's mean.

    A multiplier is scaled to mean 1 first: what a paper prints may have any scale (URNet eq. 3 is about 1/k).
    """
    result = np.ones(len(factors[0].values))
    means = {}
    for factor in factors:
        mean = float(np.nanmean(factor.values, dtype=np.float64))
        means[factor.name] = mean
        if factor.kind == "multiplier":
            if mean == 0:
                raise ReweighError(f"The multiplier {factor.name!r} is 0 for every image: nothing would be left.")
            result *= factor.values / mean
        else:
            result *= np.where(np.isnan(factor.values), mean, factor.values)
    return Combined(credibility=result.astype(np.float32), facts={"combiner": "product", "means": means})


COMBINERS: dict[str, Callable[..., Combined]] = {"pooled": pooled, "geometric": geometric, "product": product}


def group_log_odds(values: Sequence[NDArray[np.floating]], means: Sequence[float]) -> NDArray[np.float64]:
    """(n,) mean over the factors that have an opinion of logit c - logit pi; 0 where none has one."""
    total, n_known = np.zeros(len(values[0])), np.zeros(len(values[0]))
    for factor, mean in zip(values, means, strict=True):
        known = ~np.isnan(factor)
        total[known] += _logit(np.clip(factor[known], LEAST, 1 - LEAST)) - _logit(mean)
        n_known += known
    return total / np.maximum(n_known, 1)


def explain(facts: Mapping[str, Any], values: Mapping[str, float], groups: Mapping[str, str]) -> dict[str, float]:
    """What each factor of one image adds to the log-odds of its credibility under `pooled`; nothing for no opinion.

    facts as `Combined.facts`; values and groups: factor -> credibility (NaN = no opinion), factor -> group. The sum of
    all plus `intercept` is the credibility's log-odds.
    """
    known = {name: value for name, value in values.items() if value == value and name in facts["means"]}
    sizes = {group: sum(groups[name] == group for name in known) for group in facts["coefficients"]}
    return {
        name: facts["coefficients"][groups[name]]
        / sizes[groups[name]]
        * float(_logit(min(max(value, LEAST), 1 - LEAST)) - _logit(facts["means"][name]))
        for name, value in known.items()
    }


def _groups(factors: Sequence[Factor]) -> list[str]:
    return list(dict.fromkeys(f.group for f in factors))


def _refuse_multipliers(factors: Sequence[Factor], combiner: str) -> None:
    for factor in factors:
        if factor.kind == "multiplier":
            refuse_multiplier(factor.name, combiner)


def refuse_multiplier(name: str, combiner: str) -> None:
    """Raises ReweighError where a combiner has no use for a multiplier: all but `product`."""
    if combiner != "product":
        raise ReweighError(
            f"The weigher {name!r} is a multiplier, not a credibility: {combiner!r} cannot take it. Set weights.combiner=product."
        )


def _shifted(total: NDArray[np.float64], share: float) -> float:
    """The intercept at which the mean credibility is `share`."""
    from scipy.optimize import brentq

    if not 0 < share < 1:
        raise ReweighError(f"The share of right labels must lie between 0 and 1, found {share}.")
    return float(brentq(lambda b: _sigma(b + total).mean() - share, -60, 60))


def _logit(value):  # type: ignore[no-untyped-def]
    return np.log(value) - np.log1p(-value)


def _sigma(value: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import expit

    return np.asarray(expit(value))
