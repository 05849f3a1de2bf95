"""`mode = "probe"`: a linear head on stored features, written together with its backbone as one model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from reweigh.features.hidden_layer import HiddenLayer
from reweigh.features.model_folder import write_model
from reweigh.probes.linear import Head, Probe, fit_probe
from reweigh.probes.soft_targets import SoftTargets
from reweigh.progress import Progress, silent
from reweigh.training.inputs import TrainingInputs

BASELINE = "baseline.safetensors"


@dataclass(frozen=True, kw_only=True)
class StoredHead:
    """What predicts from features, as it was stored; a `Head`."""

    weight: NDArray[np.float32]
    """(k, d), or (k, h) behind a hidden layer"""
    bias: NDArray[np.float32]
    """(k,)"""
    hidden: HiddenLayer | None = None


def train_probe(
    inputs: TrainingInputs, folder: Path, workspace: Path, *, key: str, progress: Progress = silent
) -> dict[str, Any]:
    """Fit the head and write the model into `folder`/model; returns what was chosen and found, as JSON.

    With weights or soft targets and `with_baseline`, the head without them goes to `folder`/baseline.safetensors. A fit takes seconds to
    minutes: `workspace` and `key` are not used.
    """
    probe = _fit(inputs, inputs.targets, inputs.weights, progress)
    baseline = _fit(inputs, inputs.labels, None, progress) if inputs.with_baseline and not inputs.is_plain else None
    if inputs.ranks.is_first:
        write_model(
            folder / "model",
            inputs.backbone,
            probe.weight,
            probe.bias,
            class_names=inputs.classes.names,
            synsets=inputs.classes.synsets,
        )
    if baseline is not None and inputs.ranks.is_first:
        write_baseline(folder, baseline)
    return {
        "mode": "probe",
        "rows": len(inputs.rows) if inputs.weights is None else int((inputs.weights > 0).sum()),
        "l2": inputs.l2,
        "weighted": not inputs.is_plain,
        "is_converged": probe.is_converged,
    }


def read_baseline(folder: Path) -> StoredHead | None:
    """The head without weights; None where none was trained."""
    if not (folder / BASELINE).is_file():
        return None
    stored = load_file(folder / BASELINE)
    hidden = (
        HiddenLayer(weight=stored["hidden.weight"], bias=stored["hidden.bias"]) if "hidden.weight" in stored else None
    )
    return StoredHead(weight=stored["weight"], bias=stored["bias"], hidden=hidden)


def write_baseline(folder: Path, head: Head) -> None:
    """What `read_baseline` reads."""
    hidden = head.hidden
    layers = {} if hidden is None else {"hidden.weight": hidden.weight, "hidden.bias": hidden.bias}
    save_file({"weight": head.weight, "bias": head.bias, **layers}, folder / BASELINE)


def _fit(
    inputs: TrainingInputs, targets: NDArray[np.integer] | SoftTargets, weights: NDArray[np.floating] | None, progress: Progress
) -> Probe:  # fmt: skip
    return fit_probe(
        inputs.features, inputs.rows, targets, k=len(inputs.classes.names), weights=weights, l2=inputs.l2,
        tolerance=inputs.probe.tolerance, max_iterations=inputs.probe.max_iterations, uids=inputs.uids, progress=progress, ranks=inputs.ranks,
    )  # fmt: skip
