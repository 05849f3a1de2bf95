"""A run's folder opened for `run` or `check`: locked, bound to its data and settings, its catalog at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from reweigh.catalog.splits import resolve_splits
from reweigh.catalog.tables import Catalog
from reweigh.errors import ReweighError
from reweigh.features.devices import resolve_device
from reweigh.progress import Progress, silent
from reweigh.ranks import ALONE, Ranks, agreed, together
from reweigh.recipes import DEFAULT_RECIPE
from reweigh.runs.folder import (
    abandon,
    begin_run,
    check_run,
    requested_before,
    resolved_before,
    same_request,
    stored_recipe,
    versions,
    write_resolved,
)
from reweigh.runs.lock import locked
from reweigh.runs.recipe import Recipe, changed_recipe, read_recipe
from reweigh.runs.resolve import device_of, resolve, set_threads
from reweigh.runs.source import Source, catalog_of, is_run, original, output_of
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
    ranks: Ranks = ALONE


def recipe_for(
    source: Source, name: str | None, changes: Sequence[str], output: Path | None, models: Sequence[str] = ()
) -> Recipe:
    """The recipe of this name with these changes and further models; where no name is given, that of the run which is gone on with.

    That is DATA where it is a run, whatever is changed; else the run at `output` where no setting of it is: other ones would throw its
    features away.
    """
    before = None
    if name is None and not changes:
        before = requested_before(output_of(source, output))
    if name is None and before is None and is_run(source.path):
        before = requested_before(source.path)
    if before is not None:
        return changed_recipe(before, changes, models)
    return read_recipe(name or DEFAULT_RECIPE, changes, models)


@contextmanager
def opened(
    source: Source, output: Path | None, *, cache: Path | None, progress: Progress, say: Say, ranks: Ranks = ALONE
) -> Iterator[Opened]:
    """The run's folder, locked for the block; it is removed again where nothing was put into it.

    Of several ranks, rank 0 holds the lock for all, and alone reports. Raises ReweighError for a folder that is something else, or a run on other data.
    """
    with together(ranks):
        folder, data = output_of(source, output), original(source)
    if not ranks.is_first:
        with together(ranks):
            pass  # rank 0 locks the folder, or says why it cannot
        yield Opened(data=data, folder=folder, cache=cache, progress=silent, say=lambda line: None, ranks=ranks)
        return
    created = not folder.exists()
    try:
        with ExitStack() as stack:
            with together(ranks):
                check_run(folder, data)
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(folder))
            yield Opened(data=data, folder=folder, cache=cache, progress=progress, say=say, ranks=ranks)
    finally:
        if created and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def begin(run: Opened, recipe: Recipe) -> Work:
    """What the stages share: settings resolved and written down, the catalog made or opened, rows split."""
    with together(run.ranks):
        if run.ranks.is_first:
            _settle(run, recipe)
    with together(run.ranks):
        resolved = stored_recipe(run.folder)
        set_threads(resolved.threads)
        catalog = catalog_of(run.data, run.folder)
    _check_same(run.ranks, resolved, catalog)
    run.say(
        f"{catalog.n:,} images of {catalog.k:,} classes; backbone {resolved.backbone.name} on {resolved.device} "
        f"in {resolved.precision}, {resolved.threads} threads{f', {run.ranks.world} processes' if run.ranks.world > 1 else ''}"
    )
    return Work(
        run=run.folder, catalog=catalog, recipe=resolved, cache=run.cache or catalog.path / "features", progress=run.progress,
        splits=resolve_splits(catalog, test_fraction=resolved.evaluation.test_fraction, seed=resolved.seed), place=run.folder,
        ranks=run.ranks,
    )  # fmt: skip


def _check_same(ranks: Ranks, recipe: Recipe, catalog: Catalog) -> None:
    """Raise ReweighError where a process could have no part in the run: another catalog, other versions, no GPU for it."""
    if ranks.world == 1:
        return
    own = {"catalog": catalog.fingerprint, **versions()}
    first = agreed(ranks, own)
    with together(ranks):
        resolve_device(device_of(recipe.device, ranks))
        other = [f"{name} {own[name]} instead of {first[name]}" for name in own if own[name] != first[name]]
        if other:
            raise ReweighError(
                f"Process {ranks.rank} has {', '.join(other)}; all processes of a run need the same versions and see the same folders."
            )


def _settle(run: Opened, recipe: Recipe) -> None:
    """Resolve the settings, note data and settings in the run, and see that there is a catalog."""
    folder = run.folder
    before = resolved_before(folder, recipe)
    is_same = before is not None and same_request(before[0], recipe)
    resolved = before[1] if before is not None and is_same else resolve(recipe, before)
    set_threads(resolved.threads)
    begin_run(folder, run.data)
    try:
        catalog_of(run.data, folder, progress=run.progress)
    except ReweighError:
        abandon(folder)
        raise
    if not is_same:
        write_resolved(folder, recipe, resolved)
