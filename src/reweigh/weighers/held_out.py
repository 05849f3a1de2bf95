"""Credibility from held-out predictions: does a probe that has not seen the image give it its label?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.factor import Evidence, Kind, State


@dataclass(frozen=True, kw_only=True)
class HeldOutCredibility:
    """t = p(y) / (p(y) + best other p) of p_c / N_c, as it is: the target that other scores are calibrated on."""

    kind: ClassVar[Kind] = "credibility"
    group: ClassVar[str] = "visual"
    needs: ClassVar[tuple[str, ...]] = ("agreement",)

    def fit(self, evidence: Evidence) -> State | None:
        """Nothing to learn: calibrated on its own target it would become a step."""
        return None

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The soft agreement of each label."""
        values = evidence["agreement"].share
        return values, {"mean": float(values.mean())}
