"""Stages: functions from what they read to files, done once, whole or not at all, and skipped while nothing they read changes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reweigh.errors import ReweighError, nearest
from reweigh.ranks import ALONE, Ranks, agreed, together
from reweigh.whole_files import read_json, whole_folder, write_json

MARK = "hash"
"""The file in a workspace that says which hash its unfinished work is of."""
STAGES = ("01-features", "02-evidence", "03-verdicts", "03-weights", "03-targets", "04-training", "05-metrics")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a run: its folder's name, all that it reads, and what it writes."""

    name: str
    """Name of its folder, such as 03-weights, or 02-evidence/held_out for a part of one."""
    reads: Mapping[str, Any]
    """All that its result depends on, as JSON: settings, keys and hashes of inputs, and a version of the step itself."""
    make: Callable[[Path, Path], list[str]]
    """make(folder, workspace) writes files into `folder` and returns notes for the user; what it leaves in `workspace`
    is there again after a kill, as long as nothing it reads has changed."""
    is_shared: bool = False
    """Whether all ranks call `make`, each doing its part; else rank 0 alone does."""


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A stage that is whole on disk."""

    folder: Path
    hash: str
    notes: tuple[str, ...]
    reused: bool


def hash_of(value: Any) -> str:
    """Hash of a JSON-able value, the same for equal values whatever the order of their keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def complete(stage: Stage, run: Path, earlier: Sequence[Path] = (), *, ranks: Ranks = ALONE) -> Completed:
    """The stage in its folder below `run`: as it stands where all that it read is unchanged, else made now.

    `earlier`: folders where the same stage may be finished already; it is used from there.
    A killed stage leaves NAME.partial (emptied) and NAME.work (kept while the hash is the same), never a half NAME.
    All ranks call this and return the same; rank 0 looks, makes room and puts the folder in its place.
    """
    key = hash_of({"stage": stage.name, **stage.reads})
    if not ranks.is_first:
        return _followed(stage, run, earlier, key, ranks)
    folder = run / stage.name
    for place in (run, *earlier):
        done = _finished(place / stage.name, key)
        if done is not None:
            agreed(ranks, {"is_done": True})
            return done
    if folder.exists():
        shutil.rmtree(folder)
    workspace = _workspace(run / f"{stage.name}.work", key)
    try:
        with whole_folder(folder) as partial:
            agreed(ranks, {"is_done": False, "partial": str(partial), "workspace": str(workspace)})
            with together(ranks):
                notes = stage.make(partial, workspace)
            write_json(partial / "stage.json", {"hash": key, "notes": notes, "reads": dict(stage.reads)})
    except ReweighError:
        if {path.name for path in workspace.iterdir()} == {MARK}:  # nothing to go on from
            shutil.rmtree(workspace)
        raise
    shutil.rmtree(workspace)
    agreed(ranks, {"is_done": True})
    return Completed(folder=folder, hash=key, notes=tuple(notes), reused=False)


def _followed(stage: Stage, run: Path, earlier: Sequence[Path], key: str, ranks: Ranks) -> Completed:
    """The stage on another rank than 0: its part of it where it is shared, and the finished folder."""
    told = agreed(ranks, None)
    if not told["is_done"]:
        with together(ranks):
            if stage.is_shared:
                stage.make(Path(told["partial"]), Path(told["workspace"]))
        agreed(ranks, None)
    found = [_finished(place / stage.name, key) for place in (run, *earlier)]
    done = next((one for one in found if one is not None), None)
    if done is None:
        raise ReweighError(
            f"Rank {ranks.rank} does not see {run / stage.name}, which rank 0 has made: all processes need the same folders and settings."
        )
    return done


def unfinished(stage: Stage, run: Path, *, holds: str) -> bool:
    """Whether the stage's workspace has work named like the pattern `holds` in it that is of another hash."""
    workspace = run / f"{stage.name}.work"
    mark = workspace / MARK
    is_other = mark.is_file() and mark.read_text() != hash_of({"stage": stage.name, **stage.reads})
    return is_other and any(workspace.rglob(holds))


def forget(run: Path, name: str) -> None:
    """Remove a finished stage, of all rounds and models, so that it is made anew; the stages after it follow, as they read its hash.

    `name` as `stage_named` takes it.
    """
    found = stage_named(name)
    for place in (run, *run.glob("round-*"), *run.glob("models/*")):
        for folder in (place / found, place / f"{found}.work"):
            if folder.exists():
                shutil.rmtree(folder)


def stage_named(name: str) -> str:
    """The stage's folder by its name, or by its word without the number. Raises ReweighError for any other name."""
    words = {stage.split("-", 1)[1]: stage for stage in STAGES}
    found = words.get(name, name)
    if found not in STAGES:
        raise ReweighError(f"No stage named {name!r}; there are: {', '.join(words)}.{nearest(name, words)}")
    return found


def _finished(folder: Path, key: str) -> Completed | None:
    record = folder / "stage.json"
    if not record.is_file():
        return None
    stored = read_json(record)
    if stored["hash"] != key:
        return None
    return Completed(folder=folder, hash=key, notes=tuple(stored["notes"]), reused=True)


def _workspace(folder: Path, key: str) -> Path:
    """The folder for unfinished work of exactly this hash; older work of another hash is thrown away."""
    mark = folder / MARK
    if folder.exists() and (not mark.is_file() or mark.read_text() != key):
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True, parents=True)
    mark.write_text(key)
    return folder
