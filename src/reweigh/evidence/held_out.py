"""Held-out predictions: every row judged by a probe that has not seen its group."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.evidence.inputs import EvidenceInputs, PredictFold
from reweigh.evidence.settings import EvidenceSettings
from reweigh.features.matrix import FeatureMatrix
from reweigh.metrics.accuracy import best_others, label_positions
from reweigh.probes.checks import check_labels
from reweigh.probes.folds import NO_FOLD, assign_folds
from reweigh.probes.linear import Rows, Uids, fit_probe, predict
from reweigh.probes.log_probabilities import (
    LogProbabilities,
    compact,
    empty_log_probabilities,
    load_log_probabilities,
    put,
    save_log_probabilities,
    should_be_dense,
)
from reweigh.probes.settings import ProbeSettings
from reweigh.probes.strength import StrengthChoice, choose_l2
from reweigh.progress import Progress, silent
from reweigh.ranks import ALONE, Ranks, agreed, together
from reweigh.whole_files import read_json, whole_folder, write_json


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out predictions of n rows over k classes; where the label is -1, what depends on it is NaN or -1."""

    rows: Rows
    """(n,) positions into the features"""
    labels: NDArray[np.int32]
    """(n,) given labels, -1 = none"""
    label_log_probability: NDArray[np.float32]
    """(n,) of the given label, exact"""
    label_position: NDArray[np.int32]
    """(n,) classes that are more probable than the label: 0 = the label is the arg-max"""
    best_other: NDArray[np.int32]
    """(n,) most probable class but the label; -1 where there is only one class"""
    best_other_log_probability: NDArray[np.float32]
    """(n,) of it, exact; margin = label_log_probability - best_other_log_probability"""
    log_probabilities: LogProbabilities
    fold: NDArray[np.int8]
    """(n,) the fold whose rows this row was held out with; -1: no label, predicted by a probe of all labelled rows"""
    k: int
    l2: float
    strength: StrengthChoice | None
    """How `l2` was chosen; None where the settings gave it."""
    held_out_loss: float
    """Mean -label_log_probability over the labelled rows."""
    unconverged_folds: tuple[int, ...] = ()
    """Folds whose fit ended at the limit of steps; -1 is the probe of all labelled rows."""


EXACT = ("label_log_probability", "label_position", "best_other", "best_other_log_probability")
"""Arrays of one exact number a row."""


def make_held_out(
    features: FeatureMatrix,
    rows: Rows,
    labels: NDArray[np.integer],
    groups: NDArray[np.int64],
    *,
    k: int,
    settings: EvidenceSettings | None = None,
    probe: ProbeSettings | None = None,
    seed: int = 0,
    is_fitted: NDArray[np.bool_] | None = None,
    uids: Uids | None = None,
    workspace: Path | None = None,
    progress: Progress = silent,
    ranks: Ranks = ALONE,
    predict_fold: PredictFold | None = None,
    weights: NDArray[np.floating] | None = None,
) -> HeldOut:
    """Held-out predictions of these rows; labels and groups (n,) belong to `rows`, position by position.

    weights (n,): of the rows that the probes learn from; those of the evidence have none. is_fitted (n,): rows that they may
    learn from, None = all with a label; the others are judged all the same. `workspace`: a folder for finished folds; a second call with the same
    inputs goes on from there and returns the same bytes. Without it everything stays in memory. Of several `ranks`, which
    see the same workspace, rank 0 calls this and the others `help_with_held_out`.
    Raises ReweighError for labels outside -1..k-1, fewer groups than folds, and features that are not finite.
    """
    task = _task_of(
        features, rows, labels, groups, k=k, settings=settings or EvidenceSettings(), probe=probe or ProbeSettings(), seed=seed,
        is_fitted=is_fitted, uids=uids, workspace=workspace, predict_fold=predict_fold, weights=weights,
    )  # fmt: skip
    if ranks.world > 1:
        share_folds(task, seed=seed, progress=progress, ranks=ranks)
    strength = _strength(task, seed=seed, progress=progress)
    l2 = task.probe.l2 if strength is None else strength.l2
    result, unconverged = _room(len(task.rows), k, m=task.m, workspace=workspace), []
    numbers = fold_numbers(task)
    for done, number in enumerate(numbers):
        progress("held-out", done, len(numbers), f"fold {number + 1}" if number >= 0 else "images without a label")
        part = _stored_fold(task, number, l2=l2)
        _place(result, np.flatnonzero(task.fold == number), part)
        if not part.is_converged:
            unconverged.append(number)
    progress("held-out", len(numbers), len(numbers), "")
    own = result.exact["label_log_probability"][task.labels >= 0].astype(np.float64)
    return HeldOut(
        rows=task.rows, labels=task.labels.astype(np.int32), log_probabilities=result.log_probabilities, fold=task.fold, k=k, l2=l2,
        strength=strength, held_out_loss=float(-own.mean()), unconverged_folds=tuple(unconverged), **result.exact,
    )  # fmt: skip


