"""The rounds of a run, one after the other, and its further models on the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reweigh.features.networks import Backbone
from reweigh.features.store import Features
from reweigh.runs.gathering import Gathered, gather_evidence
from reweigh.runs.recipe import Recipe, overridden
from reweigh.runs.resolve import load, resolve
from reweigh.runs.stages import Completed
from reweigh.runs.steps import features_stage, metrics_stage, publish, stored_features, training_stage
from reweigh.runs.weights import WEIGHTS, weights_stage
from reweigh.runs.work import Work
from reweigh.weighers.auto import said
from reweigh.whole_files import read_json, write_bytes, write_json

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Round:
    """A round, or a model, whose stages are finished."""

    work: Work
    gathered: Gathered
    extracted: Completed
    weighed: Completed | None
    trained: Completed
    measured: Completed

    @property
    def stages(self) -> list[Completed]:
        done = [self.extracted, *self.gathered.pieces.values(), self.weighed, self.trained, self.measured]
        return [stage for stage in done if stage is not None]


def all_rounds(work: Work, backbone: Backbone, say: Say) -> list[Round]:
    """Every round of the recipe in order, then every further model; the last round's results lie at the top of the run."""
    recipes = [overridden(work.recipe, changes) for changes in work.recipe.rounds] or [work.recipe]
    done: list[Round] = []
    for number, recipe in enumerate(recipes, start=1):
        place = work.run if number == 1 else work.run / f"round-{number}"
        here = replace(work, recipe=recipe, place=place, earlier=tuple(r.work.place for r in done))
        if len(recipes) > 1:
            say(f"round {number} of {len(recipes)}")
        done.append(_round(here, backbone, say))
    last = done[-1]
    models = [_model(work, last, changes, number, say) for number, changes in enumerate(work.recipe.models, start=1)]
    _publish(work.run, last, models)
    return [*done, *models]


def _round(work: Work, backbone: Backbone, say: Say, weighed: Completed | None = None) -> Round:
    """All stages of one round; `weighed`: weights that come from elsewhere, as for a further model."""
    backbone, extracted, features = _features(work, backbone)
    gathered = gather_evidence(work, features, extracted)
    if weighed is None:
        if gathered.chosen.names:
            say(said(gathered.chosen))
        weighed = weights_stage(work, gathered)
    trained = training_stage(work, backbone, features, gathered, weighed)
    measured = metrics_stage(work, features, gathered, weighed, trained)
    return Round(work=work, gathered=gathered, extracted=extracted, weighed=weighed, trained=trained, measured=measured)


def _features(work: Work, backbone: Backbone) -> tuple[Backbone, Completed, Features]:
    """The round's backbone, loaded anew where its settings name another one, and its features."""
    if work.recipe.backbone != backbone.settings:
        backbone = load(work.recipe)
    extracted = features_stage(work, backbone)
    return backbone, extracted, stored_features(work.run, extracted)


def _model(work: Work, last: Round, changes: dict[str, Any], number: int, say: Say) -> Round:
    """A further model: its own features, strength and head, on the weights of the last round."""
    recipe: Recipe = resolve(overridden(last.work.recipe, changes))
    say(f"model {number} of {len(work.recipe.models)}: {recipe.backbone.name}")
    here = replace(work, recipe=recipe, place=work.run / "models" / str(number), earlier=())
    return _round(here, load(recipe), say, weighed=last.weighed)


def _publish(run: Path, last: Round, models: list[Round]) -> None:
    """The last round's model, figures and weights at the top of the run, and each further model in its folder."""
    for one in models:
        publish(one.trained.folder / "model", one.work.place / "model")
    publish(last.trained.folder / "model", run / "model")
    metrics = read_json(last.measured.folder / "metrics.json")
    if models:
        metrics["models"] = [
            {"backbone": one.work.recipe.backbone.name, "test": read_json(one.measured.folder / "metrics.json")["test"]}
            for one in models
        ]
    write_json(run / "metrics.json", metrics)
    if last.weighed is not None:
        write_bytes(run / WEIGHTS, (last.weighed.folder / WEIGHTS).read_bytes())
    else:
        (run / WEIGHTS).unlink(missing_ok=True)


def places(run: Path, last: Round) -> dict[str, Any]:
    """Where the last round's pieces and weights lie, relative to the run, for whoever reads it later."""
    return {
        "evidence": {name: str(done.folder.relative_to(run)) for name, done in last.gathered.pieces.items()},
        "weights": None if last.weighed is None else str(last.weighed.folder.relative_to(run)),
    }
