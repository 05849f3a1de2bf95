"""How well factors, credibility and weight tell right labels from wrong ones, where the right answer is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, read_columns
from reweigh.catalog.truth import read_kinds
from reweigh.errors import ReweighError
from reweigh.evaluation.measure import NOT_KNOWN
from reweigh.evaluation.on_catalog import answers
from reweigh.evaluation.settings import EvaluationSettings
from reweigh.metrics.detection import DetectionFigures, Interval, auroc_with_interval, detection_figures


@dataclass(frozen=True, kw_only=True)
class KindQuality:
    """How well a score tells right rows from the wrong ones of one kind."""

    n_wrong: int
    auroc: float
    auroc_interval: Interval


@dataclass(frozen=True, kw_only=True)
class ScoreQuality:
    """How well one score finds wrong labels."""

    n_with_opinion: int
    """Rows whose score is not NaN: what the figures are of."""
    figures: DetectionFigures
    by_kind: dict[str, KindQuality]
    """Kinds of error by name, sorted; empty where the catalog does not know them."""


@dataclass(frozen=True, kw_only=True)
class AnswerQuality:
    """Scores against one set of answers."""

    n: int
    """Labelled rows whose answer is known and that did not serve as evidence."""
    n_wrong: int
    """Of them those whose label is not the answer; none of the classes is wrong."""
    kinds: dict[str, int]
    """Wrong rows of each kind, sorted by name."""
    scores: dict[str, ScoreQuality]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What was measured, by what it was measured against."""

    n_left_out: int
    """Rows that served as evidence."""
    against: dict[str, AnswerQuality]
    """`truth`, then `verified_label`, those of them that are known for some rows."""


def weight_quality(
    catalog: Catalog,
    rows: NDArray[np.int64],
    labels: NDArray[np.integer],
    values: Mapping[str, NDArray[np.floating]],
    *,
    left_out: NDArray[np.bool_] | None = None,
    settings: EvaluationSettings,
    seed: int,
) -> Quality:
    """Detection figures of each score in `values` (n,), high = more probably right, NaN = no opinion.

    rows (n,): rows of the catalog; labels (n,): their given labels, -1 = none (left out). left_out (n,): rows that a
    person checked and that served as evidence: no score may be praised for what it was told.
    A row that a person called right or wrong without naming a class counts among `verified_label`.
    Raises ReweighError for a score of another shape, naming it.
    """
    for name, score in values.items():
        if np.shape(score) != np.shape(rows):
            raise ReweighError(f"The score {name!r} must be one a row, {np.shape(rows)}; found {np.shape(score)}.")
    is_out = np.zeros(len(rows), np.bool_) if left_out is None else np.asarray(left_out, np.bool_)
    all_kinds = read_kinds(catalog)
    kinds = None if all_kinds is None else np.array(all_kinds, dtype=np.str_)[rows]
    against = {}
    for answer, right in _right(catalog, rows, labels).items():
        asked = np.flatnonzero((right >= 0) & (labels >= 0) & ~is_out)
        if len(asked):
            taken = {name: np.asarray(score)[asked] for name, score in values.items()}
            own_kinds = None if kinds is None else kinds[asked]
            against[answer] = _quality(right[asked] == 1, taken, own_kinds, settings=settings, seed=seed)
    return Quality(n_left_out=int(is_out.sum()), against=against)


def _right(catalog: Catalog, rows: NDArray[np.int64], labels: NDArray[np.integer]) -> dict[str, NDArray[np.int8]]:
    """By answer, (n,): 1 the label is right, 0 it is wrong, -1 not known."""
    known = answers(catalog, rows)
    said = read_columns(catalog, ["verified"], rows)["verified"].cast("int8").fill_null(-1)
    person = np.where(known.verified_label == NOT_KNOWN, said.to_numpy(), known.verified_label == labels)
    found = {"verified_label": person.astype(np.int8)}
    if known.truth is not None:
        truth = np.where(known.truth == NOT_KNOWN, -1, known.truth == labels).astype(np.int8)
        found = {"truth": truth, **found}
    return found


def _quality(
    is_right: NDArray[np.bool_],
    values: Mapping[str, NDArray[np.floating]],
    kinds: NDArray[np.str_] | None,
    *,
    settings: EvaluationSettings,
    seed: int,
) -> AnswerQuality:
    """Figures of rows whose answer is known."""
    kind = np.full(len(is_right), "") if kinds is None else np.where(is_right | (kinds == "right"), "", kinds)
    names, numbers = np.unique(kind, return_inverse=True)
    sizes = np.bincount(numbers, minlength=len(names))
    return AnswerQuality(
        n=len(is_right),
        n_wrong=int((~is_right).sum()),
        kinds={str(name): int(size) for name, size in zip(names, sizes, strict=True) if name},
        scores={name: _score_quality(is_right, v, kind, settings=settings, seed=seed) for name, v in values.items()},
    )


def _score_quality(
    is_right: NDArray[np.bool_],
    score: NDArray[np.floating],
    kind: NDArray[np.str_],
    *,
    settings: EvaluationSettings,
    seed: int,
) -> ScoreQuality:
    """Figures of the rows on which the score has an opinion, and each kind of their wrong ones against all right ones."""
    drawn: dict[str, Any] = {"n_draws": settings.n_draws, "confidence": settings.confidence, "seed": seed}
    has_opinion = ~np.isnan(score)
    is_right, score, kind = is_right[has_opinion], score[has_opinion], kind[has_opinion]
    by_kind = {}
    for name in np.unique(kind[kind != ""]):
        of_kind = kind == name
        pair = is_right | of_kind
        value, interval = auroc_with_interval(score[pair], is_right[pair], **drawn)
        by_kind[str(name)] = KindQuality(n_wrong=int(of_kind.sum()), auroc=value, auroc_interval=interval)
    return ScoreQuality(n_with_opinion=len(score), figures=detection_figures(score, is_right, **drawn), by_kind=by_kind)


def quality_as_json(quality: Quality) -> dict[str, Any]:
    """The figures as plain JSON values, null for what could not be measured."""
    return plain_values(asdict(quality))


def plain_values(value: Any) -> Any:
    """Nested dicts of figures as JSON has them: null for NaN and for an interval with a NaN."""
    if isinstance(value, dict):
        return {name: plain_values(inner) for name, inner in value.items()}
    if isinstance(value, tuple):
        return [float(end) for end in value] if all(map(math.isfinite, value)) else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
