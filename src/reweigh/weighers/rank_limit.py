"""Exclude what a search found late: ranks beyond the limit of their source (URNet, table 1: the first 15 of Flickr)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError, nearest
from reweigh.weighers.factor import Evidence, Kind, State


@dataclass(frozen=True, kw_only=True)
class RankLimit:
    """A hard limit is class balance in disguise: off by default, the calibrated rank is the better use."""

    limit: dict[str, int] = field(default_factory=dict)
    """Source -> last rank that is kept, 1 or more, such as {flickr = 15}; `*` means every source that is not named."""

    kind: ClassVar[Kind] = "exclude"
    group: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for source, last in self.limit.items():
            if last < 1:
                raise ReweighError(f"weights.rank_limit.limit.{source} must be 1 or more, found {last}.")

    def fit(self, evidence: Evidence) -> State | None:
        """Nothing to learn."""
        return None

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """0 beyond the limit of its source, 1 elsewhere; an image without a rank is kept."""
        images = evidence["images"]
        for source in self.limit:
            if source != "*" and source not in images.source_names:
                there_are = ", ".join(images.source_names) or "none"
                raise ReweighError(
                    f"weights.rank_limit.limit names the source {source!r}; there are: {there_are}.{nearest(source, images.source_names)}"
                )
        otherwise = self.limit.get("*", np.iinfo(np.int32).max)
        last = np.array([self.limit.get(name, otherwise) for name in images.source_names] + [otherwise])
        is_kept = images.rank <= last[images.source]  # source -1 reads the last place
        return is_kept.astype(np.float32), {"excluded": int((~is_kept).sum())}
