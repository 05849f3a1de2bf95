"""A run that has a model, opened for an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reweigh.errors import ReweighError
from reweigh.runs.folder import check_trained
from reweigh.runs.source import is_run
from reweigh.whole_files import read_json


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run and the model that its last round trained."""

    run: Path
    data: Path
    """What the run was made from; nothing is read there"""
    model: Path
    """Model folder"""


def trained_run(run: Path) -> TrainedRun:
    """The run, opened. Raises ReweighError for a folder that is none, and for a run without a model, saying how to get one."""
    if not is_run(run):
        raise ReweighError(f"{run} is not a run: there is no run.json in it. Make one with: reweigh run DATA -o {run}")
    check_trained(run)
    return TrainedRun(run=run, data=Path(read_json(run / "run.json")["data"]["path"]), model=run / "model")
