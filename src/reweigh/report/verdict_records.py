"""What the page shows of the verdicts on labels, as plain records."""

from __future__ import annotations

from dataclasses import dataclass

from reweigh.catalog.tables import ImageLocation


@dataclass(frozen=True, kw_only=True)
class JudgedImage:
    """An image to look at, with what is said of its label. Classes by name; empty = none."""

    uid: str
    location: ImageLocation
    order: int
    """Place in the order of review, 1 = first"""
    label: str
    probability_right: float | None
    """None: nothing could be told"""
    wrong: bool
    suggested: str
    probability_suggested: float | None
    also_plausible: str
    none_of_the_classes: bool
    reason: str
    split: str
    text: str = ""
    """Title and tags, as they came"""
    origin: str = ""
    """Source, rank and query, such as `google, rank 12`"""
    checked: str = ""
    """The class that a person gave, where one looked"""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The labels of one class, source or query."""

    name: str
    n: int
    """Training images with a label"""
    n_wrong: int
    """Of them, those flagged"""
    noise: float | None
    """Estimated share of wrong labels"""
    low: float | None = None
    high: float | None = None
    """Ends of its range; None where there are too few images, or none was made"""
    agreement: float | None = None
    """Share of its labels that are the held-out prediction"""
    mostly: str = ""
    """What its images show most often, if not what their label says"""


@dataclass(frozen=True, kw_only=True)
class NoiseTable:
    """All classes, or sources, or queries, those with the largest estimated share of wrong labels first."""

    of: str
    """`class`, `source` or `query`"""
    rows: tuple[Noise, ...]
    n_all: int
    """How many there are; `rows` may be the first of them only."""


@dataclass(frozen=True, kw_only=True)
class ConfusedPair:
    """Images labelled `given` that show `truth`, and the other way round."""

    given: str
    truth: str
    n: float
    """Expected images"""
    share: float
    """Of the labels `given`"""
    n_back: float
    share_back: float
    advice: str
    """`merge?`, `rename?`, `swap?`, or empty"""


@dataclass(frozen=True, kw_only=True)
class VerdictsData:
    """The section on labels."""

    n: int
    """Training images with a label"""
    n_wrong: int
    n_none_of_the_classes: int
    noise_rate: float | None
    """None: nothing could be told"""
    noise_rate_range: tuple[float, float] | None
    is_interval: bool
    """Whether the range is an interval of 95 %, from labels that a person checked; else the spread of refits"""
    is_trusted: bool
    """False where held-out predictions cannot tell the classes apart"""
    agreement: float | None
    """Share of the labels that are the held-out prediction"""
    information: float
    """What predictions know of the labels, 0 = nothing, 1 = all"""
    notes: tuple[str, ...]
    classes: NoiseTable
    others: tuple[NoiseTable, ...]
    """Sources and queries, where the data knows them"""
    pairs: tuple[ConfusedPair, ...]
    """Those with an advice first, then by expected images"""
    rule: str
    """By which an advice is given, in a line"""
    images: tuple[JudgedImage, ...]
    """In the order of review"""
    n_images: int
    """Labelled images of all splits; `images` are the first of them"""