def share_folds(task: FoldTask, *, seed: int, progress: Progress, ranks: Ranks) -> None:
    """This rank's share of the fits, left in the workspace, from where rank 0 puts all of them together."""
    strength = _strength(task, seed=seed, progress=progress, ranks=ranks)
    with together(ranks):
        for number in fold_numbers(task)[ranks.rank :: ranks.world]:
            _stored_fold(task, number, l2=task.probe.l2 if strength is None else strength.l2)


def fold_numbers(task: FoldTask) -> list[int]:
    """The folds, and -1 where there are rows without a label."""
    return [*range(task.n_folds), *([NO_FOLD] if (task.fold == NO_FOLD).any() else [])]


def help_with_held_out(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> None:
    """What another rank than 0 does while that one calls `make_held_out` with the same inputs."""
    task = _task_of(
        inputs.features, inputs.rows, inputs.labels, inputs.groups, k=inputs.k, settings=settings, probe=inputs.probe, seed=seed,
        is_fitted=inputs.is_fitted, uids=inputs.uids, workspace=inputs.workspace, predict_fold=inputs.predict_fold,
    )  # fmt: skip
    share_folds(task, seed=seed, progress=inputs.progress, ranks=inputs.ranks)


def _task_of(
    features: FeatureMatrix, rows: Rows, labels: NDArray[np.integer], groups: NDArray[np.int64], *, k: int,
    settings: EvidenceSettings, probe: ProbeSettings, seed: int, is_fitted: NDArray[np.bool_] | None, uids: Uids | None,
    workspace: Path | None, predict_fold: PredictFold | None, weights: NDArray[np.floating] | None = None,
) -> FoldTask:  # fmt: skip
    rows, labels = np.asarray(rows, np.int64), np.asarray(labels)
    check_labels(labels, rows, k=k, uids=uids, lowest=-1)
    learnt = labels >= 0 if is_fitted is None else (labels >= 0) & is_fitted
    return FoldTask(
        features=features, rows=rows, labels=labels, is_learnt=learnt, k=k, probe=probe, uids=uids, workspace=workspace,
        predict_fold=predict_fold, fold=assign_folds(groups, labels, n_folds=settings.n_folds, seed=seed), n_folds=settings.n_folds,
        m=None if should_be_dense(len(rows), k) else settings.kept_classes, weights=weights,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FoldTask:
    """What all folds share."""

    features: FeatureMatrix
    rows: Rows
    labels: NDArray[np.integer]
    is_learnt: NDArray[np.bool_]
    fold: NDArray[np.int8]
    n_folds: int
    k: int
    m: int | None
    """Classes kept of each row; None: all."""
    probe: ProbeSettings
    uids: Uids | None
    workspace: Path | None
    predict_fold: PredictFold | None = None
    weights: NDArray[np.floating] | None = None


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Predictions of some rows, as they are computed, stored and put together."""

    exact: dict[str, NDArray]
    log_probabilities: LogProbabilities
    is_converged: bool = True


def _strength(task: FoldTask, *, seed: int, progress: Progress, ranks: Ranks = ALONE) -> StrengthChoice | None:
    """The choice of l2, made once and kept in the workspace; None where the settings say the strength."""
    if task.probe.l2 > 0:
        return None
    stored = None if task.workspace is None else task.workspace / "strength.json"
    if stored is not None and agreed(ranks, stored.exists()):
        return strength_from(read_json(stored))
    at = task.is_learnt
    choice = choose_l2(
        task.features, task.rows[at], task.labels[at], task.fold[at], k=task.k, settings=task.probe, seed=seed,
        uids=task.uids, progress=progress, ranks=ranks,
    )  # fmt: skip
    if stored is not None and ranks.is_first:
        stored.parent.mkdir(parents=True, exist_ok=True)
        write_json(stored, asdict(choice))
    return choice


def _stored_fold(task: FoldTask, number: int, *, l2: float) -> _Part:
    """The fold's predictions, from the workspace where they are whole there, else made and stored."""
    folder = None if task.workspace is None else task.workspace / (f"fold-{number}" if number >= 0 else "no-label")
    if folder is not None and folder.exists():
        return _load_part(folder, k=task.k)
    is_out = task.fold == number
    seen = ~is_out & task.is_learnt
    if task.predict_fold is not None:
        blocks, is_converged = task.predict_fold(number, seen, is_out), True
    else:
        head = fit_probe(
            task.features, task.rows[seen], task.labels[seen], k=task.k, l2=l2, tolerance=task.probe.tolerance,
            max_iterations=task.probe.max_iterations, uids=task.uids, weights=None if task.weights is None else task.weights[seen],
        )  # fmt: skip
        blocks = predict(head, task.features, task.rows[is_out], uids=task.uids)
        is_converged = head.is_converged
    if folder is None:
        return _kept(task, blocks, is_out, is_converged, folder=None)
    with whole_folder(folder) as partial:
        part = _kept(task, blocks, is_out, is_converged, folder=partial)
        _save_part(part, partial)
    return _load_part(folder, k=task.k)


def _kept(
    task: FoldTask,
    blocks: Iterator[NDArray[np.float32]],
    is_out: NDArray[np.bool_],
    is_converged: bool,
    *,
    folder: Path | None,
) -> _Part:
    """What is kept of predictions of these rows, block by block; the large arrays in files of `folder` where given."""
    labels = task.labels[is_out]
    part = _Part(
        exact=_exact_room(len(labels)),
        log_probabilities=empty_log_probabilities(len(labels), task.k, m=task.m, folder=folder),
        is_converged=is_converged,
    )
    start = 0
    for block in blocks:
        here = slice(start, start + len(block))
        for name, values in _exact(block, labels[here]).items():
            part.exact[name][here] = values
        put(part.log_probabilities, here, compact(block, m=task.m))
        start += len(block)
    return part


def _exact(block: NDArray[np.float32], labels: NDArray[np.integer]) -> dict[str, NDArray]:
    """The numbers kept exactly, of a block (b, k) of log-probabilities; without a label, the best class of all."""
    has_label = labels >= 0
    own = block[np.arange(len(block)), np.maximum(labels, 0)]
    other, other_value = best_others(block, labels)
    return {
        "label_log_probability": np.where(has_label, own, np.float32(np.nan)),
        "label_position": np.where(has_label, label_positions(block, labels), -1),
        "best_other": other,
        "best_other_log_probability": other_value,
    }


def _exact_room(n: int) -> dict[str, NDArray]:
    return {name: np.zeros(n, np.float32 if name.endswith("probability") else np.int32) for name in EXACT}


def _room(n: int, k: int, *, m: int | None, workspace: Path | None) -> _Part:
    """Room for all rows; a half-filled one of a killed call is made anew, as filling it is only copying."""
    folder = None if workspace is None else workspace / "together"
    if folder is not None:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    return _Part(exact=_exact_room(n), log_probabilities=empty_log_probabilities(n, k, m=m, folder=folder))


def _place(whole: _Part, positions: NDArray[np.int64], part: _Part) -> None:
    for name in EXACT:
        whole.exact[name][positions] = part.exact[name]
    put(whole.log_probabilities, positions, part.log_probabilities)


def _save_part(part: _Part, folder: Path) -> None:
    """What `_predict` has not written itself."""
    for name in EXACT:
        np.save(folder / f"{name}.npy", part.exact[name], allow_pickle=False)
    for values in (getattr(part.log_probabilities, name) for name in ("dense", "indices", "values", "remaining")):
        if isinstance(values, np.memmap):
            values.flush()
    write_json(folder / "fold.json", {"is_converged": part.is_converged})


def _load_part(folder: Path, *, k: int) -> _Part:
    return _Part(
        exact={name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in EXACT},
        log_probabilities=load_log_probabilities(folder, k=k),
        is_converged=read_json(folder / "fold.json")["is_converged"],
    )


def chosen_held_out(record: HeldOut, positions: NDArray[np.int64]) -> HeldOut:
    """The record for some of its rows; the large arrays stay where they are."""
    before = record.log_probabilities.chosen
    return replace(
        record,
        log_probabilities=replace(record.log_probabilities, chosen=positions if before is None else before[positions]),
        **{name: getattr(record, name)[positions] for name in ("rows", "labels", "fold", *EXACT)},
    )


def save_held_out(record: HeldOut, folder: Path) -> None:
    """Write the record into an existing, empty folder: NAME.npy of each array and held_out.json."""
    for name in ("rows", "labels", "fold", *EXACT):
        np.save(folder / f"{name}.npy", getattr(record, name), allow_pickle=False)
    save_log_probabilities(record.log_probabilities, folder)
    write_json(
        folder / "held_out.json",
        {
            "k": record.k,
            "l2": record.l2,
            "strength": None if record.strength is None else asdict(record.strength),
            "held_out_loss": record.held_out_loss,
            "unconverged_folds": list(record.unconverged_folds),
        },
    )


def load_held_out(folder: Path) -> HeldOut:
    """The record of a folder; log-probabilities are memory-mapped. Raises ReweighError where there is none."""
    if not (folder / "held_out.json").exists():
        raise ReweighError(f"No held-out predictions in {folder}: held_out.json is missing.")
    facts = read_json(folder / "held_out.json")
    arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("rows", "labels", "fold", *EXACT)}
    return HeldOut(
        log_probabilities=load_log_probabilities(folder, k=facts["k"]),
        k=facts["k"],
        l2=facts["l2"],
        strength=None if facts["strength"] is None else strength_from(facts["strength"]),
        held_out_loss=facts["held_out_loss"],
        unconverged_folds=tuple(facts["unconverged_folds"]),
        **arrays,
    )


def strength_from(value: dict) -> StrengthChoice:
    """The record of its JSON form."""
    return StrengthChoice(
        l2=value["l2"],
        grid=tuple(value["grid"]),
        held_out_losses=tuple(value["held_out_losses"]),
        n_folds=value["n_folds"],
        n_rows=value["n_rows"],
    )
