"""`run`: index, features, evidence, training, metrics and page, each stage once, in one folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reweigh.progress import Progress, silent
from reweigh.ranks import ALONE, Ranks, together
from reweigh.runs import stages
from reweigh.runs.folder import note
from reweigh.runs.measured import metrics_lines, notes_of
from reweigh.runs.opening import Opened, begin, opened
from reweigh.runs.page import write_page
from reweigh.runs.preview import preview as look_first
from reweigh.runs.recipe import Recipe
from reweigh.runs.resolve import load
from reweigh.runs.rounds import all_rounds, hashes, places, say_reused
from reweigh.runs.source import Source
from reweigh.runs.steps import check_folds
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
    ranks: Ranks = ALONE,
) -> RunResult:
    """Do what is still to do of the recipe on this data, in the run's folder, and return its results.

    `output` None: the run itself where `source` is a run, else ./reweigh-<name of the data>. `redo` names a stage to make
    anew. `cache` holds features in the place of the catalog. Stages are reused while nothing they read has changed.
    Several `ranks` call this together, their process group joined; rank 0 alone reports. Raises ReweighError for whatever the
    user can mend; nothing half-made is left.
    """
    if redo:
        stages.stage_named(redo)
    with opened(source, output, cache=cache, progress=progress, say=say, ranks=ranks) as place:
        return _run_opened(place, recipe, redo=redo, preview=preview)


def _run_opened(place: Opened, recipe: Recipe, *, redo: str | None, preview: bool) -> RunResult:
    folder, say = place.folder, place.say
    work = begin(place, recipe)
    with together(place.ranks):
        if redo and place.ranks.is_first:
            stages.forget(folder, redo)
        check_folds(work)
        backbone = load(work.recipe, place.ranks)
    with together(place.ranks):
        if preview and place.ranks.is_first:
            look_first(replace(work, ranks=ALONE), backbone, say)
    done = all_rounds(work, backbone, say)
    stages_done = [stage for one in done for stage in one.stages]
    last = done[max(len(recipe.rounds), 1) - 1]
    with together(place.ranks):
        if place.ranks.is_first:
            note(
                folder,
                catalog=work.catalog.fingerprint,
                stages=hashes(folder, stages_done),
                places=places(folder, last),
            )
            say_reused(folder, stages_done, say)
            write_page(folder, folder / "report.html", progress=place.progress)
    metrics = read_json(folder / "metrics.json")
    header, lines = metrics_lines(metrics)
    notes = [
        *work.catalog.counts["warnings"],
        *dict.fromkeys(line for c in stages_done for line in c.notes),
        *notes_of(metrics),
    ]
    return RunResult(run=folder, header=header, lines=lines, notes=notes, metrics=metrics)
