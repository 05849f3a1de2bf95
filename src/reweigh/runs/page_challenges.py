"""URNet's five challenges on a run's data, each in words and with its remedy, for the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.evidence.density import Density
from reweigh.evidence.held_out import HeldOut
from reweigh.evidence.neighbours import NeighbourVotes
from reweigh.report.page import percent
from reweigh.report.weight_records import Challenge
from reweigh.runs import diagnosis
from reweigh.runs.recipe import Recipe
from reweigh.runs.stored_weighing import StoredWeighing

LOOKS = {
    "density": "images in the dense core of their class count more",
    "curriculum": "images in the dense core of their class count more",
    "clusters": "images in clusters that their class fills count more",
    "cluster_weight": "each cluster of a class has a weight of its own",
    "cluster_emphasis": "images where classes are confused count more",
}
"""Weighers that look at clusters, and what they do."""


@dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """What the figures are measured on."""

    weighing: StoredWeighing
    held_out: HeldOut
    density: Density | None
    neighbours: NeighbourVotes | None
    labels: NDArray[np.int32]
    """(n,) given labels of all rows of the catalog, -1 = none"""
    names: tuple[str, ...]
    recipe: Recipe
    """Of the last round"""


def challenges(found: Diagnosed) -> tuple[Challenge, ...]:
    """The five, in URNet's order."""
    return (_imbalance(found), _diversity(found), _noise(found), _saliency(found), _ambiguity(found))


def _imbalance(found: Diagnosed) -> Challenge:
    sizes = np.bincount(found.weighing.labels, minlength=len(found.names))
    filled = np.flatnonzero(sizes)
    ratio = diagnosis.size_ratio(sizes)
    largest, smallest = int(sizes.argmax()), int(filled[sizes[filled].argmin()])
    empty = len(sizes) - len(filled)
    if ratio == 1:
        meaning = f"Every class has {sizes[largest]:,} images."
    else:
        meaning = (
            f"{_times(ratio)} times as many images in the largest class ({found.names[largest]}, {sizes[largest]:,}) "
            f"as in the smallest ({found.names[smallest]}, {sizes[smallest]:,})."
        )
    meaning += f" {empty:,} classes have no image and are left out." if empty else ""
    used, alpha = _named(found, "balance"), found.weighing.settings.class_balance.alpha
    remedy = (
        f"class_balance, alpha {alpha:g}: at 0 every image weighs the same, at 1 every class"
        if used == ["class_balance"]
        else f"{', '.join(used) or 'class_balance'}: classes get equal shares of the weight"
    )
    return Challenge(
        name="Class imbalance", figure=f"{_times(ratio)} : 1", meaning=meaning, remedy=remedy, is_on=bool(used)
    )


def _diversity(found: Diagnosed) -> Challenge:
    used = [name for name in LOOKS if name in found.weighing.facts["factors"]]
    remedy = "; ".join(f"{name}: {LOOKS[name]}" for name in used or ["clusters"])
    piece = found.density or found.neighbours
    if piece is None:
        return Challenge(
            name="Cluster diversity", figure="not measured", is_on=bool(used), remedy=remedy,
            meaning="Neither densities nor neighbours were made for these weights.",
        )  # fmt: skip
    share = found.density.share if found.density is not None else found.neighbours.label_share  # type: ignore[union-attr]
    value = diagnosis.outside_core(share, found.labels[piece.rows], len(found.names))
    how = (
        "near to fewer than half of the class's other images"
        if found.density is not None
        else "where fewer than half of the most similar images carry the label"
    )
    return Challenge(
        name="Cluster diversity", figure=percent(value), is_on=bool(used), remedy=remedy,
        meaning=f"{percent(value)} of a class's images lie outside its dense core, {how} (mean over classes). "
        "Other looks than the main one lie there, and wrong labels; several looks of one size are not told from one.",
    )  # fmt: skip


def _noise(found: Diagnosed) -> Challenge:
    held_out, weighing = found.held_out, found.weighing
    value = diagnosis.disagreement(held_out.label_position, held_out.labels)
    meaning = f"{percent(value)} of the labels are not what a model that has not seen the image predicts."
    used, multipliers = _named(found, "credibility"), _named(found, "multiplier")
    if weighing.credibility is not None and not multipliers:  # with one, the product is no probability
        doubted = diagnosis.doubt(weighing.credibility)
        meaning += f" The mean credibility is {1 - doubted:.2f}, so that {percent(doubted)} of the mass is doubted"
        meaning += (
            "." if weighing.facts.get("share_right") else ": an order of images, not shifted to a rate of errors."
        )
    used += multipliers
    return Challenge(
        name="Noisy images", figure=percent(value), meaning=meaning, is_on=bool(used),
        remedy=f"{', '.join(used)}: images whose label is doubted count less" if used else "factors of credibility: none is used",
    )  # fmt: skip


def _saliency(found: Diagnosed) -> Challenge:
    facts = found.weighing.facts
    shares = np.array([np.nan if share is None else share for share in facts["class_effective_shares"]])
    value, smallest = diagnosis.saliency(shares), facts["smallest_class_effective_share"]
    meaning = (
        f"The images of a class, weighed, are worth {percent(value)} of as many that count alike: the effective sample share "
        "within the class, mean over classes."
    )
    if smallest is not None:
        meaning += f" In the smallest class, {found.names[facts['smallest_class']]}, it is {percent(smallest)}."
    recipe = found.recipe
    name, bags = (
        ("finetune", recipe.finetune.bags)
        if recipe.training.mode == "finetune"
        else ("hidden_layer", recipe.hidden_layer.bags)
    )
    how = "with learnt attention" if bags.pooling == "attention" else "by their mean"
    return Challenge(
        name="Image saliency", figure=percent(value), meaning=meaning, is_on=bool(bags.size),
        remedy=f"bags of {bags.size or 'a few'} images of a class, classified together too, {how} ({name}.bags.size)",
    )  # fmt: skip


def _ambiguity(found: Diagnosed) -> Challenge:
    held_out = found.held_out
    value = diagnosis.ambiguity(
        held_out.label_log_probability, held_out.best_other_log_probability, held_out.labels
    )  # fmt: skip
    return Challenge(
        name="Label ambiguity", figure=percent(value), is_on=found.recipe.targets.policy != "keep",
        meaning=f"{percent(value)} of the labels have a rival: another class at least half and at most twice as probable by the held-out prediction.",
        remedy="targets.policy: an image is taught its label mixed with what is predicted for it",
    )  # fmt: skip


def _named(found: Diagnosed, kind: str) -> list[str]:
    return [name for name, fact in found.weighing.facts["factors"].items() if fact["kind"] == kind]


def _times(ratio: float) -> str:
    """`1.4`, `9`, `1,203`: one decimal where it matters."""
    return f"{ratio:.1f}".removesuffix(".0") if ratio < 10 else f"{ratio:,.0f}"
