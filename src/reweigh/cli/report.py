"""`reweigh report`: the page of a run, written anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reweigh.cli import console

Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder, as `reweigh run` makes it.", show_default=False)
]


def report(
    run: Run,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where to write; RUN/report.html where not said."),
    ] = None,
) -> None:
    """Write the page of a finished run: one self-contained HTML file that opens anywhere."""
    from reweigh.runs.page import write_page

    with console.watched() as progress:
        path = write_page(run, output or run / "report.html", progress=progress)
    console.say(f"report: {path}")
