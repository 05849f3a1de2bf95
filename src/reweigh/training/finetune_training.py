"""`mode = "finetune"`: the network trained on the images, once without weights for comparison and once with them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.features.model_folder import load_model, write_model
from reweigh.features.networks import Backbone, create_network, wrap
from reweigh.probes.linear import fit_probe
from reweigh.progress import Progress, silent
from reweigh.training.bags import BAG_HEAD
from reweigh.training.classifier import HEAD
from reweigh.training.finetuning import Finetuned, FinetuneTask, finetune
from reweigh.training.inputs import OnImages, TrainingInputs
from reweigh.training.probe_training import StoredHead
from reweigh.training.settings import OWN_BACKBONE, BagSettings
from reweigh.training.training_log import LOG

BASELINE_MODEL = "baseline"
"""Model folder of the network trained without weights."""
SALIENCY = "saliency.parquet"
EXAMPLES, HISTOGRAM_BINS = 6, 40
"""Of the saliency, for the page"""


def train_finetuned(
    inputs: TrainingInputs, folder: Path, workspace: Path, *, key: str, progress: Progress = silent
) -> dict[str, Any]:
    """Train on the images and write the model into `folder`/model, its log beside it; returns what was done, as JSON.

    With weights, the same without them goes to `folder`/baseline first, where that is wished or started from. `workspace`
    keeps checkpoints: a call with the same `key` goes on where a killed process was. All ranks call this; rank 0 writes.
    """
    on = _on_images(inputs)
    starts_there = on.settings.start == "baseline"
    if starts_there and inputs.is_plain:
        raise ReweighError(
            'finetune.start = "baseline" goes on from a network trained without weights, but this recipe has none; set weights.use, or '
            'finetune.start = "backbone".'
        )
    last = last_layer(
        on.settings.bags, is_weighted=weighs(inputs.weights)
    )  # the same of both: weights are compared, not heads
    before = None
    if not inputs.is_plain and (inputs.with_baseline or starts_there):
        plain = replace(inputs, targets=inputs.labels, weights=None)
        before = finetune(
            finetune_task(plain, on, None, _first(inputs, on)), workspace / "baseline", key=f"{key}-baseline", name="baseline", progress=progress
        )  # fmt: skip
        _write(plain, on, before, last, folder / BASELINE_MODEL, workspace / "baseline")
    start = before.tensors if starts_there and before is not None else _first(inputs, on)
    trained = finetune(
        finetune_task(inputs, on, inputs.weights, start),
        workspace / "model",
        key=key,
        name="training",
        progress=progress,
    )
    _write(inputs, on, trained, last, folder / "model", workspace / "model")
    return {"mode": "finetune", **trained.facts, **told_of_bags(inputs, on.settings.bags, trained.saliency, folder)}


def told_of_bags(
    inputs: TrainingInputs, bags: BagSettings, saliency: NDArray[np.float64] | None, folder: Path
) -> dict[str, Any]:
    """What was done with bags, as JSON; nothing without. The saliency is written into `folder`."""
    if saliency is None:
        return {}
    if inputs.ranks.is_first:
        write_saliency(inputs, saliency, folder)
    last = last_layer(bags, is_weighted=weighs(inputs.weights))
    return {
        "bags": {"size": bags.size, "pooling": bags.pooling, "last_layer": "instance" if last == HEAD else "bag"},
        "saliency": saliency_facts(saliency, inputs.rows, size=bags.size),
    }


def saliency_facts(saliency: NDArray[np.float64], rows: NDArray[np.int64], *, size: int) -> dict[str, Any]:
    """Of the saliency (n,) of these rows of the catalog, as JSON: histogram over 0 to `size`, and the rows where it is largest and least."""
    known = np.flatnonzero(~np.isnan(saliency))
    order = known[np.lexsort((rows[known], -saliency[known]))]
    counts, _ = np.histogram(saliency[known], bins=HISTOGRAM_BINS, range=(0, size))
    return {
        "size": size, "n": len(known), "missing": len(saliency) - len(known), "counts": counts.tolist(),
        "mean": float(saliency[known].mean()) if len(known) else 1.0,
        "highest": _pairs(order[:EXAMPLES], saliency, rows), "lowest": _pairs(order[::-1][:EXAMPLES], saliency, rows),
    }  # fmt: skip


def _pairs(at: NDArray[np.int64], values: NDArray[np.float64], rows: NDArray[np.int64]) -> list[list[float]]:
    return [[int(rows[i]), round(float(values[i]), 4)] for i in at]


def write_saliency(inputs: TrainingInputs, saliency: NDArray[np.float64], folder: Path) -> None:
    """saliency.parquet: uid, and how much the image spoke for its class; null where it was in no bag."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "uid": pa.array(names_of(inputs, inputs.rows), pa.string()),
        "saliency": pa.array(saliency.astype(np.float32), from_pandas=True),
    }
    pq.write_table(pa.table(columns), folder / SALIENCY, compression="zstd")


def _on_images(inputs: TrainingInputs) -> OnImages:
    if inputs.on_images is None:
        raise ReweighError('Finetuning needs the images; features alone are enough for training.mode = "probe" only.')
    return inputs.on_images


