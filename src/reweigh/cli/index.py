"""`reweigh index`: images, labels and text of any layout into one catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reweigh.cli import console
from reweigh.cli.options import Columns, Labels, Layout, LayoutOptions, NoHash, Output, Tars, layout_options


def index(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="A folder of images, a table, or a data set as published.", show_default=False
        ),
    ],
    layout: Layout = None,
    output: Output = None,
    column: Columns = None,
    tar: Tars = None,
    labels: Labels = None,
    option: LayoutOptions = None,
    extend: Annotated[
        Path | None,
        typer.Option(
            "--extend",
            metavar="OLD",
            help="A catalog of the same source from earlier: list what changed, keep its features.",
            show_default=False,
        ),
    ] = None,
    wordnet: Annotated[
        bool,
        typer.Option(
            "--wordnet",
            metavar="",
            help="Classes without a synset get the first noun sense of their name; which is said, and kept.",
        ),
    ] = False,
    no_hash: NoHash = False,
) -> None:
    """Read SOURCE into a catalog: what every other command works on. Its form is recognised, and said.

    - A **folder**: `train/`, `val/`, `test/` with a folder a class, or just a folder a class.
    - A **table**: CSV, JSON-lines or Parquet with the columns file, label, split, title, tags, source, rank, ...;
      columns of other names by `--column verified_label=checked`; images inside a tar by `--tar images.tar`.
    - A **known data set** as its authors publish it: WebVision, Clothing1M, Food-101N, ImageNet, CIFAR-N and more
      (docs/data.md); what they take by `--option subset=mini`.
    - The same source **later**: `--extend OLD.catalog` lists what came, went and changed, and keeps features.
    """
    from reweigh.catalog.summary import summarize
    from reweigh.catalog.tables import is_catalog
    from reweigh.layouts.table_of_layouts import index as index_source
    from reweigh.layouts.table_of_layouts import recognise
    from reweigh.runs.extended import extend as extended_catalog
    from reweigh.runs.extended import summarize as differences

    target = output or Path(f"{source.resolve().stem if source.is_file() else source.resolve().name}.catalog")
    with console.watched() as progress:
        options = layout_options(column, tar, labels, no_hash, option) | ({"wordnet": True} if wordnet else {})
        if layout is None and extend is None and source.exists() and not is_catalog(source):
            layout, recognition = recognise(source)
            console.tell(f"layout: {layout}, {recognition.certainty.name.lower()}: {recognition.signs}")
        if extend is not None:
            extended = extended_catalog(source, extend, target, layout=layout, options=options, progress=progress)
            catalog, lines = extended.catalog, differences(extended)
        else:
            catalog, lines = index_source(source, target, layout=layout, options=options, progress=progress), []
    console.table([*summarize(catalog), *lines])
    console.say(f"catalog: {target}")
