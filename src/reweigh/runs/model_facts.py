"""What a run knows of its model, for the model card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from reweigh.features.model_card import CardFacts
from reweigh.runs.measured import AGAINST, SOURCES, interval, share, told
from reweigh.runs.recipe import Recipe

SETS = {"test": "test", "baseline": "the same, trained without weights"}


def model_facts(recipe: Recipe, metrics: dict[str, Any], *, data: str, weighers: Sequence[str]) -> CardFacts:
    """Facts of a trained round: `metrics` as metrics.json holds them, `data` where it was made from, `weighers` used."""
    training = metrics["training"]
    return CardFacts(
        data=PurePath(data).name.removesuffix(".catalog"), images=training["rows"], training=training_said(recipe, training),
        is_pretrained=not (training["mode"] == "finetune" and recipe.finetune.start == "random"),
        weighing=_weighing(weighers, metrics.get("weights")), figures=_figures(metrics),
    )  # fmt: skip


def training_said(recipe: Recipe, training: dict[str, Any]) -> str:
    """How the classifier was made, in words."""
    if training.get("hidden"):
        return f"a hidden layer of {training['hidden']:,} units and a last layer on features; the network stayed as it was{bags_said(training)}"
    if training["mode"] == "probe":
        return "a linear last layer on features; the network stayed as it was"
    settings = recipe.finetune
    epochs = "1 epoch" if settings.epochs == 1 else f"{settings.epochs} epochs"
    averaged = ", its weights averaged over the steps" if settings.averaging else ""
    return (
        f"the whole network on the images, {epochs}, {training['batch']:,} images a step{averaged}{bags_said(training)}"
    )


def bags_said(training: dict[str, Any]) -> str:
    """`; bags of 3 images too, by attention; the last layer is that of bags`, nothing without bags."""
    if "bags" not in training:
        return ""
    bags = training["bags"]
    how = "by attention" if bags["pooling"] == "attention" else "by their mean"
    whose = "single images" if bags["last_layer"] == "instance" else "bags"
    return f"; bags of {bags['size']} images too, {how}; the last layer is that of {whose}"


def _weighing(weighers: Sequence[str], weights: dict[str, Any] | None) -> str:
    if not weighers or weights is None:
        return "each image counted the same"
    return f"each image weighed by {', '.join(weighers)}; effective share of the images {share(weights['effective_share'])} %"


def _figures(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """Test figures against each kind of answer, and what they were measured on where that is no test split."""
    found = []
    for name, title in SETS.items():
        if not metrics.get(name):
            continue
        for kind, figures in told(metrics[name]).items():
            value = (
                f"{share(figures['top_1'])} % (95 %: {interval(figures['top_1_interval'])}) of {figures['n']:,} images, "
                f"mean over classes {share(figures['class_averaged'])} %"
            )
            found.append((f"{title}: {AGAINST[kind]}", value))
    source = (metrics.get("test") or {}).get("source")
    return [*found, ("measured on", SOURCES[source])] if found and source in SOURCES else found
