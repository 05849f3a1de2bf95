"""The table of weighers: name -> record of settings. A new method is a file, a line here and a field of `WeightSettings`."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from reweigh.errors import look_up
from reweigh.weighers.class_balance import ClassBalance
from reweigh.weighers.clusters import ClusterCredibility, ClusterEmphasis, ClusterWeight
from reweigh.weighers.curriculum import Curriculum
from reweigh.weighers.density import DensityCredibility
from reweigh.weighers.duplicates import Duplicates
from reweigh.weighers.held_out import HeldOutCredibility
from reweigh.weighers.image_text import ImageText
from reweigh.weighers.label_posterior import LabelPosterior
from reweigh.weighers.neighbours import NeighbourCredibility
from reweigh.weighers.own_text import OwnTextCredibility
from reweigh.weighers.rank import RankCredibility
from reweigh.weighers.rank_limit import RankLimit
from reweigh.weighers.verified import Verified

WEIGHERS: dict[str, type[Any]] = {
    "duplicates": Duplicates,
    "rank_limit": RankLimit,
    "held_out": HeldOutCredibility,
    "neighbours": NeighbourCredibility,
    "label_posterior": LabelPosterior,
    "density": DensityCredibility,
    "clusters": ClusterCredibility,
    "image_text": ImageText,
    "rank": RankCredibility,
    "own_text": OwnTextCredibility,
    "verified": Verified,
    "curriculum": Curriculum,
    "cluster_weight": ClusterWeight,
    "class_balance": ClassBalance,
    "cluster_emphasis": ClusterEmphasis,
}
ENTRY_POINTS = "reweigh.weighers"
"""Group of entry points that other packages add weighers through; read only for a name that the table lacks."""


def weigher_class(name: str) -> type[Any]:
    """The record of this name, from the table or from an installed package. Raises ReweighError that lists what there is."""
    if name in WEIGHERS:
        return WEIGHERS[name]
    installed = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if name not in installed:
        return look_up(name, {**WEIGHERS, **dict.fromkeys(installed, object)}, kind="weigher")  # says what there is
    found: type[Any] = installed[name].load()
    return found
