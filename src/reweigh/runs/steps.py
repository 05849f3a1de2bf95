"""The stages of a run, each from what it reads to its files: features, training, metrics."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import image_locations, read_classes, read_groups, read_labels, read_uids
from reweigh.errors import ReweighError
from reweigh.evidence.held_out import HeldOut
from reweigh.features.extraction import extract, feature_key
from reweigh.features.model_folder import load_model
from reweigh.features.networks import Backbone
from reweigh.features.store import Features, open_features, unreadable_rows
from reweigh.probes.folds import assign_folds
from reweigh.ranks import ALONE
from reweigh.runs.gathering import Gathered, stored_piece
from reweigh.runs.measured import Tested, measure, training_notes
from reweigh.runs.on_images import on_images, read_by_mode
from reweigh.runs.resolve import device_of
from reweigh.runs.stages import Completed, Stage, complete, hash_of, unfinished
from reweigh.runs.targets import target_facts, taught
from reweigh.runs.weights import measured_weights
from reweigh.runs.work import STEP_VERSION, Work
from reweigh.training.checkpoints import CHECKPOINTS
from reweigh.training.inputs import TrainingInputs
from reweigh.training.probe_training import read_baseline
from reweigh.training.table_of_trainers import TRAINERS
from reweigh.whole_files import read_json, whole_folder, write_json

NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
TRAINING = "04-training"
FEW_ROWS = 10_000  # with fewer rows than this it costs nothing to draw the folds beforehand


def features_stage(work: Work, backbone: Backbone) -> Completed:
    """Features of all rows in the cache; the stage's folder holds a pointer to them."""
    key = feature_key(backbone, fingerprint=work.catalog.fingerprint, rows=None, images=work.recipe.images)
    folder = work.cache / key

    def make(target: Path, workspace: Path) -> list[str]:
        features = extract_rows(work, backbone, folder, None)
        if not work.ranks.is_first:
            return []
        write_json(target / "pointer.json", {"features": _pointer(folder, work.run), "key": key})
        unreadable = len(unreadable_rows(features))
        return [f"{unreadable:,} of {features.n:,} images could not be read; they get weight 0"] if unreadable else []

    return complete(
        Stage(
            name="01-features",
            reads={"version": STEP_VERSION, "key": key, "cache": _pointer(work.cache, work.run)},
            make=make,
            is_shared=True,
        ),
        work.place,
        earlier=work.earlier,
        ranks=work.ranks,
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
        folder=folder, settings=work.recipe.features, images=work.recipe.images, progress=work.progress, ranks=work.ranks,
    )  # fmt: skip


def stored_features(run: Path, extracted: Completed) -> Features:
    """The features that a finished stage points to. Raises ReweighError where the cache was removed."""
    pointer = read_json(extracted.folder / "pointer.json")
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


def training_stage(
    work: Work, backbone: Backbone, features: Features, gathered: Gathered, weighed: Completed | None,
    targeted: Completed | None = None, previous: Completed | None = None,
) -> Completed:  # fmt: skip
    """The classifier, as a model folder that `predict` needs nothing else for; beside it, the same without weights.

    `previous`: the trained stage of the round before, whose network a finetuned one may start from.
    """
    recipe, catalog = work.recipe, work.catalog
    reads = {
        "version": STEP_VERSION, "evidence": gathered.hashes["held_out"], "weights": None if weighed is None else weighed.hash,
        "training": asdict(recipe.training), "probe": asdict(recipe.probe), **read_by_mode(work, previous),
        **({} if targeted is None else {"targets": targeted.hash, "weights_left": recipe.targets.weights}),
    }  # fmt: skip

    def make(target: Path, workspace: Path) -> list[str]:
        held_out: HeldOut = stored_piece(gathered, "held_out")
        images = gathered.images
        lesson = taught(work, gathered, weighed, targeted)
        inputs = TrainingInputs(
            features=features, rows=images.rows, labels=images.labels, targets=lesson.targets, weights=lesson.weights,
            l2=recipe.probe.l2 or held_out.l2, backbone=backbone, classes=read_classes(catalog), probe=recipe.probe,
            with_baseline=recipe.training.baseline, uids=lambda at: read_uids(catalog, at), seed=recipe.seed, ranks=work.ranks,
            on_images=on_images(work, previous) if recipe.training.mode == "finetune" else None,
            hidden_layer=recipe.hidden_layer, device=device_of(recipe.device, work.ranks),
        )  # fmt: skip
        way = "hidden_layer" if recipe.hidden_layer.width else recipe.training.mode
        trained = TRAINERS[way](inputs, target, workspace, key=hash_of(reads), progress=work.progress)
        if work.ranks.is_first:
            write_json(target / "training.json", trained)
        return training_notes(trained, asks_for_bags=bool(recipe.finetune.bags.size))

    stage = Stage(name=TRAINING, reads=reads, make=make, is_shared=True)
    _refuse_other_training(work, stage)
    return complete(stage, work.place, earlier=work.earlier, ranks=work.ranks)


