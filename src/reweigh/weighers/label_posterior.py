"""Credibility from the label posterior: P(the label is right | image, label), with noise and calibration fitted to all labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.factor import Evidence, Kind, State


@dataclass(frozen=True, kw_only=True)
class LabelPosterior:
    """The verdicts' own probability, in the place of `held_out` and `neighbours`, both of which it has read.

    `auto` takes those two and the share of right labels from here: averaged and shifted they ranked labels better
    (AUROC .957 against .950 and .952 with this one in their place, webified Tiny-ImageNet; dev/log.md).
    """

    kind: ClassVar[Kind] = "credibility"
    group: ClassVar[str] = "visual"
    needs: ClassVar[tuple[str, ...]] = ("posterior",)

    def fit(self, evidence: Evidence) -> State | None:
        """Nothing to learn: it is a probability already."""
        return None

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """P(right) of each label; NaN where nothing can be told."""
        verdicts = evidence["posterior"].verdicts
        return verdicts.probability_right, {
            "noise_rate": verdicts.noise_rate if np.isfinite(verdicts.noise_rate) else None
        }
