"""The rounds of a run, one after the other, and its further models on the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reweigh.features.model_card import CARD, write_card
from reweigh.features.networks import Backbone
from reweigh.features.store import Features
from reweigh.ranks import together
from reweigh.runs.checked import VERDICT_FACTS, checked_stage, is_trained, publish_verdicts, verdict_figures
from reweigh.runs.gathering import Gathered, gather_evidence
from reweigh.runs.model_facts import model_facts
from reweigh.runs.recipe import Recipe, overridden, rounds_of
from reweigh.runs.resolve import load
from reweigh.runs.stages import STAGES, Completed
from reweigh.runs.steps import features_stage, metrics_stage, publish, stored_features, training_stage
from reweigh.runs.targets import targets_stage
from reweigh.runs.verdicts import verdicts_stage
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
    judged: Completed
    weighed: Completed | None
    targeted: Completed | None = None
    """None where images are taught their labels"""
    trained: Completed | None = None
    """None where nothing was to be trained"""
    measured: Completed | None = None
    """None where the run keeps the figures that it has"""

    @property
    def stages(self) -> list[Completed]:
        done = [
            self.extracted,
            *self.gathered.pieces.values(),
            self.judged,
            self.weighed,
            self.targeted,
            self.trained,
            self.measured,
        ]
        return [stage for stage in done if stage is not None]


def all_rounds(work: Work, backbone: Backbone, say: Say) -> list[Round]:
    """Every round of the recipe in order, then every further model; the last round's results lie at the top of the run."""
    done: list[Round] = []
    for here in _places_of_rounds(work, say):
        done.append(_round(here, backbone, say, previous=done[-1] if done else None))
    last = done[-1]
    models = [_model(work, last, changes, number, say) for number, changes in enumerate(work.recipe.models, start=1)]
    with together(work.ranks):
        if work.ranks.is_first:
            _publish(work, last, models)
    return [*done, *models]


def checked_rounds(work: Work, backbone: Backbone, say: Say) -> list[Round]:
    """Every round without its training. The results lie at the top of the run; a model and figures of it stay as they are."""
    done = [_checked(here, backbone, say) for here in _places_of_rounds(work, say)]
    with together(work.ranks):
        if work.ranks.is_first:
            _publish(work, done[-1], [])
    return done


def _places_of_rounds(work: Work, say: Say) -> Iterator[Work]:
    """What each round works with, said as it begins."""
    recipes = rounds_of(work.recipe)
    earlier: list[Path] = []
    for number, recipe in enumerate(recipes, start=1):
        if len(recipes) > 1:
            say(f"round {number} of {len(recipes)}")
        place = work.run if number == 1 else work.run / f"round-{number}"
        yield replace(work, recipe=recipe, place=place, earlier=tuple(earlier))
        earlier.append(place)


def _round(
    work: Work, backbone: Backbone, say: Say, before: Round | None = None, previous: Round | None = None
) -> Round:
    """All stages of one round; `before`: whose verdicts and weights are taken, as for a further model; `previous`: the
    round before, whose network may be gone on from."""
    backbone, features, one = _judged(work, backbone, say, before)
    earlier = previous or before
    targeted = targets_stage(work, one.gathered, one.weighed) if before is None else before.targeted
    trained = training_stage(
        work, backbone, features, one.gathered, one.weighed, targeted, None if earlier is None else earlier.trained
    )
    measured = metrics_stage(work, features, one.gathered, one.weighed, trained, targeted)
    return replace(one, targeted=targeted, trained=trained, measured=measured)


def _checked(work: Work, backbone: Backbone, say: Say) -> Round:
    """The stages of one round up to its weights, and figures of them unless the run has those of a model."""
    _, features, one = _judged(work, backbone, say, None)
    if is_trained(work.run):
        return one
    return replace(one, measured=checked_stage(work, features, one.gathered, one.weighed))


