"""Credibility from neighbours: how many of the images most like this one carry its label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.calibration import fit_score, weigh_score
from reweigh.weighers.factor import Evidence, Kind, State


@dataclass(frozen=True, kw_only=True)
class NeighbourCredibility:
    """Share of the label among the nearest images, own group left out, calibrated."""

    per_source: bool = False
    """One curve for each source instead of one for all."""

    kind: ClassVar[Kind] = "credibility"
    group: ClassVar[str] = "visual"
    needs: ClassVar[tuple[str, ...]] = ("neighbours", "agreement")

    def fit(self, evidence: Evidence) -> State | None:
        """The curves."""
        return fit_score(evidence["neighbours"].label_share, evidence, per_source=self.per_source)

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Calibrated share; NaN where no neighbour has a label."""
        assert state is not None
        return weigh_score(evidence["neighbours"].label_share, evidence, state, per_source=self.per_source)
