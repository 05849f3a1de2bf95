"""`mode = "probe"`: a linear head on stored features, written together with its backbone as one model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from reweigh.catalog.tables import Classes
from reweigh.features.matrix import FeatureMatrix
from reweigh.features.model_folder import write_model
from reweigh.features.networks import Backbone
from reweigh.probes.linear import Probe, Uids, fit_probe
from reweigh.probes.settings import ProbeSettings
from reweigh.progress import Progress, silent

BASELINE = "baseline.safetensors"


@dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """What every way of training reads."""

    features: FeatureMatrix
    rows: NDArray[np.int64]
    """(n,) rows of the features that are trained on."""
    targets: NDArray[Any]
    """(n,) class indices, or (n, k) soft targets."""
    weights: NDArray[np.floating] | None
    """(n,) weights on the loss, 0 or more; None: all equal."""
    l2: float
    """Strength of regularisation, as the held-out predictions chose it or the settings say."""
    backbone: Backbone
    classes: Classes
    probe: ProbeSettings
    with_baseline: bool = False
    """Whether the same is also trained without weights, to be compared with."""
    uids: Uids | None = None
    """Names of rows of the features, for errors."""


@dataclass(frozen=True, kw_only=True)
class StoredHead:
    """A linear head as it was stored; a `Head`."""

    weight: NDArray[np.float32]
    """(k, d)"""
    bias: NDArray[np.float32]
    """(k,)"""


def train_probe(inputs: TrainingInputs, folder: Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Fit the head and write the model into `folder`/model; returns what was chosen and found, as JSON.

    With weights and `with_baseline`, the head without weights goes to `folder`/baseline.safetensors.
    """
    probe = _fit(inputs, inputs.weights, progress)
    write_model(
        folder / "model",
        inputs.backbone,
        probe.weight,
        probe.bias,
        class_names=inputs.classes.names,
        synsets=inputs.classes.synsets,
    )
    if inputs.weights is not None and inputs.with_baseline:
        baseline = _fit(inputs, None, progress)
        save_file({"weight": baseline.weight, "bias": baseline.bias}, folder / BASELINE)
    return {
        "mode": "probe",
        "rows": len(inputs.rows) if inputs.weights is None else int((inputs.weights > 0).sum()),
        "l2": inputs.l2,
        "weighted": inputs.weights is not None,
        "is_converged": probe.is_converged,
    }


def read_baseline(folder: Path) -> StoredHead | None:
    """The head without weights; None where none was trained."""
    if not (folder / BASELINE).is_file():
        return None
    return StoredHead(**load_file(folder / BASELINE))


def _fit(inputs: TrainingInputs, weights: NDArray[np.floating] | None, progress: Progress) -> Probe:
    return fit_probe(
        inputs.features, inputs.rows, inputs.targets, k=len(inputs.classes.names), weights=weights, l2=inputs.l2,
        tolerance=inputs.probe.tolerance, max_iterations=inputs.probe.max_iterations, uids=inputs.uids, progress=progress,
    )  # fmt: skip


TRAINERS: dict[str, Callable[..., dict[str, Any]]] = {
    "probe": train_probe,
}
