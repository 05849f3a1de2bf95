"""The weights of a finished run, read back from its folder for whoever explains them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.splits import resolve_splits
from reweigh.catalog.tables import Catalog, read_labels
from reweigh.runs.recipe import Recipe, last_round
from reweigh.runs.weights import stored_columns, weight_facts
from reweigh.weighers.settings import WeightSettings


@dataclass(frozen=True, kw_only=True)
class StoredWeighing:
    """Weights of n labelled training images of the last round, and how they came about."""

    rows: NDArray[np.int64]
    """(n,) rows of the catalog, ascending"""
    labels: NDArray[np.int32]
    """(n,) given labels"""
    weights: NDArray[np.float32]
    """(n,) 0 for an image that was excluded or cannot be read"""
    credibility: NDArray[np.float32] | None
    """(n,) NaN for an image that was not weighed; None where no factor speaks of labels"""
    factors: dict[str, NDArray[np.float32]]
    """By name, in the order of application, (n,); NaN = no opinion, or not weighed"""
    is_weighed: NDArray[np.bool_]
    """(n,) neither excluded nor unreadable"""
    facts: dict[str, Any]
    settings: WeightSettings


def stored_weighing(run: Path, record: dict[str, Any], recipe: Recipe, catalog: Catalog) -> StoredWeighing | None:
    """The weights that run.json points to; None for a run without weights."""
    place = record["places"].get("weights")
    if place is None:
        return None
    folder, labels = run / place, read_labels(catalog)
    facts = weight_facts(folder)
    training = resolve_splits(catalog, test_fraction=recipe.evaluation.test_fraction, seed=recipe.seed).train
    rows = training[labels[training] >= 0]
    credible = ["credibility"] if facts["combiner"] else []
    found = stored_columns(folder, ["weight", *credible, *facts["factors"]], rows, training)
    factors = {name: found[name] for name in facts["factors"]}
    return StoredWeighing(
        rows=rows, labels=labels[rows], weights=found["weight"], credibility=found.get("credibility"), factors=factors,
        is_weighed=_is_weighed(found, facts), facts=facts, settings=last_round(recipe).weights,
    )  # fmt: skip


def _is_weighed(found: dict[str, NDArray[np.float32]], facts: dict[str, Any]) -> NDArray[np.bool_]:
    """(n,) whether anything but exclusion spoke of the image; balance does of every image that is left."""
    if "credibility" in found:
        return ~np.isnan(found["credibility"])
    balances = [name for name, fact in facts["factors"].items() if fact["kind"] == "balance"]
    return ~np.isnan(found[balances[0]]) if balances else found["weight"] > 0
