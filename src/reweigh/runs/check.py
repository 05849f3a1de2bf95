"""`check`: index, features, evidence, verdicts, weights and page; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reweigh.catalog.tables import read_classes, read_labels
from reweigh.errors import ReweighError
from reweigh.features.networks import Backbone
from reweigh.progress import Progress, silent
from reweigh.ranks import ALONE, Ranks, together
from reweigh.runs.checked import VERDICT_CSV, VERDICT_FACTS, is_trained
from reweigh.runs.folder import note, requested_before, same_request
from reweigh.runs.judgeable import lone_class, needed_for, weak_classes
from reweigh.runs.measured import Row, notes_of
from reweigh.runs.one_class import REVIEW, lone_class_lines, look_at_lone_class, write_review
from reweigh.runs.opening import Opened, begin, opened
from reweigh.runs.page import write_page
from reweigh.runs.preview import preview as look_first
from reweigh.runs.recipe import Recipe
from reweigh.runs.resolve import load
from reweigh.runs.rounds import Round, checked_rounds, hashes, places, say_reused
from reweigh.runs.source import Source
from reweigh.runs.steps import check_folds, features_stage, stored_features
from reweigh.runs.verdict_tables import (
    CLASS_HEADER,
    CONFUSION_HEADER,
    class_lines,
    confusion_lines,
    n_labels,
    overall_lines,
)
from reweigh.runs.work import Work
from reweigh.whole_files import read_json


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What a check has to say."""

    run: Path
    n: int
    """Images looked at"""
    lines: list[tuple[str, str]]
    """(name, value) of all labels together"""
    tables: list[tuple[str, Row, list[Row]]]
    """(title, header, rows)"""
    notes: list[str]
    files: list[tuple[str, Path]]
    """(what it is, where it lies)"""
    next_steps: list[str]
    """Commands that go on from here"""
    verdicts: dict[str, Any] | None = field(default=None)
    """verdicts.json; None where there was nothing to compare with"""


def check(
    source: Source,
    recipe: Recipe,
    *,
    output: Path | None = None,
    preview: bool = True,
    cache: Path | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
    ranks: Ranks = ALONE,
) -> CheckResult:
    """Judge the labels of this data in the folder that `run` takes, which goes on from there; arguments as of `run`.

    A model and its figures that are there already stay. Images of one class only are ordered by how unusual they are.
    Raises ReweighError for whatever the user can mend, and for a trained run that was made with other settings.
    """
    with opened(source, output, cache=cache, progress=progress, say=say, ranks=ranks) as place:
        with together(ranks):
            _keep_model(place.folder, recipe)
        return _check_opened(place, recipe, preview=preview)


def _check_opened(place: Opened, recipe: Recipe, *, preview: bool) -> CheckResult:
    folder, say = place.folder, place.say
    work = begin(place, recipe)
    with together(place.ranks):
        lone = lone_class(work.catalog, work.splits)
        if lone is None:
            check_folds(work)
        backbone = load(work.recipe, place.ranks)
    if lone is not None:
        return _look_only(work, backbone, lone)
    had_model = is_trained(folder)
    with together(place.ranks):
        if preview and place.ranks.is_first:
            look_first(replace(work, ranks=ALONE), backbone, say)
    done = checked_rounds(work, backbone, say)
    stages = [stage for one in done for stage in one.stages]
    with together(place.ranks):
        if place.ranks.is_first:
            known = {**read_json(folder / "run.json").get("stages", {}), **hashes(folder, stages)}
            note(folder, catalog=work.catalog.fingerprint, stages=known, places=places(folder, done[-1]))
            say_reused(folder, stages, say)
            write_page(folder, folder / "report.html", progress=place.progress)
    return _result(work, [line for stage in stages for line in stage.notes] + _older_model(had_model, done))


def _keep_model(folder: Path, recipe: Recipe) -> None:
    """Raise ReweighError where other settings than those of a trained run would take away what its model was made of."""
    if is_trained(folder) and not same_request(requested_before(folder), recipe):
        raise ReweighError(
            f"{folder} holds a trained run with other settings, which this check would replace; give another -o, "
            "or leave --recipe and --set out to check with the settings of the run."
        )


def _older_model(had_model: bool, done: list[Round]) -> list[str]:
    """A note where the weights were made anew beside a model that was trained on the ones before."""
    weighed = done[-1].weighed
    if had_model and weighed is not None and not weighed.reused:
        return [
            "weights were made anew; the model and its figures are still those of the weights before: reweigh run makes them anew"
        ]
    return []


def _look_only(work: Work, backbone: Backbone, label: int) -> CheckResult:
    """Of one class: copies, unreadable images, and an order by how unusual an image is. No verdicts and no page."""
    features = stored_features(work.run, features_stage(work, backbone))
    found = look_at_lone_class(work.catalog, features, label, seed=work.recipe.seed)
    with together(work.ranks):
        if work.ranks.is_first:
            write_review(found, work.catalog, work.run)
    return CheckResult(
        run=work.run, n=len(found.rows), lines=lone_class_lines(found, read_classes(work.catalog).names[label]), tables=[],
        notes=[*work.catalog.counts["warnings"], needed_for(work.catalog, label)], files=[("review", work.run / REVIEW)],
        next_steps=[],
    )  # fmt: skip


def _result(work: Work, notes: list[str]) -> CheckResult:
    run, names = work.run, read_classes(work.catalog).names
    facts, metrics = read_json(run / VERDICT_FACTS), read_json(run / "metrics.json")
    weak = weak_classes(read_labels(work.catalog)[work.splits.train], names)
    tables = [
        ("Classes with the highest estimated share of wrong labels", CLASS_HEADER, class_lines(facts, names)),
        ("Most frequent confusions", CONFUSION_HEADER, confusion_lines(facts, names)),
    ]
    said = [*work.catalog.counts["warnings"], *([weak] if weak else []), *notes, *facts["notes"], *notes_of(metrics)]
    trained = is_trained(run)
    return CheckResult(
        run=run, n=n_labels(facts), lines=overall_lines(facts), tables=[table for table in tables if table[2]], notes=list(dict.fromkeys(said)),
        files=[("page", run / "report.html"), ("verdicts", run / VERDICT_CSV)],
        next_steps=[*([] if trained else [f"reweigh run {run}"]), f"reweigh export {run} --to folder"], verdicts=facts,
    )  # fmt: skip
