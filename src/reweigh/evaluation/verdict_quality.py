"""How good verdicts on labels are, where the right answer is known: flags, ranking, rates, suggestions, none of the classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog
from reweigh.catalog.truth import read_kinds
from reweigh.evaluation.judgements import Judgement, check_judgements, chosen, known_answers
from reweigh.evaluation.measure import NONE_OF_THE_CLASSES, NOT_KNOWN
from reweigh.evaluation.settings import EvaluationSettings
from reweigh.evaluation.weight_quality import plain_values
from reweigh.metrics.detection import DetectionFigures, Interval, auroc_with_interval, detection_figures
from reweigh.metrics.flag_quality import (
    ClassRateFigures,
    Draws,
    FlagFigures,
    Measured,
    RateFigures,
    class_errors,
    class_rate_figures,
    flag_differences,
    flag_figures,
    rate_figures,
    share,
)

LEAST_ROWS = 20
"""Known rows of a class from which on its true rate can be held against a range."""


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """Suggested labels of wrong rows that were flagged and whose right answer is known."""

    n: int
    right: Measured
    """Share whose suggested label is the answer; where none of the classes is right no suggestion can be"""
    n_of_the_classes: int
    """Rows of them whose answer is one of the classes"""
    right_of_the_classes: Measured
    """The share of those alone"""


@dataclass(frozen=True, kw_only=True)
class NoneOfTheClasses:
    """The verdict `none of the classes`."""

    n: int
    """Rows that show none of the classes"""
    recall: Measured
    """Share of them so marked"""
    right_so_marked: Measured
    """Share of the rows with a right label so marked"""


@dataclass(frozen=True, kw_only=True)
class KindFound:
    """The wrong rows of one kind."""

    n_wrong: int
    recall: Measured
    """Share of them that is flagged"""
    auroc: float
    """Of the ranking, against all right rows"""
    auroc_interval: Interval


@dataclass(frozen=True, kw_only=True)
class MethodQuality:
    """How good one method's verdicts are."""

    n: int
    """Rows with a verdict: what all figures are of"""
    n_wrong: int
    n_flagged: int
    flags: FlagFigures
    ranking: DetectionFigures
    miss_rate_at_rate: Measured
    """Share of the wrong rows not among the n_wrong ranked lowest; 1 - precision there"""
    probability_right: DetectionFigures | None
    """The same with rows ranked by that probability, which alone has a Brier score"""
    rate: RateFigures
    """Expected share of wrong labels among these very rows"""
    stated_rate: RateFigures | None
    """The rate that was stated for all rows, against the share among these"""
    class_rates: ClassRateFigures | None
    suggestions: Suggestions
    none_of_the_classes: NoneOfTheClasses | None
    by_kind: dict[str, KindFound]
    """By kind of error, sorted; empty where the catalog does not know them"""
    by_class: dict[str, list[int]]
    """`n`, `n_wrong` and `n_judged_wrongly` of each class"""


@dataclass(frozen=True, kw_only=True)
class VerdictQuality:
    """Every method against one set of answers."""

    n: int
    """Labelled rows whose answer is known and that did not serve as evidence"""
    n_wrong: int
    n_none_of_the_classes: int
    kinds: dict[str, int]
    """Wrong rows of each kind, sorted by name"""
    methods: dict[str, MethodQuality]
    differences: dict[str, FlagFigures]
    """By rival: the figures of the first method minus the rival's, on the rows that both judge"""


def verdict_quality(
    catalog: Catalog,
    rows: NDArray[np.int64],
    labels: NDArray[np.integer],
    judgements: Mapping[str, Judgement],
    *,
    left_out: NDArray[np.bool_] | None = None,
    settings: EvaluationSettings,
    seed: int,
) -> dict[str, VerdictQuality]:
    """Quality of each method's verdicts, by `truth` and `verified_label`, those of them that are known for some rows.

    rows (n,): rows of the catalog; labels (n,): given, -1 = none (left out). left_out (n,): rows that a person checked and
    that served as evidence. Methods stand in their order: the first is compared with each of the others.
    A row that a person called right or wrong without naming a class counts, but no suggestion is asked of it.
    Raises ReweighError for arrays of another length, naming the method.
    """
    check_judgements(len(rows), judgements)
    is_out = np.zeros(len(rows), np.bool_) if left_out is None else left_out
    all_kinds = read_kinds(catalog)
    kinds = np.full(len(rows), "") if all_kinds is None else np.array(all_kinds, dtype=np.str_)[rows]
    draws = Draws(n_draws=settings.n_draws, confidence=settings.confidence, seed=seed)
    found = {}
    for name, known in known_answers(catalog, rows, labels).items():
        asked = np.flatnonzero((known.is_right >= 0) & (labels >= 0) & ~is_out)
        if len(asked):
            task = _Asked(
                labels=labels[asked], is_right=known.is_right[asked] == 1, classes=known.classes[asked], kinds=kinds[asked],
                k=catalog.k, draws=draws,
            )  # fmt: skip
            found[name] = _quality(task, {method: chosen(j, asked) for method, j in judgements.items()})
    return found


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """n rows whose answer is known."""

    labels: NDArray[np.integer]
    is_right: NDArray[np.bool_]
    classes: NDArray[np.int32]
    kinds: NDArray[np.str_]
    k: int
    draws: Draws


def _quality(asked: _Asked, judgements: dict[str, Judgement]) -> VerdictQuality:
    kind = np.where(asked.is_right | (asked.kinds == "right"), "", asked.kinds)
    names, sizes = np.unique(kind, return_counts=True)
    own, *rivals = judgements
    return VerdictQuality(
        n=len(asked.labels),
        n_wrong=int((~asked.is_right).sum()),
        n_none_of_the_classes=int((asked.classes == NONE_OF_THE_CLASSES).sum()),
        kinds={str(name): int(size) for name, size in zip(names, sizes, strict=True) if name},
        methods={name: _method(asked, kind, judgement) for name, judgement in judgements.items()},
        differences={name: _difference(asked, judgements[own], judgements[name]) for name in rivals},
    )


