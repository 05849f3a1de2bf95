"""The stage of weights: weights.parquet, how they came about, and how good they are where that can be known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import save_file

from reweigh.catalog.tables import Catalog, read_classes, read_columns
from reweigh.evaluation.weight_quality import quality_as_json, weight_quality
from reweigh.runs.gathering import Gathered, evidence_of_labelled
from reweigh.runs.stages import Completed, Stage, complete
from reweigh.runs.work import STEP_VERSION, Work
from reweigh.weighers.weighing import Weights, share_right_of, weigh_images
from reweigh.whole_files import read_json, write_json

WEIGHTS, FACTS = "weights.parquet", "weights.json"
PROBE_SHARPNESS = 1.0
"""Of a probe, once a share of right labels is known: with the share of the verdicts 1 gained .1 to .8 points more
than 2 on webified and clean Tiny-ImageNet and CIFAR-10N (dev/log.md)."""

NETWORK_SHARPNESS = 4.0
"""Of a network trained on the images, which memorises what a linear head cannot."""


def weights_stage(work: Work, gathered: Gathered) -> Completed | None:
    """Weights of all training images; None where the recipe uses no weigher."""
    if not gathered.chosen.names:
        return None
    names, settings = gathered.chosen.names, work.recipe.weights
    sharpness = PROBE_SHARPNESS if work.recipe.training.mode == "probe" else NETWORK_SHARPNESS

    def make(target: Path, workspace: Path) -> list[str]:
        evidence = evidence_of_labelled(gathered)
        share = share_right_of(evidence["posterior"].verdicts)
        weights = weigh_images(
            gathered.images, evidence, names, settings, share_right=share, sharpness=sharpness, class_names=read_classes(work.catalog).names
        )  # fmt: skip
        write_weights(target, work.catalog, work.splits.train, gathered.images.rows, weights)
        return list(weights.notes)

    reads = {
        "version": STEP_VERSION, "pieces": gathered.hashes, "catalog": work.catalog.fingerprint, "use": list(names),
        "settings": asdict(settings), "verified": work.recipe.evidence.verified, "seed": work.recipe.seed,
        **({} if sharpness == PROBE_SHARPNESS else {"sharpness": sharpness}),
    }  # fmt: skip
    return complete(
        Stage(name="03-weights", reads=reads, make=make), work.place, earlier=work.earlier, ranks=work.ranks
    )


def write_weights(
    folder: Path, catalog: Catalog, training: NDArray[np.int64], rows: NDArray[np.int64], weights: Weights
) -> None:
    """weights.parquet of all training rows (weight 0 and null factors for those not among `rows`), facts and states."""
    at = np.searchsorted(training, rows)

    def column(values: NDArray[np.float32], otherwise: float) -> pa.Array:
        full = np.full(len(training), otherwise, np.float32)
        full[at] = values
        return pa.array(full, pa.float32(), from_pandas=True)  # NaN becomes null: no opinion

    columns = {"uid": read_columns(catalog, ["uid"], training)["uid"], "weight": column(weights.weights, 0.0)}
    if weights.credibility is not None:
        columns["credibility"] = column(weights.credibility, np.nan)
    for name, factor in weights.factors.items():
        columns[name] = column(factor.values, np.nan)
        if factor.score is not None:
            columns[f"{name}_score"] = column(factor.score, np.nan)
    pq.write_table(pa.table(columns), folder / WEIGHTS, compression="zstd")
    write_json(folder / FACTS, {**weights.facts, "class_effective_shares": _numbers(weights.class_effective_shares)})
    for name, state in weights.states.items():
        save_file({key: np.ascontiguousarray(value) for key, value in state.items()}, folder / f"{name}.safetensors")


def stored_weights(folder: Path, rows: NDArray[np.int64], training: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n,) weights of these rows of the catalog, all of them training rows."""
    return stored_columns(folder, ["weight"], rows, training)["weight"]


def stored_columns(
    folder: Path, names: list[str], rows: NDArray[np.int64], training: NDArray[np.int64]
) -> dict[str, NDArray[np.float32]]:
    """Columns of weights.parquet, (n,) each, NaN = null, for these rows of the catalog."""
    table = pq.read_table(folder / WEIGHTS, columns=names)
    at = np.searchsorted(training, rows)
    return {name: table[name].to_numpy().astype(np.float32)[at] for name in names}


def weight_facts(folder: Path) -> dict[str, Any]:
    """How the weights came about, as JSON."""
    return dict(read_json(folder / FACTS))


def measured_weights(work: Work, gathered: Gathered, weighed: Completed) -> dict[str, Any]:
    """What metrics.json says of the weights: effective shares, and their quality where right labels are known."""
    facts = weight_facts(weighed.folder)
    names = [name for name, fact in facts["factors"].items() if fact["kind"] in ("credibility", "multiplier")]
    columns = ["weight", *(["credibility"] if facts["combiner"] else []), *names]
    images = gathered.images
    quality = weight_quality(
        work.catalog, images.rows, images.labels, stored_columns(weighed.folder, columns, images.rows, work.splits.train),
        left_out=~np.isnan(images.person), settings=work.recipe.evaluation, seed=work.recipe.seed,
    )  # fmt: skip
    return {
        "used": list(gathered.chosen.names),
        "not_used": [list(pair) for pair in gathered.chosen.lacking],
        "excluded": int((~gathered.kept).sum()),
        **{
            key: facts[key]
            for key in (
                "combiner",
                "sharpness",
                "clipped",
                "effective_share",
                "smallest_class",
                "smallest_class_effective_share",
            )
        },
        "quality": quality_as_json(quality),
    }


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
