"""The table of evidence: name -> what it says, how it is made, what it needs, how it is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.evidence.agreement import Agreement, label_agreement, load_agreement, save_agreement
from reweigh.evidence.clusters import help_with_clusters, load_clusters, make_clusters, save_clusters
from reweigh.evidence.density import load_density, make_density, save_density
from reweigh.evidence.held_out import (
    HeldOut,
    chosen_held_out,
    help_with_held_out,
    load_held_out,
    make_held_out,
    save_held_out,
)
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.label_text import load_label_text, make_label_text, save_label_text, state_of_label_text
from reweigh.evidence.neighbours import chosen_neighbours, load_neighbours, make_neighbours, save_neighbours
from reweigh.evidence.own_text import load_own_text, make_own_text, save_own_text
from reweigh.evidence.posterior import chosen_posterior, load_posterior, make_posterior, save_posterior
from reweigh.evidence.settings import EvidenceSettings


@dataclass(frozen=True, kw_only=True)
class EvidenceInfo:
    """One piece of evidence."""

    description: str
    """one line, for lists"""
    make: Callable[[EvidenceInputs, EvidenceSettings, int], Any]
    """(inputs, settings, seed) -> record"""
    needs: tuple[str, ...]
    """pieces that must be in `inputs.made` first"""
    reads: tuple[str, ...]
    """names of the EvidenceSettings it reads, and `probe`: what it must be made anew for"""
    choose: Callable[[Any, NDArray[np.int64]], Any]
    """(record, positions) -> the record for some of its rows"""
    save: Callable[[Any, Path], None]
    """(record, existing empty folder)"""
    load: Callable[[Path], Any]
    state: Callable[[EvidenceSettings], Any] | None = None
    """The state, as JSON, of files that it reads beside its inputs"""
    help: Callable[[EvidenceInputs, EvidenceSettings, int], None] | None = None
    """What other ranks do while rank 0 calls `make`; None: they wait"""


def _held_out(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> HeldOut:
    return make_held_out(
        inputs.features,
        inputs.rows,
        inputs.labels,
        inputs.groups,
        k=inputs.k,
        settings=settings,
        probe=inputs.probe,
        seed=seed,
        is_fitted=inputs.is_fitted,
        uids=inputs.uids,
        workspace=inputs.workspace,
        progress=inputs.progress,
        ranks=inputs.ranks,
        predict_fold=inputs.predict_fold,
    )


def _agreement(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> Agreement:
    return Agreement(share=label_agreement(inputs.made["held_out"].log_probabilities, inputs.labels))


def _chosen(*names: str) -> Callable[[Any, NDArray[np.int64]], Any]:
    """Takes some rows of the record's arrays of these names."""

    def choose(record: Any, positions: NDArray[np.int64]) -> Any:
        return replace(record, **{name: getattr(record, name)[positions] for name in names})

    return choose


EVIDENCE: dict[str, EvidenceInfo] = {
    "held_out": EvidenceInfo(
        description="predictions by probes that have not seen the image's group",
        make=_held_out,
        needs=(),
        reads=("n_folds", "kept_classes", "probe"),
        choose=chosen_held_out,
        save=save_held_out,
        load=load_held_out,
        help=help_with_held_out,
    ),
    "agreement": EvidenceInfo(
        description="how far those predictions agree with each label, class sizes taken out",
        make=_agreement,
        needs=("held_out",),
        reads=("n_folds", "kept_classes", "probe"),
        choose=_chosen("share"),
        save=save_agreement,
        load=load_agreement,
    ),
    "neighbours": EvidenceInfo(
        description="labels of the images most like this one, its own group left out",
        make=make_neighbours,
        needs=(),
        reads=("n_neighbours",),
        choose=chosen_neighbours,
        save=save_neighbours,
        load=load_neighbours,
    ),
    "posterior": EvidenceInfo(
        description="verdicts: how probably each label is right, given both of these, and what it should be",
        make=make_posterior,
        needs=("held_out", "neighbours"),
        reads=("n_folds", "kept_classes", "probe", "n_neighbours", "truth", "verified"),
        choose=chosen_posterior,
        save=save_posterior,
        load=load_posterior,
    ),
    "density": EvidenceInfo(
        description="how densely the image lies among those of its label",
        make=make_density,
        needs=(),
        reads=(),
        choose=_chosen("rows", "share"),
        save=save_density,
        load=load_density,
    ),
    "clusters": EvidenceInfo(
        description="the cluster it falls into among images of its class and of those that are taken for it",
        make=make_clusters,
        needs=("held_out",),
        reads=("n_folds", "kept_classes", "probe", "confused_classes", "clusters_per_class"),
        choose=_chosen("rows", "cluster_rows", "class_rows", "union_rows", "distance"),
        save=save_clusters,
        load=load_clusters,
        help=help_with_clusters,
    ),
    "own_text": EvidenceInfo(
        description="how much title, tags and description speak of the label",
        make=make_own_text,
        needs=(),
        reads=(),
        choose=_chosen("rows", "similarity"),
        save=save_own_text,
        load=load_own_text,
    ),
    "label_text": EvidenceInfo(
        description="vectors of what each label says",
        make=make_label_text,
        needs=(),
        reads=("label_text", "label_text_from"),
        choose=lambda record, positions: record,
        save=save_label_text,
        load=load_label_text,
        state=state_of_label_text,
    ),
}
