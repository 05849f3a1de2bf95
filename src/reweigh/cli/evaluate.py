"""`reweigh evaluate`: a run's model on its own test images, or on another data set of the same classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reweigh.cli import console
from reweigh.cli.report import Run


def evaluate(
    run: Run,
    on: Annotated[
        Path | None,
        typer.Option("--on", metavar="DATA", help="Another folder, table or catalog with the same classes."),
    ] = None,
) -> None:
    """Measure a run's model: top-1, top-5, averaged over classes, with 95 % intervals.

    Where right labels are known, also how well the weights and each factor find the wrong ones.
    """
    from reweigh.runs.evaluated import evaluate_run
    from reweigh.runs.measured import QUALITY_HEADER, quality_lines

    with console.watched() as progress:
        result = evaluate_run(run, on, progress=progress)
    console.table(result.lines, header=result.header)
    for title, rows in quality_lines(result.metrics):
        console.say("")
        console.table(rows, header=QUALITY_HEADER, title=title)
    for line in result.notes:
        console.tell(f"note: {line}")
