"""Credibility from own text: do title, tags and description speak of the label?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.calibration import fit_score, weigh_score
from reweigh.weighers.factor import Evidence, Kind, State


@dataclass(frozen=True, kw_only=True)
class OwnTextCredibility:
    """Similarity of the image's words to its label's, calibrated; the curve may fall, and a flat one says nothing."""

    per_source: bool = False
    """One curve for each source instead of one for all."""

    kind: ClassVar[Kind] = "credibility"
    group: ClassVar[str] = "text"
    needs: ClassVar[tuple[str, ...]] = ("own_text", "agreement")

    def fit(self, evidence: Evidence) -> State | None:
        """The curves."""
        return fit_score(evidence["own_text"].similarity, evidence, per_source=self.per_source)

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Calibrated similarity; NaN without text or known words."""
        assert state is not None
        own = evidence["own_text"]
        values, facts = weigh_score(own.similarity, evidence, state, per_source=self.per_source)
        return values, {**facts, "without_text": own.n_without_text, "without_keyword": own.n_without_keyword}
