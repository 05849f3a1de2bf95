"""What a page says of weights, as plain records: filled by whoever made the weights, read by the sections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import ImageLocation

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One figure of the classifier without and with weights, on the same test images. Shares, 0..1."""

    against: str
    """What is measured: `accuracy, truth`, or `agreement`."""
    measure: str
    """`top-1` or `mean over classes`."""
    n: int
    before: float
    before_interval: Interval | None
    after: float
    after_interval: Interval | None
    gain: float
    """after - before"""
    gain_interval: Interval | None
    """Of the paired difference: narrower than the two intervals beside each other suggest."""


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """One of URNet's five challenges on this data."""

    name: str
    figure: str
    """`9.0`, `23 %`, or `not measured`."""
    meaning: str
    """The figure in words."""
    remedy: str
    is_on: bool
    """Whether this run uses the remedy."""


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts in equal bins."""

    counts: NDArray[np.int64]
    """(b,)"""
    low: float
    high: float
    mean: float


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How the values of a weight, a credibility or a factor spread over the images."""

    name: str
    kind: str
    """`weight`, or the kind of the factor."""
    group: str
    """What it looks at, such as `visual`; empty where that is no question."""
    histogram: Histogram | None
    """None where it has no opinion on any image."""
    without_opinion: float
    """Share of the images on which it says nothing."""
    said: str = ""
    """What became of it: `rising`, or `google: falling (884 images); flickr: flat (20 images)`."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What weights make of one class, source or query."""

    name: str
    n: int
    """Training images, excluded ones too."""
    mass: float | None
    """Sum of the credibilities; None where there are none."""
    mean_credibility: float | None
    image_share: float
    weight_share: float
    effective_share: float | None = None
    """(sum w)^2 / (n sum w^2) within it; None where it is not given or has no weight."""


@dataclass(frozen=True, kw_only=True)
class RateTable:
    """Rates of all classes, or of the sources, least mean credibility first."""

    of: str
    """`class`, `source` or `query`."""
    rows: tuple[Rate, ...]
    n_all: int
    """How many there are; `rows` may be the first of them only."""


@dataclass(frozen=True, kw_only=True)
class QualityTable:
    """How well each score finds wrong labels, against one set of known answers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """A name, then figures as texts."""
    caution: str = ""
    """Why the figures say little, where they do."""


@dataclass(frozen=True, kw_only=True)
class WeightsData:
    """The section on weights."""

    combined: str
    """The combiner and its numbers in one line."""
    used: tuple[str, ...]
    not_used: tuple[tuple[str, str], ...]
    """(weigher, why it was not used)"""
    n: int
    """Training images with a label."""
    n_weighed: int
    """Of them, those that are neither excluded nor unreadable."""
    effective_share: float
    smallest_class: str
    smallest_class_share: float | None
    distributions: tuple[Distribution, ...]
    classes: RateTable
    """Classes: sizes beside credible mass, and their rates."""
    others: tuple[RateTable, ...]
    """Sources and queries, where the data knows them."""
    quality: tuple[QualityTable, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FactorBar:
    """What one factor says of one image."""

    name: str
    kind: str
    """`credibility`, `multiplier`, `balance`, or `person`: a word that stands above the combiner."""
    value: float | None
    """None: no opinion."""
    mean: float | None = None
    """Over all images: what `product` puts in the place of no opinion, and divides a multiplier by."""
    adds: float | None = None
    """To the log-odds of the image's credibility, under `pooled`."""


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """An image that looks like the shown one."""

    location: ImageLocation
    label: str
    has_same_label: bool


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why an image has its weight."""

    combiner: str
    """Of weighers.combine; empty where no factor speaks of labels."""
    factors: tuple[FactorBar, ...]
    """Credibilities and multipliers, in the order of application."""
    intercept: float
    """Where `pooled` starts, log-odds."""
    credibility: float | None
    sharpness: float
    balances: tuple[FactorBar, ...]
    weight: float
    because: str = ""
    """Why the weight is 0 all the same, where it is: a copy under another label."""
    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scored:
    """An image and a score of it."""

    uid: str
    location: ImageLocation
    label: str
    score: float


@dataclass(frozen=True, kw_only=True)
class ScoreBin:
    """Images of a kind of score."""

    name: str
    """`Score 0.9 to 1: 12 images`"""
    images: tuple[Scored, ...]
    """Some of them."""


@dataclass(frozen=True, kw_only=True)
class ScoredData:
    """A section on scores of images."""

    said: str
    """What the score is and where it comes from."""
    unit: str
    """`cosines`"""
    histogram: Histogram
    bins: tuple[ScoreBin, ...]
