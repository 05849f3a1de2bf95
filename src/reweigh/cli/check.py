"""`reweigh check`: which labels are wrong, how many, and what they should be; nothing is trained."""

from __future__ import annotations

import time

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
from reweigh.cli.run import show_plan
from reweigh.ranks import joined, ranks_of_environment, together


def check(
    data: Data,
    recipe: Recipe = None,
    output: Output = None,
    changes: Set = None,
    plan: Plan = False,
    no_preview: NoPreview = False,
    cache: Cache = None,
    layout: Layout = None,
    column: Columns = None,
    tar: Tars = None,
    labels: Labels = None,
    option: LayoutOptions = None,
    no_hash: NoHash = False,
) -> None:
    """Find wrong labels: how many there are, which ones, and what they should be. A folder of images will do.

    Every label is judged by a model that has not seen the image, and by the images that look alike. Printed are the share of
    wrong labels with its range, the classes and confusions that stand out, and where to look first; the page shows the images,
    `verdicts.csv` opens in a spreadsheet. Nothing is trained and nothing of DATA is changed.

    Two classes are the least, some twenty images in each make it worth while. `reweigh run DATA` goes on from here and
    trains; `reweigh export RUN --to folder` writes a corrected copy made of links.

    Example: **reweigh check PHOTOS**, where PHOTOS holds a folder of images for each class.
    """
    from reweigh.runs.opening import recipe_for
    from reweigh.runs.source import Source

    started = time.monotonic()
    with joined(ranks := ranks_of_environment()):
        with together(ranks):
            source = Source(path=data, layout=layout, options=layout_options(column, tar, labels, no_hash, option))
            requested = recipe_for(source, recipe, changes or [], output)
        if plan:
            with together(ranks):
                if ranks.is_first:
                    show_plan(source, requested, output, is_trained=False)
            return
        from reweigh.runs.check import check as check_labels

        with console.watched(is_shown=ranks.is_first) as progress:
            result = check_labels(
                source, requested, output=output, preview=not no_preview, cache=cache, progress=progress, say=console.tell, ranks=ranks
            )  # fmt: skip
    if ranks.is_first:
        console.checked(result, time.monotonic() - started)
