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
    """Measure a run's model: top-1, top-5, averaged over classes, with 95 % intervals."""
    from reweigh.runs.evaluated import evaluate_run

    with console.watched() as progress:
        result = evaluate_run(run, on, progress=progress)
    console.table(result.lines, header=result.header)
    for line in result.notes:
        console.tell(f"note: {line}")
