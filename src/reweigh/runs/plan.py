"""What a run will cost, before any work: images, memory, disk and time from a short probe."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reweigh.catalog.splits import resolve_splits
from reweigh.catalog.tables import Catalog, is_catalog
from reweigh.layouts.table_of_layouts import index
from reweigh.probes.log_probabilities import TOP_M, should_be_dense
from reweigh.progress import Progress, silent
from reweigh.runs.folder import check_run
from reweigh.runs.preview import duration, measured_speed
from reweigh.runs.recipe import Recipe, overridden, rounds_of
from reweigh.runs.resolve import load, resolve
from reweigh.runs.source import Source, catalog_of, original, output_of
from reweigh.runs.training_cost import TrainingCost, classifier_cost, cross_fit_cost, image_text_cost
from reweigh.runs.work import Work

PROBE_SECONDS_PER_UNIT = 1.5e-7
"""Seconds of held-out predictions for each row x feature x class on two cores, right within a factor of four (dev/log.md)."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cost of a run, in images, bytes and seconds; of all its rounds and further models together."""

    output: Path
    backbones: tuple[str, ...]
    """Each with its size of features, in words"""
    device: str
    threads: int
    images: int
    classes: int
    training: int
    test: int
    test_source: str
    feature_bytes: int
    evidence_bytes: int
    memory_bytes: int
    extraction_seconds: float
    probe_seconds: float
    training_seconds: float = 0.0
    """Of networks, image-text matching and hidden layers; a linear head and other weights cost next to nothing"""
    trainings: tuple[str, ...] = ()
    """What is trained, in words"""

    @property
    def seconds(self) -> float:
        """All together."""
        return self.extraction_seconds + self.probe_seconds + self.training_seconds

    def lines(self, *, is_trained: bool = True) -> list[tuple[str, str]]:
        """The plan as rows of a small table; `is_trained`: whether a classifier is to be trained, or labels only judged."""
        do, then = ("to train", "to test") if is_trained else ("judged held out", "judged by those")
        speed = self.images * len(self.backbones) / max(self.extraction_seconds, 1e-9)
        return [
            ("output", str(self.output)),
            (
                "images",
                f"{self.images:,} of {self.classes:,} classes; {self.training:,} {do}, {self.test:,} {then} ({self.test_source})",
            ),
            ("backbone", f"{'; '.join(self.backbones)}; on {self.device}, {self.threads} threads"),
            ("disk", f"{size(self.feature_bytes)} of features, {size(self.evidence_bytes)} of held-out predictions"),
            ("memory", f"about {size(self.memory_bytes)} at the most"),
            ("extraction", f"about {duration(self.extraction_seconds)} ({speed:,.0f} images/s measured on a few)"),
            ("held-out predictions", f"about {duration(self.probe_seconds)}"),
            *([("training", f"about {duration(self.training_seconds)}: {'; '.join(self.trainings)}")] if self.trainings else []),
            ("in all", f"about {duration(self.seconds)}"),
        ]  # fmt: skip


def plan_run(
    source: Source, recipe: Recipe, *, output: Path | None = None, is_trained: bool = True, progress: Progress = silent
) -> Plan:
    """The cost of `run`, or not `is_trained` of `check`, with the same arguments.

    Writes nothing that stays; data without a catalog is listed, not hashed. Raises ReweighError as they do.
    """
    data = original(source)
    folder = output_of(source, output)
    check_run(folder, data)
    resolved = resolve(recipe)
    with tempfile.TemporaryDirectory() as scratch:
        catalog = _catalog(data, folder, Path(scratch), progress)
        splits = resolve_splits(catalog, test_fraction=resolved.evaluation.test_fraction, seed=resolved.seed)
        work = Work(
            run=folder, catalog=catalog, recipe=resolved, cache=Path(scratch), progress=progress, splits=splits, place=folder
        )  # fmt: skip
        cost = _cost(work, is_trained=is_trained)
    n, k = catalog.n, catalog.k
    sizes = [d for d, _ in cost.backbones.values()]
    held = 2 * k if should_be_dense(n, k) else 6 * TOP_M
    return Plan(
        output=folder, backbones=tuple(said for _, said in cost.backbones.values()),
        device=resolved.device, threads=resolved.threads, images=n, classes=k, training=len(splits.train), test=len(splits.test),
        test_source=splits.source, feature_bytes=2 * n * sum(sizes), evidence_bytes=cost.held_out * n * (held + 40),
        memory_bytes=int(1.0e9 + min(4 * max(sizes) * len(splits.train), 2**30) + 40 * n + 60 * k * max(sizes)),
        extraction_seconds=cost.extraction_seconds, probe_seconds=cost.probe_seconds, training_seconds=cost.training_seconds,
        trainings=tuple(f"{said} ({times} times)" if times > 1 else said for said, times in cost.trainings.items()),
    )  # fmt: skip


@dataclass
class _Cost:
    """What the rounds and models add up to."""

    backbones: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Features an image of each, and what it is"""
    extraction_seconds: float = 0.0
    held_out: int = 0
    """Sets of held-out predictions"""
    probe_seconds: float = 0.0
    training_seconds: float = 0.0
    trainings: Counter[str] = field(default_factory=Counter)


def _cost(work: Work, *, is_trained: bool) -> _Cost:
    """Of every round, and where something is trained of every further model; what an earlier round has made is not made again."""
    recipe, cost = work.recipe, _Cost()
    rounds = rounds_of(recipe)
    models = [overridden(rounds[-1], changes) for changes in recipe.models] if is_trained else []
    seen: list[Any] = []
    for number, own in enumerate([*rounds, *models]):
        here = replace(work, recipe=own)
        d, backbone = _backbone(cost, here)
        networks = own.finetune if own.evidence.cross_fit != "none" else None
        evidence = (backbone, own.evidence, own.probe, own.seed, networks)
        if number >= len(rounds) or evidence not in seen:
            seen.append(evidence)
            _add(cost, cross_fit_cost(here))
            _add_held_out(cost, here, d)
        if number < len(rounds):
            _add(cost, image_text_cost(here, feature_size=d))
        if own.targets.policy != "keep" and own.targets.source == "weighted" and number < len(rounds):
            _add_held_out(cost, here, d)
        if is_trained:
            _add(cost, classifier_cost(here, feature_size=d))
    return cost


def _backbone(cost: _Cost, work: Work) -> tuple[int, str]:
    """Its size of features and what it is; its extraction is counted where it is new."""
    key = repr((work.recipe.backbone, work.recipe.precision))
    if key not in cost.backbones:
        backbone = load(work.recipe)
        said = (
            f"{backbone.name} at {backbone.view.size} pixels in {backbone.precision}, {backbone.d:,} features an image"
        )
        cost.backbones[key] = (backbone.d, said)
        cost.extraction_seconds += measured_speed(work, backbone) * work.catalog.n
    return cost.backbones[key]


def _add_held_out(cost: _Cost, work: Work, d: int) -> None:
    cost.held_out += 1
    cost.probe_seconds += PROBE_SECONDS_PER_UNIT * len(work.splits.train) * d * max(work.catalog.k, 8)


def _add(cost: _Cost, training: TrainingCost) -> None:
    cost.training_seconds += training.seconds
    if training.said:
        cost.trainings[training.said] += 1


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
