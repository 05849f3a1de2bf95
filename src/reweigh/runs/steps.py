"""The stages of a run, each from what it reads to its files: features, evidence, training, metrics."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.splits import Splits, resolve_splits
from reweigh.catalog.tables import Catalog, image_locations, read_classes, read_groups, read_labels, read_uids
from reweigh.errors import ReweighError
from reweigh.evidence.held_out import HeldOut, load_held_out, make_held_out, save_held_out
from reweigh.features.extraction import extract, feature_key
from reweigh.features.model_folder import load_model
from reweigh.features.networks import Backbone
from reweigh.features.store import Features, open_features, unreadable_rows
from reweigh.probes.folds import assign_folds
from reweigh.progress import Progress
from reweigh.runs.measured import measure
from reweigh.runs.recipe import Recipe
from reweigh.runs.stages import Completed, Stage, complete
from reweigh.training.probe_training import TRAINERS, TrainingInputs
from reweigh.whole_files import read_json, whole_folder, write_json

NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
FEW_ROWS = 10_000  # with fewer rows than this it costs nothing to draw the folds beforehand
STEP_VERSION = 1  # raised when a stage's arithmetic changes, so that older files are not taken for its result


@dataclass(frozen=True, kw_only=True)
class Work:
    """What all stages of one run share."""

    run: Path
    catalog: Catalog
    recipe: Recipe
    cache: Path
    progress: Progress

    @cached_property
    def splits(self) -> Splits:
        """Training and test rows."""
        return resolve_splits(self.catalog, test_fraction=self.recipe.evaluation.test_fraction, seed=self.recipe.seed)


def features_stage(work: Work, backbone: Backbone, rows: NDArray[np.int64] | None = None) -> Completed:
    """Features of all rows (or of `rows`, for a preview) in the cache; the stage's folder holds a pointer to them."""
    key = feature_key(backbone, fingerprint=work.catalog.fingerprint, rows=rows, images=work.recipe.images)
    folder = work.cache / key

    def make(target: Path, workspace: Path) -> list[str]:
        features = extract_rows(work, backbone, folder, rows)
        write_json(target / "pointer.json", {"features": _pointer(folder, work.run), "key": key})
        unreadable = len(unreadable_rows(features))
        return [f"{unreadable:,} of {features.n:,} images could not be read; they get weight 0"] if unreadable else []

    return complete(
        Stage(
            name="01-features",
            reads={"version": STEP_VERSION, "key": key, "cache": _pointer(work.cache, work.run)},
            make=make,
        ),
        work.run,
    )