def _refuse_other_training(work: Work, stage: Stage) -> None:
    """Days of training are not thrown away because a setting has changed, perhaps by mistake."""
    if unfinished(stage, work.place, holds=CHECKPOINTS):
        raise ReweighError(
            f"{work.place} holds an unfinished training with other settings or data. Go on with it by the same command as before, or "
            "throw it away with --redo training."
        )


def metrics_stage(
    work: Work, features: Features, gathered: Gathered, weighed: Completed | None, trained: Completed, targeted: Completed | None = None
) -> Completed:  # fmt: skip
    """Figures on the test images and on the held-out predictions; results only, so that equal runs give equal bytes."""
    recipe = work.recipe

    def make(target: Path, workspace: Path) -> list[str]:
        test = np.setdiff1d(work.splits.test, unreadable_rows(features))
        metrics = measure(
            work.catalog, features, work.splits, stored_piece(gathered, "held_out"),
            tested=_tested(work, features, trained.folder, "model", test, workspace),
            baseline=_tested(work, features, trained.folder, "baseline", test, workspace),
            settings=recipe.evaluation, seed=recipe.seed,
        )  # fmt: skip
        if weighed is not None:
            metrics["weights"] = measured_weights(work, gathered, weighed)
        if targeted is not None:
            metrics["targets"] = {
                "policy": recipe.targets.policy,
                "source": recipe.targets.source,
                **target_facts(targeted),
            }
        metrics["training"] = read_json(trained.folder / "training.json")
        write_json(target / "metrics.json", metrics)
        return []

    reads = {
        "version": STEP_VERSION,
        "training": trained.hash,
        "evaluation": asdict(recipe.evaluation),
        "seed": recipe.seed,
    }
    return complete(
        Stage(name="05-metrics", reads=reads, make=make), work.place, earlier=work.earlier, ranks=work.ranks
    )


def _tested(
    work: Work, features: Features, trained: Path, name: str, test: NDArray[np.int64], workspace: Path
) -> Tested | None:
    """A trained model, or the one without weights, on the test images; None where there are none or it was not trained."""
    if not len(test):
        return None
    is_probe = read_json(trained / "training.json")["mode"] == "probe"
    if name == "baseline" and is_probe:
        head = read_baseline(trained)
        return None if head is None else Tested(features=features, rows=test, catalog_rows=test, head=head)
    if not (trained / name).is_dir():
        return None
    model = load_model(trained / name, device=work.recipe.device, precision=work.recipe.precision)
    if is_probe:
        return Tested(features=features, rows=test, catalog_rows=test, head=model)
    # A network of its own sees the images anew.
    alone = replace(work, ranks=ALONE)
    own = extract_rows(alone, model.backbone, workspace / f"features-{name}", test)
    return Tested(features=own, rows=np.arange(len(test)), catalog_rows=test, head=model)


def publish(source: Path, target: Path, *, rewritten: Sequence[str] = ()) -> None:
    """Put the files of `source` at `target` as well, whole at once; hard links where the disk has them.

    Nothing is done where they are there already: a kill between a stage's end and this call leaves the older files.
    `rewritten`: files that the target has in a form of its own afterwards; they are not compared.
    """
    if target.is_dir() and _same_files(source, target, rewritten):
        return
    if target.exists():
        shutil.rmtree(target)
    with whole_folder(target) as partial:
        for path in sorted(source.iterdir()):
            try:
                os.link(path, partial / path.name)
            except OSError:  # a file system without hard links
                shutil.copy2(path, partial / path.name)


def _same_files(one: Path, other: Path, rewritten: Sequence[str]) -> bool:
    names = sorted(path.name for path in one.iterdir())
    return names == sorted(path.name for path in other.iterdir()) and all(
        (one / name).samefile(other / name) or filecmp.cmp(one / name, other / name, shallow=False)
        for name in names
        if name not in rewritten
    )


def _pointer(folder: Path, run: Path) -> str:
    """The folder as the run names it: relative where it lies inside the run, so that the run can be moved."""
    inside = folder.resolve().is_relative_to(run.resolve())
    return str(folder.resolve().relative_to(run.resolve())) if inside else str(folder.resolve())
