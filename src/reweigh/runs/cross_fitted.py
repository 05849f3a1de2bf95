"""Held-out predictions by networks that have not seen the image: `evidence.cross_fit`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import image_locations, read_classes, read_uids
from reweigh.evidence.inputs import EvidenceInputs, PredictFold
from reweigh.features.extraction import extract
from reweigh.probes.linear import predict
from reweigh.ranks import ALONE
from reweigh.runs.on_images import on_images, read_on_images
from reweigh.runs.resolve import load
from reweigh.runs.stages import hash_of
from reweigh.runs.work import Work
from reweigh.training.finetune_training import finetune_task, trained_network
from reweigh.training.finetuning import finetune
from reweigh.training.inputs import TrainingInputs
from reweigh.training.settings import FinetuneSettings

EARLY_SHARE = 5
"""`early` ends after a fifth of the epochs."""
HEAD_L2 = 0.02
"""Of the probe that a network's last layer starts from, where the settings do not say it: only a start."""


def cross_fit_reads(work: Work) -> dict[str, Any]:
    """What the predictions depend on beside the settings of evidence; nothing where a probe makes them."""
    settings = work.recipe.evidence
    if settings.cross_fit == "none":
        return {}
    chosen = {"cross_fit": settings.cross_fit, "epochs": epochs_of(work)}
    return {"cross_fit": {**chosen, **read_on_images(work)}}


def epochs_of(work: Work) -> int:
    """Epochs of each network."""
    settings, epochs = work.recipe.evidence, work.recipe.finetune.epochs
    if settings.cross_fit_epochs:
        return settings.cross_fit_epochs
    return epochs if settings.cross_fit == "folds" else max(epochs // EARLY_SHARE, 1)


def trainings_of(work: Work) -> int:
    """How many networks are trained."""
    return {"none": 0, "early": 1, "folds": work.recipe.evidence.n_folds}[work.recipe.evidence.cross_fit]


def predict_by_networks(work: Work, inputs: EvidenceInputs, workspace: Path) -> PredictFold:
    """Predictions of a fold's images by a network finetuned on the others, without weights, from its first weights on.

    Networks and their features stay in `workspace` until the stage is whole: a killed one goes on.
    """
    early = work.recipe.evidence.cross_fit == "early"
    is_learnt = inputs.labels >= 0 if inputs.is_fitted is None else (inputs.labels >= 0) & inputs.is_fitted

    def fold(number: int, seen: NDArray[np.bool_], is_out: NDArray[np.bool_]) -> Iterator[NDArray[np.float32]]:
        # An early network has seen the image, but not often enough to know it by heart.
        name = "early" if early else f"fold {number + 1}" if number >= 0 else "all folds"
        return _fold(
            work, inputs, workspace / "networks" / name.replace(" ", "-"), name, is_learnt if early else seen, is_out
        )

    return fold


def _fold(
    work: Work, inputs: EvidenceInputs, place: Path, name: str, seen: NDArray[np.bool_], is_out: NDArray[np.bool_]
) -> Iterator[NDArray[np.float32]]:
    recipe, catalog = work.recipe, work.catalog
    settings: FinetuneSettings = replace(
        recipe.finetune, epochs=epochs_of(work), start="random" if recipe.finetune.start == "random" else "backbone"
    )
    alone = replace(work, ranks=ALONE)
    on = replace(on_images(alone), settings=settings, device=on_images(work).device)
    backbone = load(recipe, work.ranks)
    given = TrainingInputs(
        features=inputs.features, rows=inputs.rows[seen], labels=inputs.labels[seen], targets=inputs.labels[seen], weights=None, l2=recipe.probe.l2 or HEAD_L2,
        backbone=backbone, classes=read_classes(catalog), probe=recipe.probe, uids=inputs.uids, seed=recipe.seed, on_images=on,
    )  # fmt: skip
    key = hash_of([cross_fit_reads(work), name])
    made = finetune(finetune_task(given, on, None, None), place, key=key, name=name, progress=inputs.progress)
    network, head = trained_network(made, on, device=on.device)
    rows = inputs.rows[is_out]
    features = extract(
        network, len(rows), lambda at: image_locations(catalog, rows[at]), lambda at: read_uids(catalog, rows[at]),
        folder=place / f"features-{hashlib.blake2b(rows.tobytes(), digest_size=6).hexdigest()}", settings=recipe.features, images=recipe.images,
        progress=inputs.progress,
    )  # fmt: skip
    return predict(head, features, np.arange(len(rows)))
