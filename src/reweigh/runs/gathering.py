"""The stages of evidence: which training images take part, and one stage a piece, made only when something reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.tables import read_classes, read_columns, read_groups, read_labels, read_uids
from reweigh.errors import ReweighError
from reweigh.evidence.images import Images, chosen_images, images_of
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.table import EVIDENCE
from reweigh.features.store import Features, unreadable_rows
from reweigh.ranks import ALONE
from reweigh.runs.cross_fitted import cross_fit_reads, predict_by_networks
from reweigh.runs.stages import Completed, Stage, complete
from reweigh.runs.work import STEP_VERSION, Work
from reweigh.weighers.auto import Chosen, choose
from reweigh.weighers.settings import WeightSettings, pieces_for, weigher_named
from reweigh.weighers.weighing import kept_images

ALWAYS = ("held_out", "agreement", "neighbours", "posterior")
"""Pieces that figures, verdicts, page and the choice among contested copies are made of, whatever the weights read."""
TEXTS = ("title", "tags", "description")


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The evidence of a round."""

    images: Images
    """All labelled training images that can be read"""
    kept: NDArray[np.bool_]
    """(n,) those of them that no weigher excludes"""
    chosen: Chosen
    """The weighers"""
    pieces: dict[str, Completed]
    """The stages"""
    features: Features
    """Of all rows of the catalog"""

    @property
    def hashes(self) -> dict[str, str]:
        return {name: done.hash for name, done in self.pieces.items()}


def gather_evidence(work: Work, features: Features, extracted: Completed) -> Gathered:
    """Every piece that the recipe's weighers need, and the held-out predictions."""
    recipe, catalog = work.recipe, work.catalog
    readable = np.setdiff1d(work.splits.train, unreadable_rows(features))
    labels = read_labels(catalog)[readable]
    images = images_of(catalog, readable[labels >= 0], n_verified=recipe.evidence.verified, seed=recipe.seed)
    if not len(images.rows):
        raise ReweighError(
            f"No training image of {catalog.path} has a label and can be read; there is nothing to learn from."
        )
    has_text = any(catalog.counts["filled"].get(name, 0) for name in TEXTS)
    checked = read_columns(catalog, ["verified"])["verified"]
    has_checked = checked.null_count < len(checked)
    chosen = choose(recipe.weights, images, has_text=has_text, has_checked=has_checked)
    kept, _ = kept_images(images, chosen.names, recipe.weights)
    if not kept.any():
        raise ReweighError(f"No image is left to learn from: {', '.join(chosen.names)} excluded all {len(kept):,}.")
    rows = np.union1d(readable[labels < 0], images.rows[kept])
    inputs = _inputs(work, features, rows, images, kept)
    pieces: dict[str, Completed] = {}
    there = {"images": images, "features": features}
    wanted = [*ALWAYS, *(p for p in pieces_for(chosen.names, recipe.weights, there) if p not in ALWAYS)]
    for name in wanted:
        pieces[name] = _piece(work, name, inputs, pieces, reads=_reads(work, name, extracted, chosen.names))
    return Gathered(images=images, kept=kept, chosen=chosen, pieces=pieces, features=features)


def stored_piece(gathered: Gathered, name: str) -> Any:
    """A finished piece, of all its rows."""
    return EVIDENCE[name].load(gathered.pieces[name].folder)


def evidence_of_labelled(gathered: Gathered) -> dict[str, Any]:
    """All pieces by name, of the labelled images that nothing excludes, in their order."""
    positions = np.flatnonzero(stored_piece(gathered, "held_out").labels >= 0)
    images = chosen_images(gathered.images, np.flatnonzero(gathered.kept))
    evidence: dict[str, Any] = {"images": images, "features": gathered.features}
    for name in gathered.pieces:
        evidence[name] = EVIDENCE[name].choose(stored_piece(gathered, name), positions)
    return evidence


def _inputs(
    work: Work, features: Features, rows: NDArray[np.int64], images: Images, kept: NDArray[np.bool_]
) -> EvidenceInputs:
    catalog = work.catalog
    is_fitted, person = np.ones(catalog.n, bool), np.full(catalog.n, np.nan, np.float32)
    is_fitted[images.rows], person[images.rows] = images.is_fitted, images.person

    def columns(names: Sequence[str], at: NDArray[np.int64]) -> pa.Table:
        return read_columns(catalog, names, rows[at])

    return EvidenceInputs(
        features=features, rows=rows, labels=read_labels(catalog)[rows], groups=read_groups(catalog)[rows], k=catalog.k,
        probe=work.recipe.probe, is_fitted=is_fitted[rows], person=person[rows], columns=columns, classes=read_classes(catalog),
        uids=lambda at: read_uids(catalog, at), progress=work.progress,
    )  # fmt: skip


def _piece(
    work: Work, name: str, inputs: EvidenceInputs, before: dict[str, Completed], *, reads: dict[str, Any]
) -> Completed:
    info, recipe = EVIDENCE[name], work.recipe

    def make(target: Path, workspace: Path) -> list[str]:
        made = {need: EVIDENCE[need].load(before[need].folder) for need in info.needs}
        given = replace(inputs, workspace=workspace, made=made, ranks=ALONE if info.help is None else work.ranks)
        if name == "held_out" and recipe.evidence.cross_fit != "none":
            given = replace(given, predict_fold=predict_by_networks(work, given, workspace))
        if info.help is not None and not work.ranks.is_first:
            info.help(given, recipe.evidence, recipe.seed)
            return []
        info.save(info.make(given, recipe.evidence, recipe.seed), target)
        return []

    return complete(
        Stage(name=f"02-evidence/{name}", reads=reads, make=make, is_shared=info.help is not None),
        work.place,
        earlier=work.earlier,
        ranks=work.ranks,
    )


def _reads(work: Work, name: str, extracted: Completed, weighers: Sequence[str]) -> dict[str, Any]:
    """All that a piece depends on: its own settings only, and what excludes rows before it."""
    recipe, settings = work.recipe, asdict(work.recipe.evidence)
    reads, state = EVIDENCE[name].reads, EVIDENCE[name].state
    return {
        "version": STEP_VERSION, "features": extracted.hash, "catalog": work.catalog.fingerprint, "seed": recipe.seed,
        "settings": {key: settings[key] for key in reads if key != "probe"}, "probe": asdict(recipe.probe) if "probe" in reads else None,
        "test_fraction": recipe.evaluation.test_fraction, "excluded_by": _excluding(weighers, recipe.weights),
        **(cross_fit_reads(work) if "probe" in reads else {}), **({} if state is None else {"files": state(recipe.evidence)}),
    }  # fmt: skip


def _excluding(names: Sequence[str], settings: WeightSettings) -> dict[str, Any]:
    """The weighers that exclude rows, with their settings."""
    weighers = {name: weigher_named(name, settings) for name in names}
    return {name: asdict(w) for name, w in weighers.items() if w.kind == "exclude"}  # type: ignore[call-overload]
