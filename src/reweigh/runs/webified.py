"""`webify` from the command line's side: the clean catalog found or indexed, its truth, which classes are near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, is_catalog, open_catalog, read_labels
from reweigh.catalog.truth import read_truth
from reweigh.errors import ReweighError, nearest
from reweigh.layouts.table_of_layouts import index
from reweigh.progress import Progress, silent
from reweigh.runs.class_similarity import Asked, class_similarity, glosses_of
from reweigh.runs.recipe import as_toml, read_recipe
from reweigh.runs.source import Source, is_run, original
from reweigh.webify.flips import read_matrix
from reweigh.webify.given import Given
from reweigh.webify.making import Webified, webify
from reweigh.webify.settings import WebifySettings

RECIPE_GROUPS = ("backbone.", "images.", "features.", "evidence.", "probe.")
"""Settings of recipes that the confusion of held-out predictions reads."""


def run_webify(
    source: Source,
    output: Path,
    settings: WebifySettings,
    *,
    seed: int = 0,
    near: str = "auto",
    matrix: Path | None = None,
    changes: Sequence[str] = (),
    progress: Progress = silent,
) -> Webified:
    """A webified catalog at `output` from a clean catalog, run, folder or table.

    near: auto, wordnet, confusion, order, or a file. matrix: the file of `settings.corruption` "matrix". changes: settings
    of the recipe for a confusion, such as backbone.name=resnet50. A source that is no catalog is indexed at
    <output>.source first, and stays there.
    Raises ReweighError for an output that exists, and as `reweigh.webify.making.webify`.
    """
    if output.exists():
        raise ReweighError(f"{output} exists; a catalog is never rewritten in place. Give another -o, or remove it.")
    if near != "auto" and settings.corruption:
        raise ReweighError(f"--near {near} has no part in a corruption, which flips labels by itself; leave one out.")
    recipe = read_recipe("baseline", changes)
    numbers = None if matrix is None else read_matrix(matrix)
    catalog = _clean_catalog(source, output, progress)
    truth, truth_from = known_truth(catalog)
    notes = [("truth", truth_from)]
    similarity = None
    if not settings.corruption:
        asked = Asked(
            catalog=catalog, truth=truth, recipe=recipe, is_backbone_named=any(c.startswith("backbone.") for c in changes),
            seed=seed, progress=progress,
        )  # fmt: skip
        found = class_similarity(asked, near)
        similarity = found.values
        notes.append(("near taken from", found.made_from))
    given = Given(
        catalog=catalog,
        truth=truth,
        similarity=similarity,
        glosses=glosses_of(catalog),
        matrix=numbers,
        notes=tuple(notes),
    )
    return webify(given, output, settings, seed=seed, progress=progress)


def known_truth(catalog: Catalog) -> tuple[NDArray[np.int32], str]:
    """((n,) right classes, below 0 = none or not known; where they come from): the catalog's truth, else its labels."""
    truth = read_truth(catalog)
    if truth is None:
        return read_labels(catalog), "labels taken as the truth"
    return truth, "the catalog's own"


def read_settings(changes: Sequence[str], **given: Any) -> tuple[WebifySettings, list[str]]:
    """(settings of webify, those changes KEY=VALUE that are a recipe's); given: values that have options of their own.

    Raises ReweighError for a key that is neither, and a value that does not fit.
    """
    hints = get_type_hints(WebifySettings)
    values = {name: value for name, value in given.items() if value is not None}
    others = []
    for change in changes:
        key, equals, text = (part.strip() for part in change.partition("="))
        if key.startswith(RECIPE_GROUPS):
            others.append(change)
            continue
        if not equals:
            raise ReweighError(f"--set takes KEY=VALUE, such as text_signal=0; found {change!r}.")
        key = key.removeprefix("webify.")
        if key not in hints:
            there_are = [item.name for item in fields(WebifySettings)]
            raise ReweighError(
                f"No setting {key!r} of webify; there are: {', '.join(there_are)}.{nearest(key, there_are)}"
            )
        if key in values:
            raise ReweighError(f"--set {change}: {key} was given by an option of its own too; give it once.")
        values[key] = _value(text, hints[key], key)
    return WebifySettings(**values), others


def _value(text: str, kind: Any, key: str) -> Any:
    try:
        return msgspec.convert(as_toml(text), kind, strict=True)
    except msgspec.ValidationError as cause:
        raise ReweighError(f"webify.{key} = {text!r} does not fit: {str(cause).split(' - at ')[0]}.") from cause


def _clean_catalog(source: Source, output: Path, progress: Progress) -> Catalog:
    """The catalog that the user named, or that of a run; anything else is indexed beside the new one."""
    if is_run(source.path) and is_catalog(source.path / "catalog"):
        return open_catalog(source.path / "catalog")
    data = original(source)
    if is_catalog(data.path):
        return open_catalog(data.path)
    place = output.with_name(f"{output.name}.source")
    if place.exists():
        raise ReweighError(f"{place} exists, where {data.path} would be indexed; remove it, or give it as CATALOG.")
    return index(data.path, place, layout=data.layout, options=dict(data.options), progress=progress)
