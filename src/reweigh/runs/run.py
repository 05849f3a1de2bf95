"""`run`: index, features, evidence, training, metrics and page, each stage once, in one folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reweigh.catalog.splits import resolve_splits
from reweigh.errors import ReweighError
from reweigh.progress import Progress, silent
from reweigh.runs import stages
from reweigh.runs.folder import abandon, begin_run, check_run, note, resolved_before, write_resolved
from reweigh.runs.lock import locked
from reweigh.runs.measured import metrics_lines, notes_of
from reweigh.runs.page import write_page
from reweigh.runs.preview import preview as look_first
from reweigh.runs.recipe import Recipe
from reweigh.runs.resolve import load, resolve, set_threads
from reweigh.runs.rounds import all_rounds, places
from reweigh.runs.source import Source, catalog_of, original, output_of
from reweigh.runs.steps import check_folds
from reweigh.runs.work import Work
from reweigh.whole_files import read_json


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a finished run has to say."""

    run: Path
    header: tuple[str, ...]
    lines: list[tuple[str, ...]]
    """Rows of the small table of results."""
    notes: list[str]
    metrics: dict[str, Any]


def run(
    source: Source,
    recipe: Recipe,
    *,
    output: Path | None = None,
    redo: str | None = None,
    preview: bool = True,
    cache: Path | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> RunResult:
    """Do what is still to do of the recipe on this data, in the run's folder, and return its results.

    `output` None: the run itself where `source` is a run, else ./reweigh-<name of the data>. `redo` names a stage to make
    anew. `cache` holds features in the place of the catalog. Stages are reused while nothing they read has changed.
    Raises ReweighError for whatever the user can mend; nothing half-made is left.
    """
    folder = output_of(source, output)
    data = original(source)
    if redo:
        stages.stage_named(redo)
    check_run(folder, data)
    created = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder):
            return _run_locked(
                data, recipe, folder, redo=redo, preview=preview, cache=cache, progress=progress, say=say
            )
    finally:
        if created and not any(folder.iterdir()):
            folder.rmdir()


def _run_locked(
    data: Source, recipe: Recipe, folder: Path, *, redo: str | None, preview: bool, cache: Path | None, progress: Progress,
    say: Callable[[str], None],
) -> RunResult:  # fmt: skip
    before = resolved_before(folder, recipe)
    resolved = before or resolve(recipe)
    set_threads(resolved.threads)
    begin_run(folder, data)
    try:
        catalog = catalog_of(data, folder, progress=progress)
    except ReweighError:
        abandon(folder)
        raise
    if before is None:
        write_resolved(folder, recipe, resolved)
    if redo:
        stages.forget(folder, redo)
    work = Work(
        run=folder, catalog=catalog, recipe=resolved, cache=cache or catalog.path / "features", progress=progress, place=folder,
        splits=resolve_splits(catalog, test_fraction=resolved.evaluation.test_fraction, seed=resolved.seed),
    )  # fmt: skip
    say(
        f"{catalog.n:,} images of {catalog.k:,} classes; backbone {resolved.backbone.name} on {resolved.device} "
        f"in {resolved.precision}, {resolved.threads} threads"
    )
    check_folds(work)
    backbone = load(resolved)
    if preview:
        look_first(work, backbone, say)
    done = all_rounds(work, backbone, say)
    stages_done = [stage for one in done for stage in one.stages]
    last = done[len(resolved.rounds) - 1 if resolved.rounds else 0]
    note(folder, catalog=catalog.fingerprint, stages=_hashes(folder, stages_done), places=places(folder, last))
    reused = [name for name in stages.STAGES if _all_reused(folder, name, stages_done)]
    if reused:
        say(f"unchanged, used again: {', '.join(reused)}")
    write_page(folder, folder / "report.html", progress=progress)
    metrics = read_json(folder / "metrics.json")
    header, lines = metrics_lines(metrics)
    notes = [
        *catalog.counts["warnings"],
        *dict.fromkeys(line for c in stages_done for line in c.notes),
        *notes_of(metrics),
    ]
    return RunResult(run=folder, header=header, lines=lines, notes=notes, metrics=metrics)


def _hashes(run: Path, done: list[stages.Completed]) -> dict[str, str]:
    return {str(c.folder.relative_to(run)): c.hash for c in done}


def _all_reused(run: Path, name: str, done: list[stages.Completed]) -> bool:
    """Whether every part of this stage, in all rounds, was there already."""
    parts = [c for c in done if name in c.folder.relative_to(run).parts]
    return bool(parts) and all(c.reused for c in parts)
