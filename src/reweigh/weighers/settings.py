"""Settings of weights: which weighers, how they are combined, and each one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from reweigh.errors import ReweighError
from reweigh.weighers.class_balance import ClassBalance
from reweigh.weighers.clusters import ClusterCredibility, ClusterEmphasis, ClusterWeight
from reweigh.weighers.combine import refuse_multiplier
from reweigh.weighers.curriculum import Curriculum
from reweigh.weighers.density import DensityCredibility
from reweigh.weighers.duplicates import Duplicates
from reweigh.weighers.factor import Weigher
from reweigh.weighers.held_out import HeldOutCredibility
from reweigh.weighers.image_text import ImageText
from reweigh.weighers.label_posterior import LabelPosterior
from reweigh.weighers.neighbours import NeighbourCredibility
from reweigh.weighers.own_text import OwnTextCredibility
from reweigh.weighers.rank import RankCredibility
from reweigh.weighers.rank_limit import RankLimit
from reweigh.weighers.table_of_weighers import WEIGHERS, weigher_class
from reweigh.weighers.verified import Verified

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class WeightSettings:
    """From evidence to one weight an image."""

    use: tuple[str, ...] = ()
    """Weighers by name; `auto` stands for all that the data allows; empty: every image weighs the same."""
    leave_out: tuple[str, ...] = ()
    """Weighers that `auto` shall not take."""
    combiner: Literal["pooled", "geometric", "product"] = "pooled"
    """How credibilities become one: grouped log-odds, their geometric mean, or the papers' product."""
    sharpness: float = 0.0
    """Weight = credibility ^ sharpness, times balance; 0 = chosen, written down: 1 for a probe, 4 for a network."""
    clip: float = 10.0
    """No weight is more than this many times the mean, above 1."""
    duplicates: Duplicates = field(default_factory=Duplicates)
    """Second copies of an image under one label."""
    rank_limit: RankLimit = field(default_factory=RankLimit)
    """Late search results."""
    held_out: HeldOutCredibility = field(default_factory=HeldOutCredibility)
    """Held-out predictions."""
    neighbours: NeighbourCredibility = field(default_factory=NeighbourCredibility)
    """Labels of similar images."""
    label_posterior: LabelPosterior = field(default_factory=LabelPosterior)
    """The verdicts' probability that the label is right."""
    density: DensityCredibility = field(default_factory=DensityCredibility)
    """Density within the class."""
    clusters: ClusterCredibility = field(default_factory=ClusterCredibility)
    """Share of the class in the image's cluster."""
    image_text: ImageText = field(default_factory=ImageText)
    """Match of the image with its label's text."""
    rank: RankCredibility = field(default_factory=RankCredibility)
    """Search rank."""
    own_text: OwnTextCredibility = field(default_factory=OwnTextCredibility)
    """Text beside the image."""
    verified: Verified = field(default_factory=Verified)
    """People's word."""
    curriculum: Curriculum = field(default_factory=Curriculum)
    """CurriculumNet's subsets."""
    cluster_weight: ClusterWeight = field(default_factory=ClusterWeight)
    """URNet's weights of clusters."""
    cluster_emphasis: ClusterEmphasis = field(default_factory=ClusterEmphasis)
    """More weight where classes are confused."""
    class_balance: ClassBalance = field(default_factory=ClassBalance)
    """Equal shares for the classes."""
    other: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of weighers that other packages brought, by name."""

    def __post_init__(self) -> None:
        if not 0 <= self.sharpness < float("inf"):
            raise ReweighError(f"weights.sharpness must be 0 (chosen) or more, found {self.sharpness}.")
        if not self.clip > 1:
            raise ReweighError(f"weights.clip must be above 1, found {self.clip}.")
        for name in self.leave_out:
            weigher_class(name)
        for name in self.use:
            if name != AUTO and weigher_named(name, self).kind == "multiplier":
                refuse_multiplier(name, self.combiner)
        if len(set(self.use)) < len(self.use):
            raise ReweighError(f"weights.use names a weigher twice: {', '.join(self.use)}.")


def weigher_named(name: str, settings: WeightSettings) -> Weigher:
    """The weigher with its settings. Raises ReweighError for a name, or a setting of another package's, that is not there."""
    if name in WEIGHERS:
        weigher: Weigher = getattr(settings, name)
        return weigher
    record, values = weigher_class(name), settings.other.get(name, {})
    known = [f.name for f in fields(record)]
    for key in values:
        if key not in known:
            raise ReweighError(f"No setting weights.other.{name}.{key}; there are: {', '.join(known) or 'none'}.")
    made: Weigher = record(**values)
    return made


def pieces_for(names: Sequence[str], settings: WeightSettings, made: Mapping[str, Any]) -> list[str]:
    """The pieces of evidence that these weighers still need, each after those that it is made from.

    Raises ReweighError for a piece that the table of evidence does not have.
    """
    from reweigh.evidence.table import EVIDENCE

    wanted: list[str] = []

    def want(piece: str, by: str) -> None:
        if piece in made or piece in wanted:
            return
        if piece not in EVIDENCE:
            raise ReweighError(f"The weigher {by!r} needs {piece!r}; there is evidence on: {', '.join(EVIDENCE)}.")
        for earlier in EVIDENCE[piece].needs:
            want(earlier, by)
        wanted.append(piece)

    for name in names:
        for piece in weigher_named(name, settings).needs:
            want(piece, name)
    return wanted
