"""`evaluate --detection`: how good a run's verdicts are where right answers are known, beside the plainest rival."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.catalog.splits import resolve_splits
from reweigh.catalog.tables import Catalog, read_columns, read_copies, read_labels
from reweigh.errors import ReweighError
from reweigh.evaluation.judgements import Judgement, chosen
from reweigh.evaluation.verdict_quality import verdict_quality, verdict_quality_as_json
from reweigh.evidence.held_out import load_held_out
from reweigh.evidence.images import images_of
from reweigh.runs.folder import stored_recipe
from reweigh.runs.page import catalog_of_run
from reweigh.runs.plain_rival import rival_of_held_out, rival_of_plain_probe
from reweigh.runs.recipe import Recipe, last_round
from reweigh.whole_files import read_json, write_json

READ = ("uid", "label", "probability_right", "review_order", "wrong", "suggested_label", "none_of_the_classes")
"""Columns of the verdicts; their reasons are texts, and not measured."""
OWN, RIVAL = "verdicts", "argmax_not_label"
DETECTION = "detection.json"


@dataclass(frozen=True, kw_only=True)
class StoredVerdicts:
    """The verdicts of a finished run on the n labelled rows of its catalog."""

    rows: NDArray[np.int64]
    """(n,) rows of the catalog, ascending"""
    labels: NDArray[np.int32]
    """(n,) given"""
    judgement: Judgement
    """of n rows; its rates are those stated for the training rows"""


def evaluate_detection(run: Path, on: Path | None = None) -> dict[str, Any]:
    """Quality of a run's verdicts as JSON, training rows and those set aside apart; written to RUN/detection.json.

    `n_left_out`: rows that served as evidence, and their copies, measured nowhere; `sets`: `training` and `set_aside`, those of them
    for which answers are known. Raises ReweighError for a run without verdicts, without any known answer, and for `on`.
    """
    if on is not None:
        raise ReweighError(
            f"--detection measures the verdicts of a run on its own images, so --on {on} cannot go with it; make verdicts on "
            f"that data first: reweigh check {on}"
        )
    recipe = stored_recipe(run)
    record = read_json(run / "run.json")
    catalog = catalog_of_run(run)
    if catalog.k < 2:
        raise ReweighError(
            f"The run {run} has one class: with none to compare with no label was judged, and there is nothing to measure."
        )
    folder = _place_of_verdicts(run, record)
    verdicts = stored_verdicts(folder, catalog)
    training = resolve_splits(catalog, test_fraction=recipe.evaluation.test_fraction, seed=recipe.seed).train
    left_out = _served_as_evidence(catalog, verdicts, training, recipe)
    is_training = np.isin(verdicts.rows, training)
    sets: dict[str, Any] = {}
    for name, part in (("training", is_training), ("set_aside", ~is_training)):
        at = np.flatnonzero(part)
        judgements = _judgements(run, record, recipe, _some(verdicts, at), is_training=name == "training")
        found = verdict_quality(
            catalog, verdicts.rows[at], verdicts.labels[at], judgements, left_out=left_out[at],
            settings=recipe.evaluation, seed=recipe.seed,
        )  # fmt: skip
        if found:
            sets[name] = verdict_quality_as_json(found)
    if not sets:
        raise ReweighError(_nothing_known(catalog, int(left_out.sum())))
    quality = {"format": 1, "n_left_out": int(left_out.sum()), "sets": sets}
    write_json(run / DETECTION, quality)
    return quality


def _judgements(
    run: Path, record: dict[str, Any], recipe: Recipe, verdicts: StoredVerdicts, *, is_training: bool
) -> dict[str, Judgement]:
    """The verdicts, and the plain rival where there is one; rates were stated for the training rows alone."""
    own = verdicts.judgement
    rival: Judgement | None
    if is_training:
        rival = rival_of_held_out(load_held_out(run / record["places"]["evidence"]["held_out"]), verdicts.rows)
    else:
        own = replace(own, stated_rate=np.nan, class_noise=None, class_noise_ranges=None)
        rival = rival_of_plain_probe(run, recipe, verdicts.rows, verdicts.labels)
    return {OWN: own} if rival is None else {OWN: own, RIVAL: rival}


def _some(verdicts: StoredVerdicts, at: NDArray[np.int64]) -> StoredVerdicts:
    return StoredVerdicts(rows=verdicts.rows[at], labels=verdicts.labels[at], judgement=chosen(verdicts.judgement, at))


def _place_of_verdicts(run: Path, record: dict[str, Any]) -> Path:
    """The folder of the last round's verdicts."""
    if "places" not in record:
        raise ReweighError(f"The run {run} is not finished; go on with: reweigh run {run}")
    place = record["places"].get("verdicts")
    if place is None or not (run / place / "verdicts.parquet").is_file():
        raise ReweighError(
            f"The run {run} has no verdicts (looked for verdicts.parquet): an earlier version made it, or it was stopped; "
            f"go on with: reweigh run {run}"
        )
    return run / place