def extract_rows(work: Work, backbone: Backbone, folder: Path, rows: NDArray[np.int64] | None) -> Features:
    """Extract the features of these rows (None: all) into `folder`, going on where an earlier process was killed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        if cause.errno not in NO_PLACE:
            raise
        raise ReweighError(
            f"Cannot write features to {folder.parent}: {os.strerror(cause.errno or 0).lower()}. Give another place with --cache FOLDER."
        ) from cause
    chosen = np.arange(work.catalog.n) if rows is None else rows
    return extract(
        backbone, len(chosen), lambda at: image_locations(work.catalog, chosen[at]), lambda at: read_uids(work.catalog, chosen[at]),
        folder=folder, settings=work.recipe.features, images=work.recipe.images, progress=work.progress,
    )  # fmt: skip


def stored_features(run: Path) -> Features:
    """The features that a finished stage points to. Raises ReweighError where the cache was removed."""
    pointer = read_json(run / "01-features" / "pointer.json")
    folder = Path(pointer["features"])
    folder = folder if folder.is_absolute() else run / folder
    if not folder.is_dir():
        raise ReweighError(
            f"The features of {run} are not in {folder} any more; run again: reweigh run {run} --redo features"
        )
    return open_features(folder)


def check_folds(work: Work) -> None:
    """Say before hours of extraction, not after it, that there are fewer groups of labelled images than folds."""
    rows, labels = work.splits.train, read_labels(work.catalog)
    if (labels[rows] >= 0).sum() < FEW_ROWS:
        assign_folds(
            read_groups(work.catalog)[rows], labels[rows], n_folds=work.recipe.evidence.n_folds, seed=work.recipe.seed
        )


def evidence_stage(work: Work, features: Features, extracted: Completed) -> Completed:
    """Held-out predictions of every training row that can be read."""
    recipe, catalog = work.recipe, work.catalog

    def make(target: Path, workspace: Path) -> list[str]:
        rows = np.setdiff1d(work.splits.train, unreadable_rows(features))
        made = make_held_out(
            features, rows, read_labels(catalog)[rows], read_groups(catalog)[rows], k=catalog.k, settings=recipe.evidence,
            probe=recipe.probe, seed=recipe.seed, progress=work.progress, workspace=workspace, uids=lambda at: read_uids(catalog, at),
        )  # fmt: skip
        (target / "held_out").mkdir()
        save_held_out(made, target / "held_out")
        return []

    reads = {
        "version": STEP_VERSION, "features": extracted.hash, "catalog": catalog.fingerprint, "seed": recipe.seed,
        "evidence": asdict(recipe.evidence), "probe": asdict(recipe.probe), "test_fraction": recipe.evaluation.test_fraction,
    }  # fmt: skip
    return complete(Stage(name="02-evidence", reads=reads, make=make), work.run)


def stored_held_out(run: Path) -> HeldOut:
    """The held-out predictions of a finished stage."""
    return load_held_out(run / "02-evidence" / "held_out")


def training_stage(work: Work, backbone: Backbone, features: Features, gathered: Completed) -> Completed:
    """The classifier, as a model folder that `predict` needs nothing else for."""
    recipe, catalog = work.recipe, work.catalog

    def make(target: Path, workspace: Path) -> list[str]:
        held_out = stored_held_out(work.run)
        labelled = held_out.labels >= 0
        inputs = TrainingInputs(
            features=features, rows=held_out.rows[labelled], targets=held_out.labels[labelled], weights=None,
            l2=recipe.probe.l2 or held_out.l2, backbone=backbone, classes=read_classes(catalog), probe=recipe.probe,
            uids=lambda at: read_uids(catalog, at),
        )  # fmt: skip
        (target / "model").mkdir()
        trained = TRAINERS[recipe.training.mode](inputs, target / "model", progress=work.progress)
        write_json(target / "training.json", trained)
        return []

    reads = {
        "version": STEP_VERSION,
        "evidence": gathered.hash,
        "training": asdict(recipe.training),
        "probe": asdict(recipe.probe),
    }
    done = complete(Stage(name="04-training", reads=reads, make=make), work.run)
    if not done.reused or not (work.run / "model").is_dir():
        publish(done.folder / "model", work.run / "model")
    return done


def metrics_stage(work: Work, features: Features, trained: Completed) -> Completed:
    """Figures on the test images and on the held-out predictions; results only, so that equal runs give equal bytes."""
    recipe = work.recipe

    def make(target: Path, workspace: Path) -> list[str]:
        model = load_model(trained.folder / "model", device=recipe.device, precision=recipe.precision)
        held_out = stored_held_out(work.run)
        metrics = measure(
            work.catalog, features, work.splits, held_out, model, settings=recipe.evaluation, seed=recipe.seed
        )
        metrics["training"] = read_json(trained.folder / "training.json")
        write_json(target / "metrics.json", metrics)
        return []

    reads = {
        "version": STEP_VERSION,
        "training": trained.hash,
        "evaluation": asdict(recipe.evaluation),
        "seed": recipe.seed,
    }
    done = complete(Stage(name="05-metrics", reads=reads, make=make), work.run)
    write_json(work.run / "metrics.json", read_json(done.folder / "metrics.json"))
    return done


def publish(source: Path, target: Path) -> None:
    """Put the files of `source` at `target` as well, whole at once; hard links where the disk has them."""
    if target.exists():
        shutil.rmtree(target)
    with whole_folder(target) as partial:
        for path in sorted(source.iterdir()):
            try:
                os.link(path, partial / path.name)
            except OSError:  # a file system without hard links
                shutil.copy2(path, partial / path.name)


def _pointer(folder: Path, run: Path) -> str:
    """The folder as the run names it: relative where it lies inside the run, so that the run can be moved."""
    inside = folder.resolve().is_relative_to(run.resolve())
    return str(folder.resolve().relative_to(run.resolve())) if inside else str(folder.resolve())
