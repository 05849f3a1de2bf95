"""`reweigh run`: from data to a classifier, figures and a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reweigh.cli import console
from reweigh.cli.options import Columns, Data, Labels, Layout, NoHash, Output, Tars, layout_options
from reweigh.recipes import DEFAULT_RECIPE

if TYPE_CHECKING:
    from reweigh.runs.recipe import Recipe as Settings
    from reweigh.runs.source import Source

Recipe = Annotated[str, typer.Option("--recipe", metavar="NAME|FILE", help="A recipe by name, or a TOML file.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, e.g. backbone.name=resnet50. Repeat for more."),
]


def run(
    data: Data,
    recipe: Recipe = DEFAULT_RECIPE,
    output: Output = None,
    changes: Set = None,
    plan: Annotated[
        bool, typer.Option("--plan", metavar="", help="Print images, memory, disk and time, and stop before any work.")
    ] = False,
    redo: Annotated[
        str | None,
        typer.Option(
            "--redo", metavar="STAGE", help="Make a stage anew: features, evidence, weights, training, metrics."
        ),
    ] = None,
    no_preview: Annotated[
        bool,
        typer.Option("--no-preview", metavar="", help="Leave out the first look at 2,000 images before long work."),
    ] = False,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="FOLDER", help="Keep features here instead of in the catalog.")
    ] = None,
    layout: Layout = None,
    column: Columns = None,
    tar: Tars = None,
    labels: Labels = None,
    no_hash: NoHash = False,
) -> None:
    """Index, extract features, gather evidence on every label, weigh, train, evaluate, and write a page.

    The recipe `auto` pools all evidence that the data allows and balances the classes; `baseline` weighs nothing;
    `balance` and `curriculum` are there too.

    The same command in the same folder goes on where it stopped and repeats nothing. Where DATA has no test images,
    10 % of each class are set aside. *Agreement* is against the labels given; *accuracy* only against checked ones.
    """
    from reweigh.runs.recipe import read_recipe
    from reweigh.runs.source import Source

    source = Source(path=data, layout=layout, options=layout_options(column, tar, labels, no_hash))
    requested = read_recipe(recipe, changes or [])
    if plan:
        _show_plan(source, requested, output)
        return
    from reweigh.runs.run import run as run_recipe

    with console.watched() as progress:
        result = run_recipe(
            source, requested, output=output, redo=redo, preview=not no_preview, cache=cache, progress=progress, say=console.tell
        )  # fmt: skip
    console.results(result.header, result.lines, result.notes, result.run)


def _show_plan(source: Source, requested: Settings, output: Path | None) -> None:
    from reweigh.runs.plan import plan_run

    with console.watched() as progress:
        made = plan_run(source, requested, output=output, progress=progress)
    console.table(made.lines())