def stored_verdicts(folder: Path, catalog: Catalog) -> StoredVerdicts:
    """Verdicts of a stage's folder. Raises ReweighError where they are not those of the catalog's labelled rows."""
    path = folder / "verdicts.parquet"
    table, facts, labels = (
        pq.read_table(path, columns=list(READ)),
        read_json(folder / "verdicts.json"),
        read_labels(catalog),
    )
    rows = np.flatnonzero(labels >= 0)
    own = read_columns(catalog, ["uid", "label"], rows)
    if not all(table[name].equals(own[name]) for name in own.column_names):
        raise ReweighError(
            f"{path} has {table.num_rows:,} rows that are not the {len(rows):,} labelled ones of {catalog.path}: the data "
            "changed since; make a new run."
        )
    probability = table["probability_right"].to_numpy().astype(np.float64)  # null becomes NaN
    order = table["review_order"].to_numpy().astype(np.float64)
    stated, classes = facts["noise_rate"], facts["classes"]
    return StoredVerdicts(
        rows=rows,
        labels=labels[rows],
        judgement=Judgement(
            flagged=_values(table, "wrong", False),
            ranking=np.where(np.isnan(probability), np.nan, order),
            probability_right=probability,
            suggested_label=_values(table, "suggested_label", -1),
            none_of_the_classes=_values(table, "none_of_the_classes", False),
            stated_rate=np.nan if stated is None else float(stated),
            class_noise=np.array(classes["noise"], np.float64),  # null becomes NaN
            class_noise_ranges=np.array([classes["low"], classes["high"]], np.float64).T,
        ),
    )


def _values(table: pa.Table, name: str, otherwise: Any) -> NDArray[Any]:
    return np.asarray(table[name].combine_chunks().fill_null(otherwise))


def _served_as_evidence(
    catalog: Catalog, verdicts: StoredVerdicts, training: NDArray[np.int64], recipe: Recipe
) -> NDArray[np.bool_]:
    """(n,) rows of which a person's word was used, drawn as the last round drew them, and their copies."""
    last = last_round(recipe)
    readable = ~np.isnan(verdicts.judgement.ranking)
    rows = verdicts.rows[np.isin(verdicts.rows, training) & readable]
    images = images_of(catalog, rows, n_verified=last.evidence.verified, seed=last.seed)
    copies = read_copies(catalog)  # the same bytes have the same verdict
    return np.isin(copies[verdicts.rows], copies[rows[~np.isnan(images.person)]])


def _nothing_known(catalog: Catalog, n_left_out: int) -> str:
    besides = f" besides the {n_left_out:,} that served as evidence" if n_left_out else ""
    return (
        f"No right answer is known for a labelled image of {catalog.path}{besides}: --detection needs a column "
        "verified_label, verified or truth in the data."
    )
