"""The rows of `ablation_urnet.py`: what a head or a network is taught, and with what weights. URNet's pieces, alone and added up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.evidence.settings import EvidenceSettings
from reweigh.probes.settings import ProbeSettings
from reweigh.targets.label_targets import LabelTargets
from reweigh.targets.sources import SOURCES, SourceInputs
from reweigh.weighers.class_balance import ClassBalance, class_weights
from reweigh.weighers.clusters import ClusterWeight
from reweigh.weighers.image_text import ImageText
from reweigh.weighers.settings import WeightSettings
from reweigh.weighers.weighing import Weights, share_right_of, weigh_images
from weights_methods import METHODS
from weights_sets import Case

SHARPNESS = {"probe": 1.0, "network": 4.0}
"""As a run has it once the share of right labels is known."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is trained on."""

    weights: NDArray[np.floating]
    """(m,) >= 0; 0: not trained on"""
    targets: NDArray[np.int32] | LabelTargets
    labels: NDArray[np.int32]
    """(m,) that bags are made of"""
    bags: str = ""
    """`attention` or `mean`, of three images"""
    loss: str = "cross_entropy"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table."""

    make: Callable[[Case, str], Lesson]
    """(case, `probe` or `network`)"""
    reads: Any
    """What it is, as JSON: part of the key of its cells"""
    heads: tuple[str, ...] = ("probe", "network")
    paper: str = ""
    """The paper's figure after this step (top-5, ResNeXt-101, WebVision 2.0)"""


def piece(
    *names: str, targets: dict[str, Any] | None = None, left: str = "full", bags: str = "", paper: str = "", **settings: Any
) -> Row:  # fmt: skip
    """Weights of these weighers (`auto`: all that it takes), and targets; left: what the weights still do beside targets."""

    def make(case: Case, head: str) -> Lesson:
        made = _weighed(case, names, head, settings)
        weights = np.ones(len(case.labels)) if made is None else made.weights.astype(np.float64)
        taught = case.labels if targets is None else _targets(case, made, **targets)
        if left != "full":
            weights = (weights > 0).astype(np.float64)
        if left == "balance":
            counts = np.bincount(case.labels, weights=weights, minlength=case.k)
            weights = weights * class_weights(counts, alpha=1.0)[case.labels]
        return Lesson(weights=weights, targets=taught, labels=case.labels, bags=bags)

    reads = [list(names), targets, left, bags, repr(sorted(settings.items()))]
    return Row(make=make, reads=reads, heads=("network",) if bags else ("probe", "network"), paper=paper)


def rival(name: str) -> Row:
    """A row of `weights.py`."""

    def make(case: Case, head: str) -> Lesson:
        made = METHODS[name].make(case)
        loss = "generalised_cross_entropy" if made.loss == "generalised" else "cross_entropy"
        return Lesson(weights=made.weights, targets=made.targets, labels=made.targets, loss=loss)

    return Row(make=make, reads=["weights.py", name, METHODS[name].reads])


def _weighed(case: Case, names: tuple[str, ...], head: str, settings: dict[str, Any]) -> Weights | None:
    own = [n for n in case.auto if n not in ("duplicates", "class_balance")]
    used = tuple(n for name in names for n in (own if name == "auto" else (name,)))
    if not used:
        return None
    share = share_right_of(case.evidence["posterior"].verdicts)
    record = WeightSettings(**settings)
    return weigh_images(case.images, case.evidence, used, record, share_right=share, sharpness=SHARPNESS[head])


def _targets(
    case: Case, made: Weights | None, *, policy: str, source: str, form: str = "soft", beta: float = 0.8
) -> LabelTargets:
    if policy == "per_row":
        assert made is not None and made.credibility is not None
        shares = np.nan_to_num(made.credibility, nan=1.0)
    else:
        shares = np.full(len(case.labels), beta, np.float32)
    inputs = SourceInputs(
        features=case.features, rows=case.rows, labels=case.labels, groups=case.images.groups, k=case.k,
        weights=None if made is None else made.weights, held_out=replace(case.evidence["held_out"], rows=case.rows), shares=shares,
        evidence=EvidenceSettings(), probe=ProbeSettings(l2=case.l2), seed=case.seed,
    )  # fmt: skip
    return LabelTargets(labels=case.labels, shares=shares, predictions=SOURCES[source](inputs), form=form)  # type: ignore[arg-type]


B = ("class_balance",)
STEPS = ("clusters", "image_text")
EQ_4 = ClassBalance(reading="paper", alpha=0.5, on="counts")
PRINTED = {"combiner": "product", "class_balance": EQ_4, "image_text": ImageText(loss="eq8", is_calibrated=False)}
LITERAL_AT_1 = {**PRINTED, "class_balance": ClassBalance(on="counts")}
SOFT = {"policy": "bootstrap", "source": "weighted"}
PER_ROW = {"policy": "per_row", "source": "weighted"}
AS_PRINTED = {"policy": "bootstrap", "source": "baseline", "form": "hard"}
PIECES: dict[str, Row] = {
    "baseline": replace(piece(), paper="71.7"),
    "class alone": piece(*B),
    "cluster alone: purity": piece("cluster_weight", combiner="product", cluster_weight=ClusterWeight(reading="purity")),
    "cluster alone: size, as printed": piece("cluster_weight", combiner="product"),
    "instance alone: softmax": piece("image_text"),
    "instance alone: eq. 8, as printed": piece("image_text", **PRINTED),
    "bag alone: attention": piece(bags="attention"),
    "bag alone: mean": piece(bags="mean"),
    "label alone: per row, balance": piece("auto", *B, targets=PER_ROW, left="balance"),
    "label alone: beta .8, as printed": piece(targets=AS_PRINTED),
    "instance and class": piece("image_text", *B),
    "+ class": piece(*B, paper="72.8"),
    "+ cluster": piece("clusters", *B, paper="75.3"),
    "+ instance": piece(*STEPS, *B, paper="76.0"),
    "+ bag": piece(*STEPS, *B, bags="attention", paper="76.3"),
    "+ label": piece(*STEPS, *B, targets=SOFT, paper="76.5"),
    "+ bag + label": piece(*STEPS, *B, targets=SOFT, bags="attention", paper="76.5"),
    "printed: + class": piece(*B, class_balance=EQ_4, paper="72.8"),
    "printed: + cluster": piece(*B, "cluster_weight", combiner="product", class_balance=EQ_4, paper="75.3"),
    "printed: + instance": piece(*B, "cluster_weight", "image_text", **PRINTED, paper="76.0"),
    "printed: + label": piece(*B, "cluster_weight", "image_text", targets=AS_PRINTED, **PRINTED, paper="76.5"),
    "printed at alpha 1: + instance": piece(*B, "cluster_weight", "image_text", **LITERAL_AT_1),
    "auto": piece("auto", *B),
    "auto and URNet's": piece("auto", *STEPS, *B),
    "auto, targets per row": piece("auto", *B, targets=PER_ROW),
    **{
        name: rival(name)
        for name in (
            "keep arg-max == label", "keep arg-max == label +B", "keep balanced arg-max == label +B", "p(y) as weight +B",
            "drop the true rate +B", "under-sample to the median",
            "first 15 ranks", "first 15 ranks +B", "generalised cross-entropy", "generalised cross-entropy +B",
            "right rows +B", "labels corrected +B",
        )
    },
}  # fmt: skip
CEILING = "right rows +B"
