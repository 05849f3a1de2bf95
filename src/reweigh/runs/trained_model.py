"""Which model a path means: that of a run, or a further one on the same weights, RUN/models/N."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reweigh.errors import ReweighError
from reweigh.runs.folder import check_trained, stored_recipe
from reweigh.runs.recipe import Recipe, last_round, overridden
from reweigh.runs.source import is_run
from reweigh.whole_files import read_json

MODELS = "models"


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A finished model and how it is to be applied."""

    run: Path
    place: Path
    """The run, or RUN/models/N; holds the folder `model`"""
    recipe: Recipe
    """With device, threads and precision said"""
    number: int = 0
    """Of a further model, from 1; 0: the run's own"""


def trained_model(path: Path) -> TrainedModel:
    """The model of a run, or of RUN/models/N. Raises ReweighError where there is none, saying how to get one."""
    run, number = run_and_number(path)
    recipe = stored_recipe(run)
    if number == 0:
        check_trained(run)
        return TrainedModel(run=run, place=run, recipe=recipe)
    if number > len(recipe.models):
        raise ReweighError(f"{run} has {len(recipe.models)} further models ([[models]] in its recipe); found {path}.")
    if not (path / "model" / "config.json").is_file():
        raise ReweighError(f"{path} has no model yet; finish the run: reweigh run {run}")
    own = overridden(last_round(recipe), recipe.models[number - 1])
    said = {name: getattr(recipe, name) for name in ("device", "precision") if getattr(own, name) == "auto"}
    return TrainedModel(
        run=run, place=path, recipe=replace(own, threads=own.threads or recipe.threads, **said), number=number
    )


def run_and_number(path: Path) -> tuple[Path, int]:
    """(RUN, N) of RUN/models/N where RUN is a run, else (path, 0)."""
    whole = path.absolute()
    is_further = whole.parent.name == MODELS and whole.name.isdigit() and is_run(whole.parent.parent)
    return (
        (path.parent.parent if len(path.parts) > 2 else whole.parent.parent, int(whole.name))
        if is_further
        else (path, 0)
    )


def figures_of(run: Path, number: int) -> dict[str, Any]:
    """The stored figures of a finished run, or of its further model of this number. Raises ReweighError where there are none."""
    if not (run / "metrics.json").is_file():
        raise ReweighError(f"The run {run} is not finished; go on with: reweigh run {run}")
    metrics: dict[str, Any] = read_json(run / "metrics.json")
    if number == 0:
        return metrics
    models = metrics.get(MODELS, [])
    if not 0 < number <= len(models):
        raise ReweighError(f"{run} has figures of {len(models)} further models; looked for number {number}.")
    return {"test": models[number - 1]["test"]}
