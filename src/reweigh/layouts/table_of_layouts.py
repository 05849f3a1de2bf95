"""The table of layouts, and `index`: a source of any of them into a catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from reweigh.catalog.tables import Catalog, is_catalog
from reweigh.errors import ReweighError, look_up
from reweigh.layouts.cifar_n import index_cifar_n, is_cifar_n
from reweigh.layouts.folder import index_folder, is_folder_layout
from reweigh.layouts.table import index_table, is_table_layout
from reweigh.progress import Progress, silent


@dataclass(frozen=True)
class LayoutInfo:
    """A data set's form: how to index it, how to recognise it, and which options it takes."""

    description: str
    index: Callable[..., Catalog]
    """index(source, output, options, *, progress) -> Catalog"""
    is_layout: Callable[[Path], bool]
    options: tuple[str, ...] = ()


LAYOUTS: dict[str, LayoutInfo] = {
    "cifar-n": LayoutInfo("CIFAR-10 with CIFAR-10N's labels", index_cifar_n, is_cifar_n, ("labels", "hash")),
    "table": LayoutInfo("a CSV, JSON-lines or Parquet file", index_table, is_table_layout, ("columns", "tar", "hash")),
    "folder": LayoutInfo("a folder a class, in train, val and test or not", index_folder, is_folder_layout, ("hash",)),
}
"""In the order in which a source is asked whether it is one; third parties add theirs by the entry point reweigh.layouts."""


def index(
    source: Path | str,
    output: Path | str,
    *,
    layout: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Catalog:
    """Index `source` into a new catalog at `output`. layout None: recognised from what lies there.

    Options: `columns` {ours: theirs} and `tar` [paths] (table), `labels` (cifar-n), `hash` (False: bytes are not read).
    Raises ReweighError in one line for whatever does not fit; nothing half-written is left.
    """
    source, output, options = Path(source).resolve(), Path(output), dict(options or {})
    if "tar" in options:
        options["tar"] = [str(path) for path in options["tar"]]
    if not source.exists():
        raise ReweighError(f"No data at {source}: looked for a folder of images or a table; nothing is there.")
    if is_catalog(source):
        raise ReweighError(f"{source} is a catalog already; use it as it is.")
    if output.exists():
        raise ReweighError(f"{output} exists; a catalog is never rewritten in place. Give another -o, or remove it.")
    name = layout or recognise(source)
    info = LAYOUTS.get(name) or _third_party(name)
    for option in options:
        if option not in info.options:
            raise ReweighError(
                f"Layout {name} takes no {option!r}; it takes: {', '.join(info.options) or 'no option'}."
            )
    return info.index(source, output, options, progress=progress)


def recognise(source: Path) -> str:
    """The layout of what lies there. Raises ReweighError that says what was looked for."""
    for name, info in LAYOUTS.items():
        if info.is_layout(source):
            return name
    if source.is_dir():
        return "folder"  # whose reader says what is missing in it
    raise ReweighError(
        f"{source} is no form that is known: looked for {'; '.join(info.description for info in LAYOUTS.values())}."
    )


def _third_party(name: str) -> LayoutInfo:
    found = {entry.name: entry for entry in metadata.entry_points(group="reweigh.layouts")}
    if name not in found:
        look_up(name, {**LAYOUTS, **found}, kind="layout")
    return found[name].load()
