"""What a run will cost, before any work: images, memory, disk and time from a short probe."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from reweigh.catalog.splits import resolve_splits
from reweigh.catalog.tables import Catalog, is_catalog, read_labels
from reweigh.layouts.table_of_layouts import index
from reweigh.probes.log_probabilities import TOP_M, should_be_dense
from reweigh.progress import Progress, silent
from reweigh.runs.cross_fitted import epochs_of, trainings_of
from reweigh.runs.folder import check_run
from reweigh.runs.on_images import on_images
from reweigh.runs.preview import duration, measured_speed
from reweigh.runs.recipe import Recipe
from reweigh.runs.resolve import load, needs_network, resolve
from reweigh.runs.source import Source, catalog_of, original, output_of
from reweigh.runs.work import Work
from reweigh.training.finetuning import FinetuneTask
from reweigh.training.training_speed import seconds_per_image

PROBE_SECONDS_PER_UNIT = 1.5e-7
"""Seconds of held-out predictions for each row x feature x class on two cores, right within a factor of four (dev/log.md)."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cost of a run, in images, bytes and seconds."""

    output: Path
    backbone: str
    device: str
    precision: str
    threads: int
    images: int
    classes: int
    training: int
    test: int
    test_source: str
    feature_size: int
    feature_bytes: int
    evidence_bytes: int
    memory_bytes: int
    extraction_seconds: float
    probe_seconds: float
    training_seconds: float = 0.0
    """Of finetuning, 0 for a probe"""
    trainings: str = ""
    """What is trained, in words"""

    def lines(self, *, is_trained: bool = True) -> list[tuple[str, str]]:
        """The plan as rows of a small table; `is_trained`: whether a classifier is to be trained, or labels only judged."""
        do, then = ("to train", "to test") if is_trained else ("judged held out", "judged by those")
        return [
            ("output", str(self.output)),
            (
                "images",
                f"{self.images:,} of {self.classes:,} classes; {self.training:,} {do}, {self.test:,} {then} ({self.test_source})",
            ),
            (
                "backbone",
                f"{self.backbone} on {self.device}, {self.precision}, {self.threads} threads, {self.feature_size:,} features an image",
            ),
            ("disk", f"{size(self.feature_bytes)} of features, {size(self.evidence_bytes)} of held-out predictions"),
            ("memory", f"about {size(self.memory_bytes)} at the most"),
            (
                "extraction",
                f"about {duration(self.extraction_seconds)} ({self.images / max(self.extraction_seconds, 1e-9):,.0f} images/s measured on a few)",
            ),
            ("held-out predictions", f"about {duration(self.probe_seconds)}"),
            *([("training", f"about {duration(self.training_seconds)}: {self.trainings}")] if self.trainings else []),
        ]


def plan_run(source: Source, recipe: Recipe, *, output: Path | None = None, progress: Progress = silent) -> Plan:
    """The cost of `run` with the same arguments. Writes nothing that stays; data without a catalog is listed, not hashed."""
    data = original(source)
    folder = output_of(source, output)
    check_run(folder, data)
    resolved = resolve(recipe)
    with tempfile.TemporaryDirectory() as scratch:
        catalog = _catalog(data, folder, Path(scratch), progress)
        backbone = load(resolved)
        splits = resolve_splits(catalog, test_fraction=resolved.evaluation.test_fraction, seed=resolved.seed)
        work = Work(
            run=folder, catalog=catalog, recipe=resolved, cache=Path(scratch), progress=progress, splits=splits, place=folder
        )  # fmt: skip
        seconds = measured_speed(work, backbone) * catalog.n
        training_seconds, trainings = _training(work)
    n, k, d = catalog.n, catalog.k, backbone.d
    held = 2 * k if should_be_dense(n, k) else 6 * TOP_M
    row_bytes = 4 * d * len(splits.train)
    return Plan(
        output=folder, backbone=resolved.backbone.name, device=resolved.device, precision=resolved.precision, threads=resolved.threads,
        images=n, classes=k, training=len(splits.train), test=len(splits.test), test_source=splits.source, feature_size=d,
        feature_bytes=2 * n * d, evidence_bytes=n * (held + 40), memory_bytes=int(1.0e9 + min(row_bytes, 2**30) + 40 * n + 60 * k * d),
        extraction_seconds=seconds, probe_seconds=PROBE_SECONDS_PER_UNIT * len(splits.train) * d * max(k, 8),
        training_seconds=training_seconds, trainings=trainings,
    )  # fmt: skip


def _training(work: Work) -> tuple[float, str]:
    """Seconds of all finetuning, from a few steps, and what it is; 0 and nothing where no network is trained."""
    recipe, rows = work.recipe, work.splits.train
    if not needs_network(recipe):
        return 0.0, ""
    labels = read_labels(work.catalog)[rows]
    rows, labels = rows[labels >= 0], labels[labels >= 0]
    on = on_images(work)
    task = FinetuneTask(
        settings=replace(recipe.finetune, start="random" if recipe.finetune.start == "random" else "backbone"), network=on.network,
        k=work.catalog.k, rows=rows, targets=labels, locate=on.locate, uids=lambda at: [str(row) for row in at], images=on.images,
        device=on.device, precision=on.precision, seed=recipe.seed,
    )  # fmt: skip
    epochs, said = 0.0, []
    if recipe.training.mode == "finetune":
        times = 2 if recipe.training.baseline and recipe.weights.use else 1
        epochs += times * recipe.finetune.epochs
        said.append(
            f"{recipe.finetune.epochs} epochs{', once without weights and once with them' if times == 2 else ''}"
        )
    networks = trainings_of(work)
    if networks:
        share = (networks - 1) / networks if networks > 1 else 1.0
        epochs += networks * share * epochs_of(work)
        said.append(
            f"before that {networks} network{'s' if networks > 1 else ''} of {epochs_of(work)} epochs for evidence.cross_fit"
        )
    seconds = seconds_per_image(task) * len(rows) * epochs
    return seconds, f"{on.network.name} at {on.network.input_size} pixels on {len(rows):,} images: {'; '.join(said)}"


def size(count: float) -> str:
    """Bytes in the unit that a person would say."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if count >= 10 or unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def _catalog(data: Source, folder: Path, scratch: Path, progress: Progress) -> Catalog:
    if is_catalog(data.path) or is_catalog(folder / "catalog"):
        return catalog_of(data, folder, progress=progress)
    options = {**data.options, "hash": False}
    return index(data.path, scratch / "catalog", layout=data.layout, options=options, progress=progress)
