"""Credibility from image-text matching: does the image lie where trusted images put its label's text? URNet, eq. 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.weighers.calibration import fit_score, weigh_score
from reweigh.weighers.factor import Evidence, Kind, State

if TYPE_CHECKING:
    from reweigh.evidence.images import Images
    from reweigh.weighers.image_text_networks import MatchingSettings

TRUSTED = 30
"""Ranks of the trusted source, and rows of a class without any, that are learnt from (URNet's slides: rank < 30)."""
BLOCK = 4096
COMPONENTS = 256
SCORE_BINS = {"0.9 to 1": (0.9, 1.01), "0.7 to 0.8": (0.7, 0.8), "below 0.6": (-1.01, 0.6)}
"""Name -> cosines from, and below: those that URNet's slides show images of."""
EXAMPLES, HISTOGRAM_BINS = 6, 40
TOO_FEW = "fewer than two labels have a text and an image to learn from"
UNKNOWN_NAMED = 5
"""Labels without text that a note names."""
PURPOSE = 7
"""Parts this weigher's random numbers from those of others."""


@dataclass(frozen=True, kw_only=True)
class ImageText:
    """Cosine of image and label text in a common space that is learnt from the first ranks, calibrated."""

    loss: Literal["softmax", "hinge", "eq8", "printed_hinge"] = "softmax"
    """Softmax over all labels' texts (shipped), the slides' hinge, the paper's eq. 8, or the hinge with the sign as printed, which does harm."""
    temperature: float = 0.1
    """Cosines are divided by it before the softmax, above 0."""
    margin: float = 0.2
    """Of the hinge, 0 or more."""
    hidden: int = 256
    """Width of the first layer of both networks, 1 or more."""
    size: int = 128
    """Dimensions of the common space, 1 or more."""
    steps: int = 600
    """Steps of training, 1 or more."""
    batch: int = 256
    """Images a step, 1 or more."""
    rate: float = 1e-3
    """Learning rate of AdamW, above 0."""
    weight_decay: float = 0.01
    """Of AdamW, 0 or more."""
    n_folds: int = 5
    """Pairs of networks; each image is judged by the pair that has not seen its group. 1: one pair, which has seen the images it learnt from."""
    top_ranks: int = TRUSTED
    """Ranks of the trusted source that are learnt from; of a class without any, so many rows of the largest held-out margin."""
    is_calibrated: bool = True
    """False: max(0, cosine) as the paper has it, a multiplier, for weights.combiner=product."""

    group: ClassVar[str] = "visual"
    needs: ClassVar[tuple[str, ...]] = ("features", "label_text", "agreement")

    def __post_init__(self) -> None:
        for name in ("hidden", "size", "steps", "batch", "n_folds", "top_ranks"):
            if getattr(self, name) < 1:
                raise ReweighError(f"weights.image_text.{name} must be 1 or more, found {getattr(self, name)}.")
        for name in ("temperature", "rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ReweighError(f"weights.image_text.{name} must be above 0, found {getattr(self, name)}.")
        for name in ("margin", "weight_decay"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ReweighError(f"weights.image_text.{name} must be 0 or more, found {getattr(self, name)}.")

    @property
    def kind(self) -> Kind:
        """A raw cosine is no probability."""
        return "credibility" if self.is_calibrated else "multiplier"

    def fit(self, evidence: Evidence) -> State | None:
        """Projection of the features, the networks, and the curves; None where nothing tells labels apart."""
        networks = fit_networks(evidence, self)
        if networks is None:
            return None
        curves = fit_score(matching_scores(evidence, networks), evidence, per_source=False)
        return {**networks, **{f"curve.{name}": value for name, value in curves.items()}}

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Calibrated cosine, NaN for an image whose label has no text vector; not calibrated max(0, cosine), and those images' mean for it."""
        if state is None:
            n = len(evidence["images"].labels)
            return np.full(n, np.nan if self.is_calibrated else 1.0, np.float32), {"says_nothing": TOO_FEW}
        score = matching_scores(evidence, state)
        told = {**_told(evidence, state), "scores": score_facts(score, evidence["images"].rows), "score": score}
        if not self.is_calibrated:
            factor = np.maximum(score, 0)
            silent = np.isnan(factor)
            factor[silent] = factor[~silent].mean() if not silent.all() else 1.0
            return factor, told
        curves = {name.removeprefix("curve."): value for name, value in state.items() if name.startswith("curve.")}
        values, facts = weigh_score(score, evidence, curves, per_source=False)
        return values, {**facts, **told}


def trusted_rows(images: Images, agreement: NDArray[np.floating], *, top: int) -> tuple[NDArray[np.int64], int]:
    """(ascending positions of the images to learn from, number of the trusted source; -1: none, -2: no ranks).

    The first `top` ranks of the source whose ranked labels agree most with held-out predictions, on average; of a class
    without any of these, its `top` rows of the largest agreement. Images under two labels are never learnt from.
    """
    usable = images.is_fitted & ~np.isnan(agreement)
    ranked = usable & (images.rank > 0)
    source = -2
    chosen = np.zeros(len(images.labels), bool)
    if ranked.any():
        numbers = np.unique(images.source[ranked])
        means = [float(agreement[ranked & (images.source == number)].mean(dtype=np.float64)) for number in numbers]
        source = int(numbers[int(np.argmax(means))])
        chosen = ranked & (images.source == source) & (images.rank <= top)
    has_chosen = np.bincount(images.labels[chosen], minlength=images.k) > 0
    rest = np.flatnonzero(usable & ~has_chosen[images.labels])
    order = rest[np.lexsort((images.rows[rest], -agreement[rest], images.labels[rest]))]
    labels = images.labels[order]
    place = np.arange(len(order)) - np.searchsorted(labels, labels)
    chosen[order[place < top]] = True
    return np.flatnonzero(chosen), source


def fit_networks(evidence: Evidence, settings: ImageText) -> State | None:
    """Arrays of the projection and of each fold's networks, from the trusted images in the order of their uids.

    None where they would be of fewer than two labels: there is no other text that an image could be told from.
    """
    from reweigh.features.projection import fit_projection
    from reweigh.weighers.image_text_networks import fit_matching

    images, text = evidence["images"], evidence["label_text"]
    at, source = trusted_rows(images, evidence["agreement"].share, top=settings.top_ranks)
    at = at[text.is_known[images.labels[at]]]
    at = at[np.argsort(images.rows[at], kind="stable")]
    if len(np.unique(images.labels[at])) < 2:
        return None
    projection = fit_projection(evidence["features"], images.rows[at], n_components=COMPONENTS, seed=0, centred=True)
    assert projection is not None
    state: State = {
        "mean": projection.mean, "axes": projection.axes, "trusted": np.array([source, len(at)], np.int64),
    }  # fmt: skip
    points = _points(evidence["features"], images.rows[at], state)
    fold = _folds(images, settings.n_folds)[at]
    known = np.flatnonzero(text.is_known)
    place = np.cumsum(text.is_known) - 1
    seen = [np.flatnonzero((fold != number) | (settings.n_folds == 1)) for number in range(settings.n_folds)]
    seen = [rows if len(np.unique(images.labels[at[rows]])) > 1 else np.arange(len(at)) for rows in seen]
    fitted = fit_matching(
        points, place[images.labels[at]], seen, scaled_texts(text.vectors[known]),
        _training(settings), seed=PURPOSE,
    )  # fmt: skip
    texts = np.zeros((settings.n_folds, images.k, settings.size), np.float32)
    texts[:, known] = fitted.texts
    return {**state, "texts": texts, **{f"weights.{i}": value for i, value in enumerate(fitted.weights)}}


def matching_scores(evidence: Evidence, state: State) -> NDArray[np.float32]:
    """(n,) cosine of each image with its label's text, by the networks that have not seen its group; NaN without text vector."""
    from reweigh.weighers.image_text_networks import Matching, cosines_with_own

    images = evidence["images"]
    score = np.full(len(images.labels), np.nan, np.float32)
    matching = Matching(weights=tuple(state[f"weights.{i}"] for i in range(4)), texts=state["texts"])
    n_folds = len(matching.texts)
    fold = _folds(images, n_folds)
    for start in range(0, len(score), BLOCK):
        here = slice(start, start + BLOCK)
        points = _points(evidence["features"], images.rows[here], state)
        for number in range(n_folds):
            own = np.flatnonzero(fold[here] == number)
            score[start + own] = cosines_with_own(points[own], images.labels[here][own], matching, number)
    score[~evidence["label_text"].is_known[images.labels]] = np.nan
    return score


def scaled_texts(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(k, t) about their mean, of mean square 1: word vectors share a large part that says nothing."""
    centred = vectors - vectors.mean(axis=0)
    deviation = float(np.sqrt(np.mean(np.square(centred, dtype=np.float64)))) if vectors.size else 0.0
    return np.asarray(centred / (deviation or 1.0), np.float32)


def score_facts(score: NDArray[np.floating], rows: NDArray[np.int64]) -> dict[str, Any]:
    """What the page shows of the cosines (n,), as JSON: their histogram, and for each bin of the slides its images and some of them.

    rows (n,) are those of the catalog; the examples are drawn by a hash of them.
    """
    from reweigh.probes.folds import hash_numbers

    known = score[~np.isnan(score)]
    counts, _ = np.histogram(np.clip(known, -1, 1), bins=HISTOGRAM_BINS, range=(-1, 1))
    key = hash_numbers(rows, PURPOSE)
    bins = {}
    for name, (low, high) in SCORE_BINS.items():
        own = np.flatnonzero((score >= low) & (score < high))
        drawn = own[np.argsort(key[own], kind="stable")[:EXAMPLES]]
        examples = [[int(rows[i]), round(float(score[i]), 4)] for i in drawn[np.argsort(-score[drawn], kind="stable")]]
        bins[name] = {"n": len(own), "examples": examples}
    return {
        "counts": counts.tolist(),
        "mean": float(known.mean(dtype=np.float64)) if len(known) else None,
        "bins": bins,
    }


def _points(features: Any, rows: NDArray[np.int64], state: State) -> NDArray[np.float32]:
    """(b, c) images on the principal axes, of mean square about 1."""
    from reweigh.features.projection import Projection, project

    projection = Projection(state["mean"], state["axes"])
    return project(features, rows, projection) * np.float32(np.sqrt(projection.axes.shape[1]))


def _folds(images: Images, n_folds: int) -> NDArray[np.int8]:
    """(n,) fold of each image, by its group."""
    from reweigh.probes.folds import hash_numbers

    return np.asarray(hash_numbers(images.groups, PURPOSE) % np.uint64(n_folds), np.int8)


def _training(settings: ImageText) -> MatchingSettings:
    from reweigh.weighers.image_text_networks import MatchingSettings

    return MatchingSettings(
        loss=settings.loss, temperature=settings.temperature, margin=settings.margin, hidden=settings.hidden, size=settings.size,
        steps=settings.steps, batch=settings.batch, rate=settings.rate, weight_decay=settings.weight_decay,
    )  # fmt: skip


def _told(evidence: Evidence, state: State) -> dict[str, Any]:
    """Whom it has learnt from, and what the labels are known by."""
    images, text = evidence["images"], evidence["label_text"]
    number, n = state["trusted"].tolist()
    source = {-2: "no ranks", -1: "no source"}.get(number) or images.source_names[number]
    unknown = np.flatnonzero(~text.is_known)
    return {
        "trusted": source, "learnt_from": n, "label_text": text.made_from, "labels_without_text": len(unknown),
        "first_without_text": unknown[:UNKNOWN_NAMED].tolist(), "images_without_text": int((~text.is_known[images.labels]).sum()),
        "unknown_words": len(text.unknown_words),
    }  # fmt: skip
