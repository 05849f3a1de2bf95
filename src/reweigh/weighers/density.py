"""Credibility from density: does the image lie in its class's core? CurriculumNet (Guo et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.calibration import fit_score, weigh_score
from reweigh.weighers.factor import Evidence, Kind, State


@dataclass(frozen=True, kw_only=True)
class DensityCredibility:
    """Density within the class on unit, centred features, calibrated; differs from the paper, which weighs by three subsets."""

    per_source: bool = False
    """One curve for each source instead of one for all."""

    kind: ClassVar[Kind] = "credibility"
    group: ClassVar[str] = "visual"
    needs: ClassVar[tuple[str, ...]] = ("density", "agreement")

    def fit(self, evidence: Evidence) -> State | None:
        """The curves."""
        return fit_score(evidence["density"].share, evidence, per_source=self.per_source)

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Calibrated density; NaN for an image alone in its class."""
        assert state is not None
        return weigh_score(evidence["density"].share, evidence, state, per_source=self.per_source)
