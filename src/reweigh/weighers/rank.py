"""Credibility from search rank: images found first are more often right, by how much each source tells itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.calibration import fit_score, weigh_score
from reweigh.weighers.factor import Evidence, Kind, State

if TYPE_CHECKING:
    from reweigh.evidence.images import Images


@dataclass(frozen=True, kw_only=True)
class RankCredibility:
    """Rank fraction within class and source, calibrated (two-stage system, WebVision 2019)."""

    per_source: bool = True
    """One curve for each source instead of one for all."""

    kind: ClassVar[Kind] = "credibility"
    group: ClassVar[str] = "rank"
    needs: ClassVar[tuple[str, ...]] = ("agreement",)

    def fit(self, evidence: Evidence) -> State | None:
        """The curves."""
        return fit_score(rank_fractions(evidence["images"]), evidence, per_source=self.per_source)

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Calibrated rank fraction; NaN without a rank."""
        assert state is not None
        return weigh_score(rank_fractions(evidence["images"]), evidence, state, per_source=self.per_source)


def rank_fractions(images: Images) -> NDArray[np.float32]:
    """(n,) place among the ranked images of the same class and source, (place - .5) / their number, ties shared; NaN without rank.

    A rank says more in a small class than in a large one: fractions tell right labels better than ranks (AUC .71 / .65).
    """
    known = np.flatnonzero(images.rank > 0)
    fraction = np.full(len(images.rank), np.nan, np.float32)
    if not len(known):
        return fraction
    list_of = images.labels[known].astype(np.int64) * (len(images.source_names) + 1) + images.source[known] + 1
    order = np.lexsort((images.rank[known], list_of))
    lists, ranks = list_of[order], images.rank[known][order]
    starts = np.flatnonzero(np.r_[True, lists[1:] != lists[:-1]])
    sizes = np.diff(np.r_[starts, len(lists)])
    tied = np.flatnonzero(np.r_[True, (lists[1:] != lists[:-1]) | (ranks[1:] != ranks[:-1])])
    ends = np.r_[tied[1:], len(lists)]
    middle = np.repeat((tied + ends) / 2, ends - tied)  # place - .5, the mean over ties
    fraction[known[order]] = (middle - np.repeat(starts, sizes)) / np.repeat(sizes, sizes)
    return fraction
