"""`mode = "probe"` with `hidden_layer.width`: a hidden and a last layer on stored features, by the loop that finetunes networks."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from reweigh.features.model_folder import write_model
from reweigh.images.settings import ImageSettings
from reweigh.progress import Progress, silent
from reweigh.training.finetune_training import last_layer, names_of, told_of_bags, weighs
from reweigh.training.finetuning import Finetuned, FinetuneTask, finetune
from reweigh.training.hidden_settings import GROUP, loop_settings
from reweigh.training.inputs import TrainingInputs
from reweigh.training.probe_training import StoredHead, write_baseline
from reweigh.training.stored_rows import folded, stored_rows
from reweigh.training.training_log import LOG


def train_hidden_layer(
    inputs: TrainingInputs, folder: Path, workspace: Path, *, key: str, progress: Progress = silent
) -> dict[str, Any]:
    """Train on the stored features and write the model into `folder`/model, its log beside it; returns what was done, as JSON.

    With weights or soft targets and `with_baseline`, the same without them goes to `folder`/baseline.safetensors first.
    `workspace` keeps checkpoints: a call with the same `key` goes on where a killed process was. All ranks call this;
    rank 0 writes.
    """
    bags = inputs.hidden_layer.bags
    last = last_layer(bags, is_weighted=weighs(inputs.weights))  # the same of both: weights are compared, not heads
    if inputs.with_baseline and not inputs.is_plain:
        plain = replace(inputs, targets=inputs.labels, weights=None)
        head, _ = _trained(
            plain, last, workspace / "baseline", key=f"{key}-baseline", name="baseline", progress=progress
        )
        if inputs.ranks.is_first:
            write_baseline(folder, head)
            shutil.copyfile(workspace / "baseline" / LOG, folder / f"baseline-{LOG}")
    head, made = _trained(inputs, last, workspace / "model", key=key, name="training", progress=progress)
    if inputs.ranks.is_first:
        write_model(
            folder / "model", inputs.backbone, head.weight, head.bias, class_names=inputs.classes.names, synsets=inputs.classes.synsets,
            hidden=head.hidden,
        )  # fmt: skip
        shutil.copyfile(workspace / "model" / LOG, folder / LOG)
    facts = {name: value for name, value in made.facts.items() if name not in ("network", "unreadable")}
    return {
        "mode": "probe", "hidden": inputs.hidden_layer.width, **facts, **told_of_bags(inputs, bags, made.saliency, folder)
    }  # fmt: skip


def _trained(
    inputs: TrainingInputs, last: str, workspace: Path, *, key: str, name: str, progress: Progress
) -> tuple[StoredHead, Finetuned]:
    """The layers with the last one of this name, and all that was trained."""
    settings = inputs.hidden_layer
    stored = stored_rows(inputs.features, inputs.rows, inputs.weights, width=settings.width, uids=inputs.uids)
    task = FinetuneTask(
        settings=loop_settings(settings), network=inputs.backbone.settings, k=len(inputs.classes.names), rows=inputs.rows, targets=inputs.targets,
        labels=inputs.labels, weights=inputs.weights, locate=lambda rows: [], uids=lambda rows: names_of(inputs, rows), images=ImageSettings(),
        device=inputs.device, precision="float32", seed=inputs.seed, ranks=inputs.ranks, stored=stored, group=GROUP,
    )  # fmt: skip
    made = finetune(task, workspace, key=key, name=name, progress=progress)
    weight, bias = (made.tensors[f"{last}.{part}"].numpy() for part in ("weight", "bias"))
    return StoredHead(weight=weight, bias=bias, hidden=folded(stored, made.tensors)), made
