"""A person's word on a label: it overrides whatever else speaks about that image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.factor import Evidence, Kind, State

SURE = 0.99
"""People err too: a checked label is right with this credibility, or wrong with one less."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """Checked labels, as many as `evidence.verified` lets serve as evidence."""

    kind: ClassVar[Kind] = "credibility"
    group: ClassVar[str] = "person"
    needs: ClassVar[tuple[str, ...]] = ()

    def fit(self, evidence: Evidence) -> State | None:
        """Nothing to learn."""
        return None

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """.99 or .01 where a person looked, else NaN."""
        person = evidence["images"].person
        values = np.where(np.isnan(person), np.nan, np.where(person > 0, SURE, 1 - SURE))
        return values.astype(np.float32), {"looked_at": int((~np.isnan(person)).sum())}
