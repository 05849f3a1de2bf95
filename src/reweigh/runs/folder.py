"""The run folder: what it was made from and with, written once and held to at every later command."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from reweigh.cores import available_cores
from reweigh.errors import ReweighError
from reweigh.runs.recipe import Recipe, recipe_from, write_recipe
from reweigh.runs.source import Source, is_run, state_of
from reweigh.whole_files import read_json, write_bytes, write_json

VERSIONS_OF = (
    "reweigh",
    "torch",
    "timm",
    "numpy",
    "pyarrow",
    "faiss-cpu",
    "pillow",
    "simplejpeg",
    "scipy",
    "scikit-learn",
)


def begin_run(run: Path, source: Source) -> None:
    """Note the data in a folder that `check_run` has let through, unless it is a run already."""
    if not is_run(run):
        record = {"data": _data(run, source), "versions": versions(), "machine": machine(), "started": _now()}
        write_json(run / "run.json", record)


def check_run(run: Path, source: Source) -> None:
    """Return where a run on this data may use the folder: it is not there, is empty, or holds a run on the same data.

    Raises ReweighError for a folder that is something else, for other data, and for data that changed since.
    """
    if is_run(run):
        _check_same_data(run, _data(run, source))
    elif run.is_file():
        raise ReweighError(f"{run} is a file; a run is a folder. Give another -o.")
    elif run.exists() and any(p.name != "run.lock" for p in run.iterdir()):
        raise ReweighError(f"{run} exists and is not a run (no run.json in it); give another -o, or remove it.")


def abandon(run: Path) -> None:
    """Take back run.json where the data could not be indexed, so that the folder takes other data, or mended data.

    A folder that holds anything besides is left as it is.
    """
    if all(p.name in ("run.json", "run.lock") for p in run.iterdir()):
        (run / "run.json").unlink(missing_ok=True)


def _data(run: Path, source: Source) -> dict[str, Any]:
    """The data as run.json names it."""
    return {
        "path": str(source.path.resolve()),
        "layout": source.layout,
        "options": dict(source.options),
        "state": state_of(source, run=run),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that decide the results."""
    found = {}
    for name in VERSIONS_OF:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return {"python": platform.python_version(), **found}


def machine() -> dict[str, Any]:
    """The machine, in the words that matter to compare times."""
    return {"system": platform.platform(), "processor": platform.machine(), "cores": available_cores()}


def note(run: Path, **facts: Any) -> None:
    """Add facts to run.json."""
    write_json(run / "run.json", {**read_json(run / "run.json"), **facts})


def write_resolved(run: Path, requested: Recipe, resolved: Recipe) -> None:
    """Write recipe.toml, and what was asked for, so that the same request is answered the same way again."""
    write_bytes(run / "recipe.toml", write_recipe(resolved).encode())
    note(run, requested=asdict(requested))


def resolved_before(run: Path, requested: Recipe) -> tuple[Recipe, Recipe] | None:
    """(what this run was asked for, how that was resolved), where it was the same but for further models; None where it was not."""
    before = read_json(run / "run.json").get("requested") if is_run(run) else None
    if before is None or not (run / "recipe.toml").is_file():
        return None
    if {**before, "models": None} != {**_as_json(requested), "models": None}:
        return None
    return recipe_from(before), stored_recipe(run)


def requested_before(run: Path) -> Recipe | None:
    """What this run was asked for last, nothing of it resolved; None where there is no run that got that far."""
    requested = read_json(run / "run.json").get("requested") if is_run(run) else None
    return None if requested is None else recipe_from(requested)


def same_request(one: Recipe | None, other: Recipe) -> bool:
    """Whether both ask for the same, as JSON says it."""
    return one is not None and _as_json(one) == _as_json(other)


def check_trained(run: Path) -> None:
    """Return where the run has a model. Raises ReweighError that says how to get one, where it was checked only or stopped."""
    if (run / "model" / "config.json").is_file():
        return
    if was_checked(run):
        raise ReweighError(f"The run {run} was checked, not trained; go on with: reweigh run {run}")
    raise ReweighError(f"The run {run} has no model yet; finish it: reweigh run {run}")


def was_checked(run: Path) -> bool:
    """Whether the run's figures are those of `check`, and no model of it was trained."""
    figures = run / "metrics.json"
    return figures.is_file() and not read_json(figures).get("is_trained", True)


def stored_recipe(run: Path) -> Recipe:
    """The resolved recipe of a run. Raises ReweighError where the folder is no run or never got that far."""
    path = run / "recipe.toml"
    if not is_run(run):
        raise ReweighError(f"{run} is not a run: there is no run.json in it. Make one with: reweigh run DATA -o {run}")
    if not path.is_file():
        raise ReweighError(f"The run {run} stopped before its recipe was resolved; run it again: reweigh run {run}")
    import tomllib

    return recipe_from(tomllib.loads(path.read_text(encoding="utf-8")))


def _as_json(recipe: Recipe) -> Any:
    """The recipe as JSON would give it back (tuples become lists)."""
    import json

    return json.loads(json.dumps(asdict(recipe)))


def _check_same_data(run: Path, data: dict[str, Any]) -> None:
    stored = read_json(run / "run.json")["data"]
    if stored["path"] != data["path"] or (stored["layout"], stored["options"]) != (data["layout"], data["options"]):
        what = data["path"] if stored["path"] != data["path"] else "the same data with other options"
        raise ReweighError(f"{run} holds a run on {stored['path']}, not on {what}; give another -o.")
    if stored["state"] != data["state"]:
        raise ReweighError(
            f"{data['path']} has changed since {run} indexed it (files came, went or differ in size or time); "
            "give another -o, or remove the old run."
        )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
