"""Exclude copies: of images with the same bytes and the same label the first one stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.factor import Evidence, Kind, State

if TYPE_CHECKING:
    from reweigh.evidence.images import Images


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Copies with different labels stay: `combine` keeps the one whose label is the most credible."""

    kind: ClassVar[Kind] = "exclude"
    group: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()

    def fit(self, evidence: Evidence) -> State | None:
        """Nothing to learn."""
        return None

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """1 for the first by uid of each set of copies under one label, 0 for the others."""
        is_kept = first_copies(evidence["images"])
        return is_kept.astype(np.float32), {"excluded": int((~is_kept).sum())}


def first_copies(images: Images) -> NDArray[np.bool_]:
    """(n,) whether no row before this one, by uid, has the same bytes and label."""
    order = np.lexsort((images.rows, images.labels, images.copies))
    copies, labels = images.copies[order], images.labels[order]
    is_kept = np.ones(len(order), bool)
    is_kept[order[1:]] = (copies[1:] != copies[:-1]) | (labels[1:] != labels[:-1])
    return is_kept
