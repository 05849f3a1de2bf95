"""What a round or a model will spend on training, from a few steps on the data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import read_labels
from reweigh.features.matrix import ArrayFeatures
from reweigh.runs.cross_fitted import epochs_of, trainings_of
from reweigh.runs.on_images import on_images
from reweigh.runs.work import Work
from reweigh.training.finetuning import FinetuneTask
from reweigh.training.hidden_settings import GROUP, loop_settings
from reweigh.training.stored_rows import StoredRows
from reweigh.training.training_speed import seconds_per_image


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """Seconds, and in words what they are spent on: "" where there is nothing but a linear head."""

    seconds: float = 0.0
    said: str = ""


IMAGE_TEXT_SECONDS_PER_UNIT = 3.5e-10
"""Seconds for each multiplication of weights by values that image-text training does forwards, on two cores, right within a factor of
three (dev/log.md)."""


def image_text_cost(work: Work, *, feature_size: int) -> TrainingCost:
    """Of the networks that match images with their labels' texts; nothing where no weigher does."""
    if "image_text" not in work.recipe.weights.use:
        return TrainingCost()
    chosen = work.recipe.weights.image_text
    one_image = feature_size * chosen.hidden + chosen.hidden * chosen.size + chosen.size * work.catalog.k
    seconds = IMAGE_TEXT_SECONDS_PER_UNIT * chosen.n_folds * chosen.steps * chosen.batch * one_image
    return TrainingCost(seconds=seconds, said="image-text matching")


def cross_fit_cost(work: Work) -> TrainingCost:
    """Of the networks that predict held out; nothing where a probe does."""
    networks = trainings_of(work)
    if not networks:
        return TrainingCost()
    task = _on_images(work)
    epochs = epochs_of(work)
    share = (networks - 1) / networks if networks > 1 else 1.0
    seconds = seconds_per_image(task) * len(task.rows) * networks * share * epochs
    return TrainingCost(
        seconds=seconds, said=f"{networks} network{'s' if networks > 1 else ''} of {epochs} epochs for evidence.cross_fit"
    )  # fmt: skip


def classifier_cost(work: Work, *, feature_size: int) -> TrainingCost:
    """Of the classifier, and of the one without weights beside it."""
    recipe = work.recipe
    if recipe.training.mode == "finetune":
        task, epochs = _on_images(work), recipe.finetune.epochs
        what = f"{task.network.name} at {task.network.input_size} pixels"
    elif recipe.hidden_layer.width:
        task, epochs = _on_features(work, feature_size), recipe.hidden_layer.epochs
        what = f"a hidden layer of {recipe.hidden_layer.width}"
    else:
        return TrainingCost()
    times = 2 if recipe.training.baseline and (recipe.weights.use or recipe.targets.policy != "keep") else 1
    twice = ", once without weights and once with them" if times == 2 else ""
    return TrainingCost(
        seconds=seconds_per_image(task) * len(task.rows) * times * epochs,
        said=f"{what}, {epochs} epochs{twice}",
    )


def _on_images(work: Work) -> FinetuneTask:
    recipe, on = work.recipe, on_images(work)
    rows, labels = _learnt(work)
    settings = replace(recipe.finetune, start="random" if recipe.finetune.start == "random" else "backbone")
    return FinetuneTask(
        settings=settings, network=on.network, k=work.catalog.k, rows=rows, targets=labels,
        labels=labels, locate=on.locate, uids=lambda at: [str(row) for row in at], images=on.images, device=on.device, precision=on.precision,
        seed=recipe.seed,
    )  # fmt: skip


def _on_features(work: Work, d: int) -> FinetuneTask:
    """Steps on features made up, as the data's own are not there yet."""
    recipe = work.recipe
    rows, labels = _learnt(work)
    row = np.random.default_rng(recipe.seed).standard_normal((1, d)).astype(np.float16)
    features = ArrayFeatures(np.broadcast_to(row, (work.catalog.n, d)))
    stored = StoredRows(
        features=features, width=recipe.hidden_layer.width, mean=np.zeros(d, np.float32), scale=np.ones(d, np.float32)
    )
    return FinetuneTask(
        settings=loop_settings(recipe.hidden_layer), network=recipe.backbone, k=work.catalog.k, rows=rows, targets=labels, labels=labels,
        locate=lambda at: [], uids=lambda at: [str(row) for row in at], images=recipe.images, device=recipe.device, precision="float32",
        seed=recipe.seed, stored=stored, group=GROUP,
    )  # fmt: skip


def _learnt(work: Work) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Labelled training rows and their labels."""
    rows = work.splits.train
    labels = read_labels(work.catalog)[rows]
    return rows[labels >= 0], labels[labels >= 0]
