"""Settings of the last step: what is trained, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How the classifier is made from features, labels and weights."""

    mode: Literal["probe"] = "probe"
    """`probe`: a linear head on the stored features; the backbone stays as it is."""
    baseline: bool = True
    """Where there are weights, train without them as well, for comparison."""
