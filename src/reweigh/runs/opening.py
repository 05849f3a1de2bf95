"""A run's folder opened for `run` or `check`: locked, bound to its data and settings, its catalog at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reweigh.catalog.splits import resolve_splits
from reweigh.errors import ReweighError
from reweigh.progress import Progress
from reweigh.recipes import DEFAULT_RECIPE
from reweigh.runs.folder import abandon, begin_run, check_run, requested_before, resolved_before, write_resolved
from reweigh.runs.lock import locked
from reweigh.runs.recipe import Recipe, read_recipe
from reweigh.runs.resolve import resolve, set_threads
from reweigh.runs.source import Source, catalog_of, original, output_of
from reweigh.runs.work import Work

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A locked run folder and what it is to be made from."""

    data: Source
    folder: Path
    cache: Path | None
    progress: Progress
    say: Say


def recipe_for(source: Source, name: str | None, changes: Sequence[str], output: Path | None) -> Recipe:
    """The recipe of this name with these changes; where neither is given, the one that the run was asked for before.

    Without it, going on in a run that was made with other settings would throw its features away.
    """
    if name is None and not changes:
        before = requested_before(output_of(source, output))
        if before is not None:
            return before
    return read_recipe(name or DEFAULT_RECIPE, changes)


@contextmanager
def opened(
    source: Source, output: Path | None, *, cache: Path | None, progress: Progress, say: Say
) -> Iterator[Opened]:
    """The run's folder, locked for the block; it is removed again where nothing was put into it.

    Raises ReweighError for a folder that is something else, or a run on other data.
    """
    folder = output_of(source, output)
    data = original(source)
    check_run(folder, data)
    created = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder):
            yield Opened(data=data, folder=folder, cache=cache, progress=progress, say=say)
    finally:
        if created and not any(folder.iterdir()):
            folder.rmdir()


def begin(run: Opened, recipe: Recipe) -> Work:
    """What the stages share: settings resolved and written down, the catalog made or opened, rows split."""
    folder = run.folder
    before = resolved_before(folder, recipe)
    resolved = before or resolve(recipe)
    set_threads(resolved.threads)
    begin_run(folder, run.data)
    try:
        catalog = catalog_of(run.data, folder, progress=run.progress)
    except ReweighError:
        abandon(folder)
        raise
    if before is None:
        write_resolved(folder, recipe, resolved)
    run.say(
        f"{catalog.n:,} images of {catalog.k:,} classes; backbone {resolved.backbone.name} on {resolved.device} "
        f"in {resolved.precision}, {resolved.threads} threads"
    )
    return Work(
        run=folder, catalog=catalog, recipe=resolved, cache=run.cache or catalog.path / "features", progress=run.progress, place=folder,
        splits=resolve_splits(catalog, test_fraction=resolved.evaluation.test_fraction, seed=resolved.seed),
    )  # fmt: skip
