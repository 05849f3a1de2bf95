"""`evaluate`: the stored figures of a run, or its model on other data of the same classes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import (
    Catalog,
    image_locations,
    is_catalog,
    open_catalog,
    read_classes,
    read_labels,
    read_split,
    read_uids,
)
from reweigh.errors import ReweighError
from reweigh.evaluation.class_matching import ClassMatch, NamedClasses, all_matched, match_classes
from reweigh.evaluation.measure import as_json
from reweigh.evaluation.on_catalog import evaluate_rows
from reweigh.features.extraction import feature_key
from reweigh.features.model_folder import Model, load_model
from reweigh.features.several_views import extract_views, unreadable_in_any
from reweigh.images.several_views import several_views
from reweigh.layouts.table_of_layouts import index
from reweigh.progress import Progress, silent
from reweigh.runs.folder import stored_recipe
from reweigh.runs.measured import Row, metrics_lines, notes_of
from reweigh.runs.resolve import set_threads
from reweigh.runs.source import Source, is_run, state_of
from reweigh.runs.trained_model import figures_of, run_and_number, trained_model
from reweigh.whole_files import whole_folder, write_json


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What `evaluate` has to say."""

    header: Row
    lines: list[Row]
    notes: list[str]
    metrics: dict[str, Any]


def evaluate_run(
    run: Path, on: Path | None = None, *, views: str = "center", scales: Sequence[float] = (1.0,), allow_unmatched: bool = False,
    progress: Progress = silent,
) -> Evaluated:  # fmt: skip
    """The figures of a finished run (or of RUN/models/N); with `on`, those of its model on the labelled test images of that data, its
    probabilities averaged over these views.

    Of `on`, split test is measured, else val, else all labelled images. Its catalog and figures lie in RUN/evaluations. Its classes are
    found among the model's by synset, then by name; allow_unmatched: images of the others are left out and counted.
    Raises ReweighError for a run that is not finished and, without that, for data with classes that the model does not know.
    """
    whole, number = run_and_number(run)
    stored_recipe(whole)
    metrics = figures_of(whole, number)
    if on is None:
        header, lines = metrics_lines(metrics)
        return Evaluated(header=header, lines=lines, notes=[] if number else notes_of(metrics), metrics=metrics)
    recipe = trained_model(run).recipe
    set_threads(recipe.threads)
    place = place_of(run, on)
    catalog = _catalog(on, place, progress)
    model = load_model(run / "model", device=recipe.device, precision=recipe.precision)
    match = _match(catalog, model, allow_unmatched=allow_unmatched)
    rows, split = labelled_rows(catalog)
    rows, left_out = _matched_rows(catalog, rows, match)
    seen = several_views(model.backbone.view, views, scales)
    keys = [
        feature_key(
            replace(model.backbone, view=view), fingerprint=catalog.fingerprint, rows=rows, images=recipe.images
        )
        for view in seen
    ]
    features = extract_views(
        model.backbone, len(rows), lambda at: image_locations(catalog, rows[at]), lambda at: read_uids(catalog, rows[at]),
        views=seen, folders=[place / "features" / key for key in keys], settings=recipe.features, images=recipe.images, progress=progress,
    )  # fmt: skip
    readable = np.setdiff1d(np.arange(len(rows)), list(unreadable_in_any(features)))
    measured = evaluate_rows(
        catalog,
        features,
        readable,
        model,
        settings=recipe.evaluation,
        seed=recipe.seed,
        classes=match.classes,
        catalog_rows=rows[readable],
    )
    metrics = {"test": {**as_json(measured), "source": split}}
    if len(seen) > 1 or seen[0] != model.backbone.view:
        metrics["views"] = {"name": views, "scales": list(scales), "number": len(seen)}
    metrics["classes"] = {
        "by_synset": match.by_synset, "by_name": match.by_name, "unmatched": list(match.unmatched), "images_left_out": left_out,
    }  # fmt: skip
    write_json(place / "metrics.json", metrics)
    header, lines = metrics_lines(metrics)
    lines += _unmatched_lines(match, left_out, len(header))
    unreadable = len(rows) - len(readable)
    notes = [f"{unreadable:,} images could not be read"] if unreadable else []
    notes += [f"classes matched: {match.by_synset:,} by synset, {match.by_name:,} by name"] if match.by_synset else []
    return Evaluated(header=header, lines=lines, notes=notes, metrics=metrics)


def _match(catalog: Catalog, model: Model, *, allow_unmatched: bool) -> ClassMatch:
    """The catalog's classes among the model's. Raises ReweighError that lists those without a match, unless they are allowed."""
    theirs = read_classes(catalog)
    ours = NamedClasses(names=tuple(model.class_names), synsets=tuple(model.synsets))
    match = match_classes(NamedClasses(names=theirs.names, synsets=theirs.synsets), ours)
    if not allow_unmatched:
        all_matched(match, model.class_names, hint=" With --allow-unmatched their images are left out.")
    return match


def _matched_rows(catalog: Catalog, rows: NDArray[np.int64], match: ClassMatch) -> tuple[NDArray[np.int64], int]:
    """(the rows whose label is one of the model's classes, how many are not)."""
    is_matched = match.classes[read_labels(catalog)[rows]] >= 0
    if not is_matched.any():
        raise ReweighError(
            f"None of the {len(rows):,} labelled images of {catalog.path} is of a class that the model knows: "
            f"{', '.join(match.unmatched[:5])}{' ...' if len(match.unmatched) > 5 else ''} are not."
        )
    return rows[is_matched], int((~is_matched).sum())


def _unmatched_lines(match: ClassMatch, left_out: int, width: int) -> list[Row]:
    """A line of the table for what was left out."""
    if not match.unmatched:
        return []
    shown = ", ".join(match.unmatched[:3]) + (" ..." if len(match.unmatched) > 3 else "")
    first = f"left out: {len(match.unmatched):,} classes without a match ({shown})"
    return [(first, f"{left_out:,}", *[""] * (width - 2))]


def place_of(run: Path, on: Path) -> Path:
    """RUN/evaluations/NAME-STATE: another folder of that name, or the same one changed, is never taken for this one.

    Raises ReweighError where no data is there.
    """
    if not on.exists():
        raise ReweighError(f"No data at {on}: looked for a folder of images, a table or a catalog; nothing is there.")
    if is_run(on):
        raise ReweighError(f"{on} is a run; --on takes data: a folder of images, a table or a catalog.")
    path = on.resolve()
    state = hashlib.blake2b(f"{path}\0{state_of(Source(path=path))}".encode(), digest_size=4).hexdigest()
    return run / "evaluations" / f"{path.name.removesuffix('.catalog')}-{state}"


def labelled_rows(catalog: Catalog) -> tuple[NDArray[np.int64], str]:
    """Labelled rows of split test, else val, else of all; and which it is."""
    labelled = read_labels(catalog) >= 0
    for name in ("test", "val"):
        rows = np.flatnonzero(labelled & read_split(catalog, name))
        if len(rows):
            return rows, name
    rows = np.flatnonzero(labelled)
    if not len(rows):
        raise ReweighError(f"{catalog.path} has no labelled image to evaluate on; reweigh predict needs no labels.")
    return rows, "all labelled"


def _catalog(on: Path, place: Path, progress: Progress) -> Catalog:
    if is_catalog(on):
        return open_catalog(on)
    if is_catalog(place / "catalog"):
        return open_catalog(place / "catalog")
    with whole_folder(place) as partial:  # nothing is left of data that cannot be indexed
        index(on, partial / "catalog", layout=None, options={}, progress=progress)
    return open_catalog(place / "catalog")
