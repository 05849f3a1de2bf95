"""`mode = "probe"`: a linear head on stored features, written together with its backbone as one model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Classes
from reweigh.features.matrix import FeatureMatrix
from reweigh.features.model_folder import write_model
from reweigh.features.networks import Backbone
from reweigh.probes.linear import Uids, fit_probe
from reweigh.probes.settings import ProbeSettings
from reweigh.progress import Progress, silent


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
    uids: Uids | None = None
    """Names of rows of the features, for errors."""


def train_probe(inputs: TrainingInputs, folder: Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Fit the head and write the model into `folder`; returns what was chosen and found, as JSON."""
    k = len(inputs.classes.names)
    probe = fit_probe(
        inputs.features, inputs.rows, inputs.targets, k=k, weights=inputs.weights, l2=inputs.l2, balance=inputs.probe.balance,
        tolerance=inputs.probe.tolerance, max_iterations=inputs.probe.max_iterations, uids=inputs.uids, progress=progress,
    )  # fmt: skip
    write_model(
        folder,
        inputs.backbone,
        probe.weight,
        probe.bias,
        class_names=inputs.classes.names,
        synsets=inputs.classes.synsets,
    )
    return {
        "mode": "probe",
        "rows": len(inputs.rows),
        "l2": inputs.l2,
        "balance": inputs.probe.balance,
        "is_converged": probe.is_converged,
    }


TRAINERS: dict[str, Callable[..., dict[str, Any]]] = {
    "probe": train_probe,
}
