"""Whose predictions targets take: `SOURCES`. Each gives (n, k) log-probabilities of the images that are trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.evidence.held_out import HeldOut, chosen_held_out, make_held_out
from reweigh.evidence.settings import EvidenceSettings
from reweigh.features.matrix import FeatureMatrix
from reweigh.probes.linear import Probe, Rows, Uids, fit_probe, predict
from reweigh.probes.log_probabilities import LogProbabilities, compact, empty_log_probabilities, put, should_be_dense
from reweigh.probes.settings import ProbeSettings
from reweigh.progress import Progress, silent
from reweigh.targets.label_targets import LabelTargets
from reweigh.targets.settings import Form

REFITS = 3
"""Times that `current` fits to its own predictions."""


@dataclass(frozen=True, kw_only=True)
class SourceInputs:
    """What predictions are made from, of n images."""

    features: FeatureMatrix
    rows: Rows
    """(n,) positions into the features"""
    labels: NDArray[np.int32]
    """(n,) in 0..k-1"""
    groups: NDArray[np.int64]
    """(n,) images of a group share a fold"""
    k: int
    weights: NDArray[np.float32] | None
    """(n,) of the run; None where it has none"""
    held_out: HeldOut
    """Of these rows, and perhaps more"""
    shares: NDArray[np.float32]
    """(n,) of the label in the targets; only `current` asks"""
    form: Form = "soft"
    top: int = 5
    evidence: EvidenceSettings
    probe: ProbeSettings
    seed: int = 0
    uids: Uids | None = None
    workspace: Path | None = None
    progress: Progress = silent


def held_out(inputs: SourceInputs) -> LogProbabilities:
    """The held-out predictions of the evidence, neither weighted nor balanced."""
    # Excluded images have none; theirs is never read.
    at = np.minimum(np.searchsorted(inputs.held_out.rows, inputs.rows), len(inputs.held_out.rows) - 1)
    return chosen_held_out(inputs.held_out, at).log_probabilities


def weighted(inputs: SourceInputs) -> LogProbabilities:
    """Held-out predictions of probes with the run's weights, in the same folds."""
    if inputs.weights is None:
        raise ReweighError(
            'targets.source = "weighted" needs weights, and this recipe has none; set weights.use, or targets.source = "held_out".'
        )
    return make_held_out(
        inputs.features, inputs.rows, inputs.labels, inputs.groups, k=inputs.k, settings=inputs.evidence, probe=_probe(inputs),
        seed=inputs.seed, is_fitted=inputs.weights > 0, weights=inputs.weights, uids=inputs.uids, workspace=inputs.workspace,
        progress=inputs.progress,
    ).log_probabilities  # fmt: skip


def baseline(inputs: SourceInputs) -> LogProbabilities:
    """Of a probe without weights on the images that it has learnt from: URNet eq. 10."""
    is_in = None if inputs.weights is None else (inputs.weights > 0).astype(np.float32)
    return _predicted(inputs, _fit(inputs, inputs.labels, is_in))


def current(inputs: SourceInputs) -> LogProbabilities:
    """Of the weighted probe itself on the images that it has learnt from, refitted to its own targets: URNet's slides."""
    head = _fit(inputs, inputs.labels, inputs.weights)
    for done in range(REFITS):
        inputs.progress("targets", done, REFITS, "refits of the probe")
        targets = LabelTargets(
            labels=inputs.labels, shares=inputs.shares, predictions=_predicted(inputs, head, stored=False), form=inputs.form, top=inputs.top,
        )  # fmt: skip
        head = _fit(inputs, targets, inputs.weights, start=head)
    return _predicted(inputs, head)


SOURCES: dict[str, Callable[[SourceInputs], LogProbabilities]] = {
    "weighted": weighted,
    "held_out": held_out,
    "baseline": baseline,
    "current": current,
}


def _probe(inputs: SourceInputs) -> ProbeSettings:
    """At the strength that the held-out predictions chose."""
    return replace(inputs.probe, l2=inputs.probe.l2 or inputs.held_out.l2)


def _fit(
    inputs: SourceInputs, targets: NDArray[np.int32] | LabelTargets, weights: NDArray[np.float32] | None, start: Probe | None = None
) -> Probe:  # fmt: skip
    settings = _probe(inputs)
    return fit_probe(
        inputs.features, inputs.rows, targets, k=inputs.k, l2=settings.l2, weights=weights, start=start, tolerance=settings.tolerance,
        max_iterations=settings.max_iterations, uids=inputs.uids,
    )  # fmt: skip


def _predicted(inputs: SourceInputs, head: Probe, *, stored: bool = True) -> LogProbabilities:
    """The head on all rows, in files of the workspace where there is one."""
    n = len(inputs.rows)
    m = None if should_be_dense(n, inputs.k) else inputs.evidence.kept_classes
    folder = inputs.workspace if stored else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    kept = empty_log_probabilities(n, inputs.k, m=m, folder=folder)
    blocks: Iterator[NDArray[np.float32]] = predict(head, inputs.features, inputs.rows, uids=inputs.uids)
    start = 0
    for block in blocks:
        put(kept, slice(start, start + len(block)), compact(block, m=m))
        start += len(block)
    return kept
