"""What every way of training reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Classes, ImageLocation
from reweigh.features.matrix import FeatureMatrix
from reweigh.features.networks import Backbone
from reweigh.features.settings import BackboneSettings
from reweigh.images.settings import ImageSettings
from reweigh.probes.linear import Uids
from reweigh.probes.settings import ProbeSettings
from reweigh.probes.soft_targets import SoftTargets
from reweigh.ranks import ALONE, Ranks
from reweigh.training.hidden_settings import HiddenLayerSettings
from reweigh.training.settings import FinetuneSettings


@dataclass(frozen=True, kw_only=True)
class OnImages:
    """What finetuning reads beyond features."""

    settings: FinetuneSettings
    network: BackboneSettings
    """Resolved"""
    locate: Callable[[NDArray[np.int64]], Sequence[ImageLocation]]
    """Where the images of these rows of the catalog lie."""
    images: ImageSettings = field(default_factory=ImageSettings)
    device: str = "cpu"
    precision: str = "float32"
    previous: Path | None = None
    """Model folder of the last round, for `start = "previous"`."""


@dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """What every way of training reads."""

    features: FeatureMatrix
    rows: NDArray[np.int64]
    """(n,) rows of the catalog, and of the features, that are trained on, ascending."""
    labels: NDArray[np.integer]
    """(n,) given labels: what the model without weights is taught."""
    targets: NDArray[np.integer] | SoftTargets
    """(n,) class indices, or (n, k) soft targets."""
    weights: NDArray[np.floating] | None
    """(n,) weights, 0 or more; None: all equal."""
    l2: float
    """Strength of regularisation of a linear head, as the held-out predictions chose it or the settings say."""
    backbone: Backbone
    classes: Classes
    probe: ProbeSettings
    with_baseline: bool = False
    """Whether one without weights, on the given labels, is also trained, to be compared with."""
    uids: Uids | None = None
    """Names of rows of the features, for errors."""
    seed: int = 0
    ranks: Ranks = ALONE
    on_images: OnImages | None = None
    """None where the images are not at hand: a probe needs none."""
    hidden_layer: HiddenLayerSettings = field(default_factory=HiddenLayerSettings)
    device: str = "cpu"
    """Where a hidden layer is trained."""

    @property
    def is_plain(self) -> bool:
        """Whether every image counts the same and is taught its label: then there is nothing to compare with."""
        return self.weights is None and self.targets.ndim == 1
