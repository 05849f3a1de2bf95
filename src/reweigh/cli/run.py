"""`reweigh run`: from data to a classifier, figures and a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reweigh.cli import console
from reweigh.cli.options import (
    Cache,
    Columns,
    Data,
    Labels,
    Layout,
    LayoutOptions,
    NoHash,
    NoPreview,
    Output,
    Plan,
    Recipe,
    Set,
    Tars,
    layout_options,
)
from reweigh.ranks import joined, ranks_of_environment, together

if TYPE_CHECKING:
    from reweigh.runs.recipe import Recipe as Settings
    from reweigh.runs.source import Source


def run(
    data: Data,
    recipe: Recipe = None,
    output: Output = None,
    changes: Set = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="KEY=VALUE",
            help="A further model on the same weights, changed so; 'backbone.name=resnet50 seed=1' changes two settings. Repeat for more.",
        ),
    ] = None,
    plan: Plan = False,
    redo: Annotated[
        str | None,
        typer.Option(
            "--redo",
            metavar="STAGE",
            help="Make a stage anew: features, evidence, verdicts, weights, targets, training, metrics.",
        ),
    ] = None,
    no_preview: NoPreview = False,
    cache: Cache = None,
    layout: Layout = None,
    column: Columns = None,
    tar: Tars = None,
    labels: Labels = None,
    option: LayoutOptions = None,
    no_hash: NoHash = False,
) -> None:
    """Index, extract features, gather evidence on every label, weigh, train, evaluate, and write a page.

    The recipe `auto` pools all evidence that the data allows and balances the classes; `baseline` weighs nothing;
    `balance`, `curriculum`, `urnet` (URNet's pieces in the readings that help) and `urnet_paper` (as printed) are there too;
    `finetune` trains the network itself on the images, with the weights of `auto`, where the others train a linear head on
    its features. `--plan` says what that costs. Several GPUs or machines:
    `torchrun --nproc-per-node 4 -m reweigh run ...`.

    The same command in the same folder goes on where it stopped and repeats nothing; after `reweigh check` it goes on from
    there; where DATA is a run, `--set` changes its settings. Where DATA has no test images, 10 % of each class are set
    aside. *Agreement* is against the labels given; *accuracy* only against checked ones.
    """
    from reweigh.runs.opening import recipe_for
    from reweigh.runs.source import Source

    with joined(ranks := ranks_of_environment()):
        with together(ranks):
            source = Source(path=data, layout=layout, options=layout_options(column, tar, labels, no_hash, option))
            requested = recipe_for(source, recipe, changes or [], output, model or [])
        if plan:
            with together(ranks):
                if ranks.is_first:
                    show_plan(source, requested, output)
            return
        from reweigh.runs.run import run as run_recipe

        with console.watched(is_shown=ranks.is_first) as progress:
            result = run_recipe(
                source, requested, output=output, redo=redo, preview=not no_preview, cache=cache, progress=progress, say=console.tell,
                ranks=ranks,
            )  # fmt: skip
    if ranks.is_first:
        console.results(result.header, result.lines, result.notes, result.run)


def show_plan(source: Source, requested: Settings, output: Path | None, *, is_trained: bool = True) -> None:
    """Print what the work will cost."""
    from reweigh.runs.plan import plan_run

    with console.watched() as progress:
        made = plan_run(source, requested, output=output, is_trained=is_trained, progress=progress)
    console.table(made.lines(is_trained=is_trained))
