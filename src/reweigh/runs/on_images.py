"""What finetuning reads of a run: the images, the network, and all that its result depends on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reweigh.catalog.tables import image_locations
from reweigh.runs.recipe import Recipe
from reweigh.runs.resolve import device_of, network_of
from reweigh.runs.stages import Completed
from reweigh.runs.work import Work
from reweigh.training.inputs import OnImages

WITHOUT_EFFECT = ("workers", "checkpoint_steps", "log_steps", "tensorboard")
"""Settings of finetuning that its result does not depend on."""


def on_images(work: Work, previous: Completed | None = None) -> OnImages:
    """What finetuning reads of the catalog's images and of the recipe."""
    recipe = work.recipe
    return OnImages(
        settings=recipe.finetune, network=network_of(recipe), locate=lambda at: image_locations(work.catalog, at),
        images=recipe.images, device=device_of(recipe.device, work.ranks), precision=recipe.precision,
        previous=None if previous is None else previous.folder / "model",
    )  # fmt: skip


def read_by_mode(work: Work, previous: Completed | None) -> dict[str, Any]:
    """What a stage of training depends on beside features and weights."""
    if work.recipe.training.mode != "finetune":
        return _read_by_hidden_layer(work.recipe)
    is_gone_on = previous is not None and work.recipe.finetune.start == "previous"
    return {**read_on_images(work), "previous": previous.hash if previous is not None and is_gone_on else None}


def _read_by_hidden_layer(recipe: Recipe) -> dict[str, Any]:
    """Nothing where the probe is linear."""
    if not recipe.hidden_layer.width:
        return {}
    settings = {key: value for key, value in asdict(recipe.hidden_layer).items() if key not in WITHOUT_EFFECT}
    return {"hidden_layer": settings, "seed": recipe.seed, "device": recipe.device.partition(":")[0]}


def read_on_images(work: Work) -> dict[str, Any]:
    """What a finetuned network depends on beside features, labels and weights."""
    recipe = work.recipe
    settings = asdict(recipe.finetune)
    return {
        "finetune": {key: value for key, value in settings.items() if key not in WITHOUT_EFFECT},
        "network": asdict(network_of(recipe)), "seed": recipe.seed, "precision": recipe.precision, "max_pixels": recipe.images.max_pixels,
        "device": recipe.device.partition(":")[0],
    }  # fmt: skip
