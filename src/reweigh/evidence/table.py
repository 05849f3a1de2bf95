"""The table of evidence: name -> what it says, how it is made, what it needs, how it is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reweigh.evidence.held_out import HeldOut, load_held_out, make_held_out, save_held_out
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.neighbours import load_neighbours, make_neighbours, save_neighbours
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
    save: Callable[[Any, Path], None]
    """(record, existing empty folder)"""
    load: Callable[[Path], Any]


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
        uids=inputs.uids,
        workspace=inputs.workspace,
        progress=inputs.progress,
    )


EVIDENCE: dict[str, EvidenceInfo] = {
    "held_out": EvidenceInfo(
        description="predictions by probes that have not seen the image's group",
        make=_held_out,
        needs=(),
        save=save_held_out,
        load=load_held_out,
    ),
    "neighbours": EvidenceInfo(
        description="labels of the images most like this one, its own group left out",
        make=make_neighbours,
        needs=(),
        save=save_neighbours,
        load=load_neighbours,
    ),
}
