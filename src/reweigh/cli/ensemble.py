"""`reweigh ensemble`: stored predictions of several models put together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reweigh.cli import console


def ensemble(
    members: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="What `reweigh predict --probabilities FOLDER` wrote, two or more.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="A table: .csv or .parquet.")] = Path(
        "ensemble.csv"
    ),
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="W,W", help="Weight of each member, such as 2,1,1; alike by default.")
    ] = None,
    on: Annotated[
        Path | None,
        typer.Option("--on", metavar="CATALOG", help="The catalog that was predicted: measures each member and the ensemble."),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes an image, best first.")] = 5,
    submission: Annotated[
        Path | None,
        typer.Option("--submission", metavar="FILE", help="Write WebVision's form too: name, five class numbers; .txt or .zip."),
    ] = None,
) -> None:  # fmt: skip
    """Put the predictions of several models together: the weighted mean of their probabilities, into a table.

    Models, seeds or sets of views: whatever `reweigh predict RUN DATA --probabilities FOLDER` has stored for the same images and
    classes. With --on, one table says what each of them and all together get right.
    """
    from reweigh.runs.ensembles import put_together, weight_numbers

    made = put_together(
        members, output, weights=weight_numbers(weights), on=on, top=top, submission=submission
    )  # fmt: skip
    console.table(made.lines, header=made.header)
    console.say(f"predictions: {output}")