def _difference(asked: _Asked, own: Judgement, rival: Judgement) -> FlagFigures:
    both = np.flatnonzero(~np.isnan(own.ranking) & ~np.isnan(rival.ranking))
    return flag_differences(
        own.flagged[both], rival.flagged[both], asked.is_right[both], asked.labels[both], draws=asked.draws
    )


def _method(asked: _Asked, kind: NDArray[np.str_], judgement: Judgement) -> MethodQuality:
    here = np.flatnonzero(~np.isnan(judgement.ranking))
    judged = chosen(judgement, here)
    is_right, labels, draws = asked.is_right[here], asked.labels[here], asked.draws
    sizes, n_wrong, misjudged = class_errors(judged.flagged, is_right, labels, asked.k)
    expected = judged.flagged if judged.probability_right is None else 1 - judged.probability_right
    stated = judged.stated_rate
    ranking = _ranked(judged.ranking, is_right, draws)
    by_probability = None if judged.probability_right is None else _ranked(judged.probability_right, is_right, draws)
    return MethodQuality(
        n=len(here),
        n_wrong=int(n_wrong.sum()),
        n_flagged=int(judged.flagged.sum()),
        flags=flag_figures(judged.flagged, is_right, labels, draws=draws),
        ranking=ranking,
        miss_rate_at_rate=_misses(ranking),
        probability_right=by_probability,
        rate=rate_figures(float(expected.mean()) if len(here) else math.nan, is_right, draws=draws),
        stated_rate=None if math.isnan(stated) else rate_figures(stated, is_right, draws=draws),
        class_rates=_class_rates(judged, labels, sizes, n_wrong, draws),
        suggestions=_suggestions(judged, is_right, asked.classes[here], draws),
        none_of_the_classes=_none_of_the_classes(judged, is_right, asked.classes[here], draws),
        by_kind=_by_kind(judged, is_right, kind[here], draws),
        by_class={"n": sizes.tolist(), "n_wrong": n_wrong.tolist(), "n_judged_wrongly": misjudged.tolist()},
    )


def _ranked(scores: NDArray[np.floating], is_right: NDArray[np.bool_], draws: Draws) -> DetectionFigures:
    return detection_figures(scores, is_right, n_draws=draws.n_draws, confidence=draws.confidence, seed=draws.seed)


def _misses(ranking: DetectionFigures) -> Measured:
    low, high = ranking.precision_at_rate_interval
    return Measured(value=1 - ranking.precision_at_rate, interval=(1 - high, 1 - low))


def _class_rates(
    judged: Judgement, labels: NDArray[np.integer], sizes: NDArray[np.int64], n_wrong: NDArray[np.int64], draws: Draws
) -> ClassRateFigures | None:
    """None where the method states rates for other rows only (those set aside have none of their own)."""
    estimated, ranges = judged.class_noise, judged.class_noise_ranges
    if estimated is None:
        if judged.probability_right is not None:
            return None
        flagged = np.bincount(labels[judged.flagged], minlength=len(sizes))
        estimated = np.divide(flagged, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)
    if ranges is None:
        ranges = np.full((len(sizes), 2), np.nan)
    return class_rate_figures(estimated, ranges, sizes, n_wrong, least_rows=LEAST_ROWS, draws=draws)


def _suggestions(
    judged: Judgement, is_right: NDArray[np.bool_], classes: NDArray[np.int32], draws: Draws
) -> Suggestions:
    asked = judged.flagged & ~is_right & (classes != NOT_KNOWN)
    one_of = asked & (classes >= 0)
    hit = one_of & (judged.suggested_label == classes)
    n_hit, n, n_one_of = int(hit.sum()), int(asked.sum()), int(one_of.sum())
    return Suggestions(
        n=n, right=share(n_hit, n, draws=draws),
        n_of_the_classes=n_one_of, right_of_the_classes=share(n_hit, n_one_of, draws=draws),
    )  # fmt: skip


def _none_of_the_classes(
    judged: Judgement, is_right: NDArray[np.bool_], classes: NDArray[np.int32], draws: Draws
) -> NoneOfTheClasses | None:
    marked = judged.none_of_the_classes
    if marked is None:
        return None
    of_none = classes == NONE_OF_THE_CLASSES
    return NoneOfTheClasses(
        n=int(of_none.sum()),
        recall=share(int((marked & of_none).sum()), int(of_none.sum()), draws=draws),
        right_so_marked=share(int((marked & is_right).sum()), int(is_right.sum()), draws=draws),
    )


def _by_kind(
    judged: Judgement, is_right: NDArray[np.bool_], kind: NDArray[np.str_], draws: Draws
) -> dict[str, KindFound]:
    found = {}
    for name in np.unique(kind[kind != ""]):
        of_kind = kind == name
        pair, n = is_right | of_kind, int(of_kind.sum())
        auroc, interval = auroc_with_interval(
            judged.ranking[pair], is_right[pair], n_draws=draws.n_draws, confidence=draws.confidence, seed=draws.seed
        )
        recall = share(int((judged.flagged & of_kind).sum()), n, draws=draws)
        found[str(name)] = KindFound(n_wrong=n, recall=recall, auroc=auroc, auroc_interval=interval)
    return found


def verdict_quality_as_json(quality: Mapping[str, VerdictQuality]) -> dict[str, Any]:
    """The figures as plain JSON values, null for what could not be measured."""
    return {name: plain_values(asdict(found)) for name, found in quality.items()}
