"""The methods of `weights.py`: what each trains on. Ours through the shipped weighers; rivals and ceilings are made here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.auto import ORDER
from reweigh.weighers.class_balance import ClassBalance, class_weights
from reweigh.weighers.clusters import ClusterCredibility, ClusterWeight
from reweigh.weighers.curriculum import Curriculum
from reweigh.weighers.rank_limit import RankLimit
from reweigh.weighers.settings import WeightSettings
from reweigh.weighers.weighing import Weights, kept_images, share_right_of, weigh_images
from weights_sets import Case

Role = Literal["reference", "balance", "factor", "ours", "oracle", "rival", "ceiling"]
VISUAL = ("held_out", "neighbours")
B = ("class_balance",)


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a head is fitted on, and what was believed of each label."""

    weights: NDArray[np.floating]
    """(m,) >= 0; 0 = not trained on"""
    targets: NDArray[np.int32]
    """(m,) -1 only where the weight is 0"""
    score: NDArray[np.floating] | None = None
    """(m,) the higher the more probably right"""
    is_probability: bool = False
    """Whether the score is meant as P(label is right)"""
    loss: Literal["cross_entropy", "generalised"] = "cross_entropy"
    weighed: Weights | None = None
    """Of the shipped weighers"""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A row of the table."""

    role: Role
    """Oracles and ceilings know something that nobody knows."""
    make: Callable[[Case], Training]
    reads: Any
    """What it is, as JSON: part of the key of its cells"""
    needs: tuple[str, ...] = ()
    """Weighers that the set must have something for"""


def weighing(*names: str, role: Role = "ours", is_shifted: bool = False, **settings: Any) -> Method:
    """Weights by the shipped weighers, the pool shifted to the verdicts' share of right labels as a run does it.

    `auto`: all that it takes of this set; is_shifted: to the true share instead.
    """
    record = WeightSettings(**settings)

    def make(case: Case) -> Training:
        own = tuple(n for n in case.auto if n not in ("duplicates", *B))
        used = tuple(n for name in names for n in (own if name == "auto" else (name,)))
        share = share_right_of(case.evidence["posterior"].verdicts)
        if is_shifted:
            share = float(case.is_right[case.is_known].mean())
        made = weigh_images(case.images, case.evidence, used, record, share_right=share)
        return Training(
            weights=made.weights, targets=case.labels, score=made.credibility,
            is_probability=record.combiner != "product", weighed=made,
        )  # fmt: skip

    meant = [n for name in names for n in (ORDER if name == "auto" else (name,))]
    reads = {"names": meant, "settings": asdict(record), "shifted": is_shifted}
    needs = tuple(n for n in names if n in ("rank", "own_text"))
    return Method(role=role, make=make, reads=reads, needs=needs)


def rows(keep: Callable[[Case], NDArray[np.bool_]], role: Role, name: str, *, is_balanced: bool) -> Method:
    """Some of the rows, all of the same weight or each class of the same total."""

    def make(case: Case) -> Training:
        kept = keep(case)
        return Training(weights=_equal(kept, case.labels, case.k, is_balanced), targets=case.labels)

    return Method(role=role, make=make, reads={"rows": name, "balanced": is_balanced})


def _equal(kept: NDArray[np.bool_], labels: NDArray[np.int32], k: int, is_balanced: bool) -> NDArray[np.float64]:
    if not is_balanced:
        return kept.astype(np.float64)
    mass = np.bincount(labels[kept], minlength=k).astype(np.float64)
    return kept * class_weights(mass, alpha=1.0)[np.maximum(labels, 0)]


def balanced_probability(case: Case) -> NDArray[np.float64]:
    """(m,) held-out p(y) of p_c / N_c, renormalised: as of a class-balanced probe."""
    scores = case.evidence["held_out"].log_probabilities.read(0, len(case.labels)).astype(np.float64)
    sizes = np.bincount(case.labels, minlength=case.k)
    scores -= np.where(sizes > 0, np.log(np.maximum(sizes, 1)), np.inf)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores[np.arange(len(scores)), case.labels] / scores.sum(axis=1)


def _agrees(case: Case) -> NDArray[np.bool_]:
    """Rows whose label is the arg-max of the held-out prediction as it is."""
    return case.evidence["held_out"].label_position == 0


def _agrees_balanced(case: Case) -> NDArray[np.bool_]:
    """Rows whose label is the arg-max once the sizes of the classes are taken out."""
    return case.evidence["agreement"].share > 0.5


def _lowest_losses(case: Case) -> NDArray[np.bool_]:
    """The true number of right rows, those of the lowest balanced held-out loss."""
    n = round(float(case.is_right[case.is_known].mean()) * len(case.labels))
    kept = np.zeros(len(case.labels), np.bool_)
    kept[np.argsort(-balanced_probability(case), kind="stable")[:n]] = True
    return kept


def _under_sampled(size_of: Callable[[NDArray], float]) -> Callable[[Case], NDArray[np.bool_]]:
    """No class has more rows than this figure of the class sizes; drawn by the seed."""

    def keep(case: Case) -> NDArray[np.bool_]:
        sizes = np.bincount(case.labels, minlength=case.k)
        most = round(float(size_of(sizes[sizes > 0])))
        shuffled = np.random.default_rng([case.seed, 6]).permutation(len(case.labels))
        kept = np.zeros(len(case.labels), np.bool_)
        for label in range(case.k):
            kept[shuffled[case.labels[shuffled] == label][:most]] = True
        return kept

    return keep


def _right(case: Case) -> NDArray[np.bool_]:
    return case.is_right


def _everything(case: Case) -> NDArray[np.bool_]:
    return np.ones(len(case.labels), np.bool_)


def _first_ranks(last: int) -> Callable[[Case], NDArray[np.bool_]]:
    """Rows up to this rank of their search, those without a rank too: as the weigher `rank_limit` keeps them."""

    def keep(case: Case) -> NDArray[np.bool_]:
        limited = WeightSettings(rank_limit=RankLimit(limit={"*": last}))
        return kept_images(case.images, ("rank_limit",), limited)[0]

    return keep


def _probability(case: Case) -> Training:
    """p(y) itself as the weight, classes equal in credible mass."""
    p = balanced_probability(case)
    mass = np.bincount(case.labels, weights=p, minlength=case.k)
    weights = p * class_weights(mass, alpha=1.0)[case.labels]
    return Training(weights=weights, targets=case.labels, score=p, is_probability=True)


def _dropped(is_balanced: bool) -> Callable[[Case], Training]:
    def make(case: Case) -> Training:
        weights = _equal(_lowest_losses(case), case.labels, case.k, is_balanced)
        return Training(weights=weights, targets=case.labels, score=balanced_probability(case))

    return make


def _generalised(is_balanced: bool) -> Callable[[Case], Training]:
    def make(case: Case) -> Training:
        weights = _equal(_everything(case), case.labels, case.k, is_balanced)
        return Training(weights=weights, targets=case.labels, loss="generalised")

    return make


def _corrected(case: Case) -> Training:
    """Every row under its right class; those of none, and those nobody knows of, are left out."""
    inside = case.truth >= 0
    return Training(weights=_equal(inside, case.truth, case.k, True), targets=case.truth)


def _cluster_weight(reading: Any, *others: str) -> Method:
    """The weights of clusters alone, and how well they tell right from wrong: the values themselves as a score."""
    settings = {"combiner": "product", "cluster_weight": ClusterWeight(reading=reading)}
    plain = weighing("cluster_weight", *others, role="factor", **settings)

    def make(case: Case) -> Training:
        made = plain.make(case)
        assert made.weighed is not None
        return replace(made, score=made.weighed.factors["cluster_weight"].values)

    return replace(plain, make=make)


FACTORS = ("held_out", "neighbours", "density", "clusters", "rank", "own_text")
READINGS = ("size", "density", "confusion", "purity", "cover")
"""Of URNet's clusters, mean 1 within each class and not calibrated."""
METHODS: dict[str, Method] = {
    "baseline": rows(_everything, "reference", "all", is_balanced=False),
    "balance, shipped": weighing(*B, role="balance"),
    "balance, eq. 4 at .5": weighing(*B, role="balance", class_balance=ClassBalance(alpha=0.5, reading="paper")),
    "balance, effective": weighing(*B, role="balance", class_balance=ClassBalance(reading="effective")),
    **{name: weighing(name, role="factor") for name in FACTORS},
    **{f"{name} +B": weighing(name, *B, role="factor") for name in FACTORS},
    "curriculum": weighing("curriculum", role="factor", combiner="product", curriculum=Curriculum()),
    "curriculum +B": weighing("curriculum", *B, role="factor", combiner="product", curriculum=Curriculum()),
    **{
        f"clusters by {reading} +B": weighing(
            "clusters", *B, role="factor", clusters=ClusterCredibility(reading=reading)
        )
        for reading in ("cover", "density")
    },
    **{f"cluster weight, {reading}": _cluster_weight(reading) for reading in READINGS},
    **{f"cluster weight, {reading} +B": _cluster_weight(reading, *B) for reading in READINGS},
    "visual": weighing(*VISUAL),
    "visual +B": weighing(*VISUAL, *B),
    "visual and density +B": weighing(*VISUAL, "density", *B),
    "visual and clusters +B": weighing(*VISUAL, "clusters", *B),
    "visual, rank": weighing(*VISUAL, "rank"),
    "visual, rank +B": weighing(*VISUAL, "rank", *B),
    "visual, text +B": weighing(*VISUAL, "own_text", *B),
    "auto": weighing("auto"),
    "auto +B": weighing("auto", *B),
    "auto and density +B": weighing("auto", "density", *B),
    "auto and clusters +B": weighing("auto", "clusters", *B),
    "auto and emphasis +B": weighing("auto", *B, "cluster_emphasis"),
    "auto, balance on counts": weighing("auto", *B, class_balance=ClassBalance(on="counts")),
    "auto, product +B": weighing("auto", *B, combiner="product"),
    "auto, geometric +B": weighing("auto", *B, combiner="geometric"),
    "visual, product +B": weighing(*VISUAL, *B, combiner="product"),
    "auto, gamma 2 +B": weighing("auto", *B, sharpness=2.0),
    "auto, gamma 4 +B": weighing("auto", *B, sharpness=4.0),
    "auto, true share, gamma 1 +B": weighing("auto", *B, role="oracle", is_shifted=True, sharpness=1.0),
    "auto, true share, gamma 2 +B": weighing("auto", *B, role="oracle", is_shifted=True, sharpness=2.0),
    "p(y) as weight +B": Method(role="rival", make=_probability, reads="p"),
    "keep arg-max == label": rows(_agrees, "rival", "agrees", is_balanced=False),
    "keep arg-max == label +B": rows(_agrees, "rival", "agrees", is_balanced=True),
    "keep balanced arg-max == label +B": rows(_agrees_balanced, "rival", "agrees balanced", is_balanced=True),
    "drop the true rate": Method(role="rival", make=_dropped(False), reads="dropped"),
    "drop the true rate +B": Method(role="rival", make=_dropped(True), reads="dropped, balanced"),
    "under-sample to the median": rows(_under_sampled(np.median), "rival", "median", is_balanced=False),
    "under-sample to the smallest": rows(_under_sampled(np.min), "rival", "smallest", is_balanced=False),
    "first 15 ranks": rows(_first_ranks(15), "rival", "first 15 ranks", is_balanced=False),
    "first 15 ranks +B": rows(_first_ranks(15), "rival", "first 15 ranks", is_balanced=True),
    "generalised cross-entropy": Method(role="rival", make=_generalised(False), reads="gce .7"),
    "generalised cross-entropy +B": Method(role="rival", make=_generalised(True), reads="gce .7, balanced"),
    "right rows": rows(_right, "ceiling", "right", is_balanced=False),
    "right rows +B": rows(_right, "ceiling", "right", is_balanced=True),
    "labels corrected +B": Method(role="ceiling", make=_corrected, reads="corrected"),
}
GRID = (0.3, 0.1, 0.03, 0.01, 0.003)
AT_BEST_L2 = (
    "baseline", "balance, shipped", "visual +B", "auto +B", "auto, gamma 2 +B", "auto, true share, gamma 1 +B",
    "auto, true share, gamma 2 +B", "p(y) as weight +B", "keep balanced arg-max == label +B", "drop the true rate +B",
    "generalised cross-entropy +B", "right rows +B", "labels corrected +B",
)  # fmt: skip
"""Methods of the second table, each at its own best strength of GRID."""
SLOW = "generalised cross-entropy +B"
"""A dozen fits each: tried at the strengths .1, .03 and .01 only; .3 and .003 were worse where they were tried."""


def grid_of(method: str) -> tuple[float, ...]:
    """Strengths that a method of the second table is tried at."""
    return GRID[1:4] if method == SLOW else GRID


def is_possible(method: Method, auto: tuple[str, ...]) -> bool:
    """Whether the set has something for each weigher that the method needs."""
    return all(name in auto for name in method.needs)
