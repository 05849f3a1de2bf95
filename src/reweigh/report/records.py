"""What a page shows, as plain records: filled by whoever ran something, read by the sections."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import ImageLocation
from reweigh.report.verdict_records import VerdictsData
from reweigh.report.weight_records import Challenge, Comparison, Explanation, ScoredData, WeightsData


@dataclass(frozen=True, kw_only=True)
class Card:
    """A key figure: `78.1 %`, `agreement of held-out predictions`, `95 %: 76.0-80.1`."""

    value: str
    name: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An image of the gallery with what is said about it."""

    uid: str
    location: ImageLocation
    label: str
    predicted: str
    """Most probable class of the held-out prediction."""
    label_probability: float
    predicted_probability: float
    text: str = ""
    """Title and tags, as they came."""
    origin: str = ""
    """Source and rank, such as `google, rank 12`."""
    checked: str = ""
    """The class that a person gave, where one looked."""
    explanation: Explanation | None = None
    """Why it has its weight; None in a run without weights."""


@dataclass(frozen=True, kw_only=True)
class ClassImages:
    """Images of one class: those whose label is most doubted, and those most trusted."""

    label: int
    doubted: tuple[Shown, ...]
    trusted: tuple[Shown, ...]
    mean_credibility: float | None = None
    """Of the class's training images; None in a run without credibilities."""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """All of one page. Class arrays are (k,), in the order of the labels."""

    title: str
    headline: str
    """One plain sentence on what was found."""
    cards: tuple[Card, ...]
    header: tuple[str, ...]
    results: tuple[tuple[str, ...], ...]
    """The small table of results, a header and rows of texts."""
    class_names: tuple[str, ...]
    class_sizes: NDArray[np.int64]
    """Images of each class, all splits."""
    judged: NDArray[np.int64]
    """Training images of each class with a held-out prediction."""
    agreed: NDArray[np.int64]
    """Of them, those whose label is the prediction."""
    confusion: NDArray[np.int64] | None
    """(k, k) counts, row = given label, column = held-out prediction; None for very many classes."""
    confusions: tuple[tuple[int, int, int], ...]
    """(given, predicted, count), most frequent first."""
    images: tuple[ClassImages, ...]
    """Every class with a disagreement, least agreement first; with credibilities every class, least mean credibility first."""
    data_facts: tuple[tuple[str, str], ...]
    run_facts: tuple[tuple[str, str], ...]
    command: str
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    comparisons: tuple[Comparison, ...] = ()
    """Without and with weights; empty in a run without."""
    challenges: tuple[Challenge, ...] = ()
    weights: WeightsData | None = None
    matches: ScoredData | None = None
    """Image-text matching; None in a run without the weigher `image_text`."""
    saliency: ScoredData | None = None
    """None in a run without bags."""
    verdicts: VerdictsData | None = None
    """None in a run of an earlier version, which made none"""