def _judged(work: Work, backbone: Backbone, say: Say, before: Round | None) -> tuple[Backbone, Features, Round]:
    """Features, evidence, verdicts and weights: what does not need training."""
    backbone, extracted, features = _features(work, backbone)
    gathered = gather_evidence(work, features, extracted)
    if before is not None:
        judged, weighed = before.judged, before.weighed
    else:
        judged = verdicts_stage(work, features, gathered)
        if gathered.chosen.names:
            say(said(gathered.chosen))
        weighed = weights_stage(work, gathered)
    return backbone, features, Round(work=work, gathered=gathered, extracted=extracted, judged=judged, weighed=weighed)


def _features(work: Work, backbone: Backbone) -> tuple[Backbone, Completed, Features]:
    """The round's backbone, loaded anew where its settings name another one, and its features."""
    if work.recipe.backbone != backbone.settings:
        backbone = load(work.recipe, work.ranks)
    extracted = features_stage(work, backbone)
    return backbone, extracted, stored_features(work.run, extracted)


def _model(work: Work, last: Round, changes: dict[str, Any], number: int, say: Say) -> Round:
    """A further model: its own features, strength and head, on the weights of the last round."""
    recipe: Recipe = overridden(last.work.recipe, changes)
    say(f"model {number} of {len(work.recipe.models)}: {recipe.backbone.name}")
    here = replace(work, recipe=recipe, place=work.run / "models" / str(number), earlier=())
    return _round(here, load(recipe, work.ranks), say, before=last)


def _publish(work: Work, last: Round, models: list[Round]) -> None:
    """The last round's model, figures, verdicts and weights at the top of the run, and each further model in its folder."""
    run = work.run
    for one in models:
        _publish_model(one, one.work.place)
    _publish_model(last, run)
    metrics = _figures(last)
    publish_verdicts(run, last.judged, work.catalog, progress=work.progress)
    metrics["verdicts"] = verdict_figures(read_json(last.judged.folder / VERDICT_FACTS))
    if models:
        metrics["models"] = [
            {"backbone": one.work.recipe.backbone.name, "test": _figures(one)["test"]} for one in models
        ]
    write_json(run / "metrics.json", metrics)
    if last.weighed is not None:
        write_bytes(run / WEIGHTS, (last.weighed.folder / WEIGHTS).read_bytes())
    else:
        (run / WEIGHTS).unlink(missing_ok=True)


def _publish_model(one: Round, place: Path) -> None:
    """The model, its card filled in with what is known only now: the data, how labels were weighed, figures."""
    if one.trained is None:
        return
    publish(one.trained.folder / "model", place / "model", rewritten=(CARD,))
    facts = model_facts(
        one.work.recipe, _figures(one), data=read_json(one.work.run / "run.json")["data"]["path"],
        weighers=() if one.weighed is None else one.gathered.chosen.names,
    )  # fmt: skip
    write_card(place / "model", facts)


def _figures(one: Round) -> dict[str, Any]:
    """The round's figures, or those that the run has."""
    folder = one.work.run if one.measured is None else one.measured.folder
    return dict(read_json(folder / "metrics.json"))


def places(run: Path, last: Round) -> dict[str, Any]:
    """Where the last round's pieces and weights lie, relative to the run, for whoever reads it later."""
    return {
        "evidence": {name: str(done.folder.relative_to(run)) for name, done in last.gathered.pieces.items()},
        "weights": None if last.weighed is None else str(last.weighed.folder.relative_to(run)),
        "verdicts": str(last.judged.folder.relative_to(run)),
    }


def hashes(run: Path, done: list[Completed]) -> dict[str, str]:
    """Hash of each finished stage, by its folder relative to the run."""
    return {str(c.folder.relative_to(run)): c.hash for c in done}


def say_reused(run: Path, done: list[Completed], say: Say) -> None:
    """Name the stages whose every part, in all rounds, was there already."""
    reused = []
    for name in STAGES:
        parts = [c for c in done if name in c.folder.relative_to(run).parts]
        if parts and all(c.reused for c in parts):
            reused.append(name)
    if reused:
        say(f"unchanged, used again: {', '.join(reused)}")
