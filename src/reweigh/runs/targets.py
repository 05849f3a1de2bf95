"""The stage of label targets: what each training image is taught, and with what weight beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.catalog.tables import read_columns, read_uids
from reweigh.errors import ReweighError
from reweigh.evidence.held_out import HeldOut
from reweigh.probes.log_probabilities import load_log_probabilities, save_log_probabilities
from reweigh.runs.gathering import Gathered, stored_piece
from reweigh.runs.stages import Completed, Stage, complete
from reweigh.runs.weights import stored_columns, stored_weights, weight_facts
from reweigh.runs.work import STEP_VERSION, Work
from reweigh.targets.label_targets import LabelTargets
from reweigh.targets.settings import TargetSettings
from reweigh.targets.sources import SOURCES, SourceInputs
from reweigh.weighers.class_balance import class_weights
from reweigh.whole_files import read_json, write_json

TARGETS, FACTS = "targets.parquet", "targets.json"
BLOCK_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What training reads of a round's weights and targets, of its n images."""

    targets: NDArray[np.int32] | LabelTargets
    weights: NDArray[np.float32] | None
    """(n,); None: all equal"""


def targets_stage(work: Work, gathered: Gathered, weighed: Completed | None) -> Completed | None:
    """Targets of all labelled training images; None where they are the labels."""
    settings = work.recipe.targets
    if settings.policy == "keep":
        return None
    reads = {
        "version": STEP_VERSION, "held_out": gathered.hashes["held_out"], "weights": None if weighed is None else weighed.hash,
        "probe": asdict(work.recipe.probe), "seed": work.recipe.seed,
        "settings": {name: value for name, value in asdict(settings).items() if name != "weights"},
    }  # fmt: skip

    def make(target: Path, workspace: Path) -> list[str]:
        held_out: HeldOut = stored_piece(gathered, "held_out")
        images = gathered.images
        shares = _shares(work, gathered, weighed, held_out)
        inputs = SourceInputs(
            features=gathered.features, rows=images.rows, labels=images.labels, groups=images.groups, k=images.k,
            weights=None if weighed is None else stored_weights(weighed.folder, images.rows, work.splits.train), held_out=held_out, shares=shares,
            form=settings.form, top=settings.top, evidence=work.recipe.evidence, probe=work.recipe.probe, seed=work.recipe.seed,
            uids=lambda at: read_uids(work.catalog, at), workspace=workspace, progress=work.progress,
        )  # fmt: skip
        predictions = SOURCES[settings.source](inputs)
        made = LabelTargets(
            labels=images.labels, shares=shares, predictions=predictions, form=settings.form, top=settings.top
        )  # fmt: skip
        facts = _write(target, work, gathered, made)
        return [said(settings, facts)]

    return complete(
        Stage(name="03-targets", reads=reads, make=make), work.place, earlier=work.earlier, ranks=work.ranks
    )


def taught(work: Work, gathered: Gathered, weighed: Completed | None, targeted: Completed | None) -> Taught:
    """What the images are taught, and how much each counts."""
    images, settings = gathered.images, work.recipe.targets
    weights = None if weighed is None else stored_weights(weighed.folder, images.rows, work.splits.train)
    if targeted is None:
        return Taught(targets=images.labels, weights=weights)
    stored = LabelTargets(
        labels=images.labels, shares=np.load(targeted.folder / "shares.npy", allow_pickle=False),
        predictions=load_log_probabilities(targeted.folder, k=images.k), form=settings.form, top=settings.top,
    )  # fmt: skip
    if weights is not None and settings.weights != "full":
        weights = (weights > 0).astype(np.float32)
        if settings.weights == "balance":
            counts = np.bincount(images.labels, weights=weights, minlength=images.k).astype(np.float64)
            weights = (weights * class_weights(counts, alpha=1.0)[images.labels]).astype(np.float32)
    return Taught(targets=stored, weights=weights)


def said(settings: TargetSettings, facts: dict[str, Any]) -> str:
    """`targets per_row of weighted predictions: the label's share is 0.58 on average; 38.2 % of the images are taught another class most`"""
    return (
        f"targets {settings.policy} of {settings.source} predictions: the label's share is {facts['mean_share']:.2f} on average; "
        f"{100 * facts['other_class_share']:.1f} % of the images are taught another class most"
    )


def _shares(work: Work, gathered: Gathered, weighed: Completed | None, held_out: HeldOut) -> NDArray[np.float32]:
    """(n,) of the label; 1 where nothing else is known."""
    settings, images = work.recipe.targets, gathered.images
    if settings.policy == "bootstrap":
        shares = np.full(len(images.rows), settings.beta, np.float32)
    else:
        if weighed is None or weight_facts(weighed.folder)["combiner"] is None:
            raise ReweighError(
                'targets.policy = "per_row" takes the label\'s share from its credibility, and no weigher has an opinion on any image here; '
                'set weights.use, or targets.policy = "bootstrap".'
            )
        found = stored_columns(weighed.folder, ["credibility"], images.rows, work.splits.train)["credibility"]
        shares = np.where(np.isnan(found), 1, found).astype(np.float32)
    shares[~np.isin(images.rows, held_out.rows)] = 1  # excluded: never taught
    return shares


def _write(folder: Path, work: Work, gathered: Gathered, made: LabelTargets) -> dict[str, Any]:
    """The targets' parts; targets.parquet with the class that each image is taught most; facts of them."""
    n, k = made.shape
    best, share = np.empty(n, np.int32), np.empty(n, np.float32)
    size = max(BLOCK_BYTES // (4 * k), 1)
    for start in range(0, n, size):
        block = made[slice(start, min(start + size, n))]
        best[start : start + len(block)] = block.argmax(axis=1)
        share[start : start + len(block)] = block.max(axis=1)
    np.save(folder / "shares.npy", made.shares, allow_pickle=False)
    save_log_probabilities(made.predictions, folder)
    columns = {
        "uid": read_columns(work.catalog, ["uid"], gathered.images.rows)["uid"], "label_share": pa.array(made.shares, pa.float32()),
        "target": pa.array(best, pa.int32()), "target_probability": pa.array(share, pa.float32()),
    }  # fmt: skip
    pq.write_table(pa.table(columns), folder / TARGETS, compression="zstd")
    kept = gathered.kept
    facts = {
        "mean_share": float(made.shares[kept].mean(dtype=np.float64)),
        "other_class_share": float((best != made.labels)[kept].mean()),
    }
    write_json(folder / FACTS, facts)
    return facts


def target_facts(targeted: Completed) -> dict[str, Any]:
    """What metrics.json says of them."""
    return dict(read_json(targeted.folder / FACTS))
