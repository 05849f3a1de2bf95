"""The label posterior as a piece of evidence: verdicts on the labels, and what judges further rows."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.stored_arrays import load_arrays, save_arrays
from reweigh.probes.log_probabilities import load_log_probabilities, save_log_probabilities
from reweigh.verdicts.candidates import candidates_of
from reweigh.verdicts.channel import Channel
from reweigh.verdicts.judging import Asked, Learnt, judge
from reweigh.verdicts.record import ROW_ARRAYS, Confusions, LabelVerdicts, chosen_verdicts
from reweigh.whole_files import read_json, write_json

FILE = "posterior.json"
CLASS_ARRAYS = ("class_noise", "class_noise_ranges")
PAIR_ARRAYS = ("given", "truth", "expected")
LEARNT_ARRAYS = ("truth", "label", "prior", "entropy", "wrong")
CHANNEL_ARRAYS = ("slopes", "shifts", "noise", "passed", "unseen")


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Verdicts on n rows; those without a label are among them and have none."""

    verdicts: LabelVerdicts
    learnt: Learnt | None
    """None where nothing can be told, and for a choice of the rows"""


def make_posterior(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> Posterior:
    """The verdicts from the held-out predictions and the neighbours; the code of `reweigh.label_verdicts`.

    Rows that models may not learn from are judged all the same. What a person said of a label serves the rate, and from
    50 looks on lambda.
    """
    held_out, neighbours = inputs.made["held_out"], inputs.made.get("neighbours")
    labels: NDArray[np.int32] = np.asarray(inputs.labels, np.int32)
    learnt = labels >= 0 if inputs.is_fitted is None else (labels >= 0) & inputs.is_fitted
    person = np.full(len(labels), np.nan, np.float32) if inputs.person is None else inputs.person
    rows = Asked(
        candidates=candidates_of(held_out.log_probabilities, labels),
        indices=None if neighbours is None else neighbours.indices, is_learnt=learnt, person=person,
    )  # fmt: skip
    judged = judge(rows, truth=settings.truth, progress=inputs.progress)
    return Posterior(verdicts=judged.verdicts, learnt=judged.learnt)


def chosen_posterior(record: Posterior, positions: NDArray[np.int64]) -> Posterior:
    """The verdicts on some of the rows."""
    return replace(record, verdicts=chosen_verdicts(record.verdicts, positions), learnt=None)


def save_posterior(record: Posterior, folder: Path) -> None:
    """Write the record into an existing, empty folder: NAME.npy of each array and posterior.json."""
    verdicts, learnt = record.verdicts, record.learnt
    save_arrays(verdicts, folder, (*ROW_ARRAYS, *CLASS_ARRAYS))
    (folder / "confusions").mkdir()
    save_arrays(verdicts.confusions, folder / "confusions", PAIR_ARRAYS)
    others = {f.name for f in fields(verdicts)} - {*ROW_ARRAYS, *CLASS_ARRAYS, "confusions"}
    facts: dict[str, Any] = {
        "k": verdicts.confusions.k,
        "verdicts": {name: _json(getattr(verdicts, name)) for name in sorted(others)},
    }
    if learnt is not None:
        (folder / "learnt").mkdir()
        save_arrays(learnt, folder / "learnt", LEARNT_ARRAYS)
        save_arrays(learnt.channel, folder / "learnt", CHANNEL_ARRAYS)
        save_log_probabilities(learnt.beliefs, folder / "learnt")
        facts["learnt"] = {
            "cut": learnt.cut, "prior_rows": learnt.prior_rows, "has_look_alikes": learnt.has_look_alikes, "mean_noise": learnt.channel.mean_noise,
            "objective": learnt.channel.objective,
        }  # fmt: skip
    write_json(folder / FILE, facts)


def load_posterior(folder: Path) -> Posterior:
    """The record of a folder. Raises ReweighError where there is none."""
    if not (folder / FILE).exists():
        raise ReweighError(f"No verdicts in {folder}: {FILE} is missing.")
    facts = read_json(folder / FILE)
    k = facts["k"]
    others: dict[str, Any] = {**facts["verdicts"], **load_arrays(folder, (*ROW_ARRAYS, *CLASS_ARRAYS), what="verdicts")}
    for name in ("noise_rate", "clearness"):
        others[name] = float("nan") if others[name] is None else others[name]
    others["noise_rate_range"] = tuple(float("nan") if end is None else end for end in others["noise_rate_range"])
    others["notes"] = tuple(others["notes"])
    pairs = load_arrays(folder / "confusions", PAIR_ARRAYS, what="confusions")
    verdicts = LabelVerdicts(**others, confusions=Confusions(k=k, **pairs))
    return Posterior(
        verdicts=verdicts, learnt=_load_learnt(folder / "learnt", facts["learnt"], k) if "learnt" in facts else None
    )


def _load_learnt(folder: Path, facts: dict[str, Any], k: int) -> Learnt:
    channel = Channel(
        **load_arrays(folder, CHANNEL_ARRAYS, what="channel"), mean_noise=facts["mean_noise"], objective=facts["objective"]
    )  # fmt: skip
    return Learnt(
        **load_arrays(folder, LEARNT_ARRAYS, what="posterior"), channel=channel, cut=facts["cut"], prior_rows=facts["prior_rows"],
        has_look_alikes=facts["has_look_alikes"], beliefs=load_log_probabilities(folder, k=k),
    )  # fmt: skip


def _json(value: Any) -> Any:
    """NaN as null: JSON has no word for it."""
    if isinstance(value, tuple):
        return [_json(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
