"""What DATA is: a run, a catalog, or something to index first; and where its run goes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reweigh.catalog.tables import Catalog, is_catalog, open_catalog
from reweigh.errors import ReweighError
from reweigh.layouts.table_of_layouts import index
from reweigh.progress import Progress, silent
from reweigh.whole_files import read_json


@dataclass(frozen=True, kw_only=True)
class Source:
    """DATA as the user named it, with how to index it where that is needed."""

    path: Path
    """A folder of images, a table, a catalog or a run."""
    layout: str | None = None
    """The layout's name; None: recognised."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The layout's options."""


def is_run(path: Path) -> bool:
    """Whether the folder is a run."""
    return (path / "run.json").is_file()


def output_of(source: Source, output: Path | None) -> Path:
    """Where the run goes: `output`; the run itself where DATA is one; else ./reweigh-<name of DATA>."""
    if output is not None:
        return output
    if is_run(source.path):
        return source.path
    name = source.path.resolve().name.removesuffix(".catalog")
    return Path(f"reweigh-{Path(name).stem if source.path.is_file() else name}")


def original(source: Source) -> Source:
    """DATA itself: where it is a run, the data of that run."""
    if not source.path.exists():
        raise ReweighError(
            f"No data at {source.path}: looked for a folder of images, a table, a catalog or a run; nothing is there."
        )
    if not is_run(source.path):
        return source
    stored = read_json(source.path / "run.json")["data"]
    data = Path(stored["path"])
    if not data.exists():
        raise ReweighError(f"The run {source.path} was made from {data}, which is not there any more.")
    return Source(path=data, layout=stored["layout"], options=stored["options"])


def catalog_of(source: Source, run: Path, *, progress: Progress = silent) -> Catalog:
    """The catalog of DATA: itself where it is one, else RUN/catalog, indexed now unless it is there."""
    if is_catalog(source.path):
        return open_catalog(source.path)
    if is_catalog(run / "catalog"):
        return open_catalog(run / "catalog")
    return index(source.path, run / "catalog", layout=source.layout, options=dict(source.options), progress=progress)


def state_of(source: Source, *, run: Path | None = None) -> str:
    """Hash of the names, sizes and times of the files of DATA, to notice that it changed since it was indexed.

    Runs and catalogs inside of DATA (`reweigh run .` makes one, `run`) and hidden files are no part of it.
    """
    digest = hashlib.blake2b(digest_size=16)
    if is_catalog(source.path):
        digest.update(open_catalog(source.path).fingerprint.encode())
    elif source.path.is_file():
        _add(digest, source.path.name, source.path.stat())
    else:
        _add_folder(digest, source.path.resolve(), "", run=None if run is None else run.resolve())
    return digest.hexdigest()


def _add_folder(digest: Any, folder: Path, prefix: str, *, run: Path | None) -> None:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                inner = Path(entry.path)
                if inner != run and not is_run(inner) and not is_catalog(inner):
                    _add_folder(digest, inner, f"{prefix}{entry.name}/", run=run)
            elif entry.is_file():
                _add(digest, f"{prefix}{entry.name}", entry.stat())


def _add(digest: Any, name: str, status: os.stat_result) -> None:
    digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