def _first(inputs: TrainingInputs, on: OnImages) -> dict[str, torch.Tensor] | None:
    """Tensors of the last round's classifier where that is the start; None: the network's own."""
    if on.settings.start != "previous":
        return None
    if on.previous is None:
        raise ReweighError(
            'finetune.start = "previous" goes on from the round before, and the first round has none; set it in the second [[rounds]].'
        )
    model = load_model(on.previous, device="cpu", precision="float32")
    if model.hidden is not None:
        raise ReweighError(
            "The round before ends in a hidden layer on features, which a finetuned network has not; set hidden_layer.width = 0 there, or "
            'finetune.start = "backbone".'
        )
    if model.backbone.module is None:
        raise ReweighError("The round before has no network to go on from: its backbone is pixels.")
    tensors = {f"backbone.{name}": value.clone() for name, value in model.backbone.module.state_dict().items()}
    return tensors | {f"{HEAD}.weight": torch.from_numpy(model.weight), f"{HEAD}.bias": torch.from_numpy(model.bias)}


def finetune_task(
    inputs: TrainingInputs, on: OnImages, weights: NDArray[np.floating] | None, start: dict[str, torch.Tensor] | None
) -> FinetuneTask:
    return FinetuneTask(
        settings=on.settings, network=on.network, k=len(inputs.classes.names), rows=inputs.rows, targets=inputs.targets, labels=inputs.labels, weights=weights,
        locate=on.locate, uids=lambda rows: names_of(inputs, rows), images=on.images, device=on.device, precision=on.precision,
        seed=inputs.seed, ranks=inputs.ranks, tensors=start, head=None if start is not None else _head(inputs, on, weights),
    )  # fmt: skip


def names_of(inputs: TrainingInputs, rows: NDArray[np.int64]) -> list[str]:
    """What the rows are called: their uids where they are known."""
    return [str(row) for row in rows] if inputs.uids is None else list(inputs.uids(rows))


def _head(
    inputs: TrainingInputs, on: OnImages, weights: NDArray[np.floating] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """The last layer that a probe on the stored features gives, where they are this network's.

    A random one would send large, meaningless gradients through a pretrained network at first (Kumar et al. 2022).
    """
    settings = on.settings
    is_own = settings.network.name == OWN_BACKBONE and settings.network.input_size in (0, inputs.backbone.view.size)
    fits = is_own and settings.start != "random" and inputs.backbone.module is not None
    if settings.head == "probe" and not fits:
        raise ReweighError(
            'finetune.head = "probe" needs features of the very network that is trained: leave finetune.network and finetune.start as '
            "they are, or set finetune.head to auto or random."
        )
    if settings.head == "random" or not fits:
        return None
    probe = fit_probe(
        inputs.features, inputs.rows, inputs.targets, k=len(inputs.classes.names), weights=weights, l2=inputs.l2,
        tolerance=inputs.probe.tolerance, max_iterations=inputs.probe.max_iterations, uids=inputs.uids, ranks=inputs.ranks,
    )  # fmt: skip
    return probe.weight, probe.bias


def _write(inputs: TrainingInputs, on: OnImages, made: Finetuned, last: str, folder: Path, workspace: Path) -> None:
    """The network with its last layer of this name as a model folder, and its log under the folder's name."""
    if not inputs.ranks.is_first:
        return
    backbone, head = trained_network(made, on, device="cpu", last=last)
    state = {
        name.removeprefix("backbone."): value for name, value in made.tensors.items() if name.startswith("backbone.")
    }
    write_model(
        folder, backbone, head.weight, head.bias, class_names=inputs.classes.names, synsets=inputs.classes.synsets, state=state,
        card={"is_pretrained": on.settings.start != "random"},
    )  # fmt: skip
    shutil.copyfile(workspace / LOG, folder.parent / (LOG if folder.name == "model" else f"{folder.name}-{LOG}"))


def weighs(weights: NDArray[np.floating] | None) -> bool:
    """Whether images that are learnt from count differently; leaving some out is no weighing."""
    if weights is None:
        return False
    positive = weights[weights > 0]
    return bool(len(positive) and positive.min() < positive.max())


def last_layer(bags: BagSettings, *, is_weighted: bool) -> str:
    """Which linear layer classifies: that of images, or that of bags fed with one image, whose share is then 1."""
    if not bags.size or bags.test == "instance":
        return HEAD
    return HEAD if bags.test == "auto" and is_weighted else f"{BAG_HEAD}.fc4"


def trained_network(made: Finetuned, on: OnImages, *, device: str, last: str = HEAD) -> tuple[Backbone, StoredHead]:
    """A finetuned classifier as what gives features, and the head on them."""
    network, view = create_network(on.network, is_pretrained=False)
    network.load_state_dict(
        {name.removeprefix("backbone."): value for name, value in made.tensors.items() if name.startswith("backbone.")}
    )
    weight, bias = (made.tensors[f"{last}.{name}"].float().numpy() for name in ("weight", "bias"))
    return wrap(network, view, on.network, device=device, precision=on.precision), StoredHead(weight=weight, bias=bias)
