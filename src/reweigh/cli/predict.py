"""`reweigh predict`: labels and probabilities for new images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reweigh.cli import console
from reweigh.cli.options import Scales, Views, scale_numbers
from reweigh.cli.report import Run


def predict(
    run: Run,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="An image, a folder, a list of paths (.txt), a tar or a catalog.", show_default=False
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="A table: .csv or .parquet.")] = Path(
        "predictions.csv"
    ),
    split: Annotated[
        str | None,
        typer.Option(
            "--split", metavar="NAME", help="Of a catalog: its train, val or test images only; test for --submission."
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes an image, best first.")] = 5,
    views: Views = "center",
    scales: Scales = "1",
    probabilities: Annotated[
        Path | None,
        typer.Option(
            "--probabilities", metavar="FOLDER", help="Keep the probabilities of all classes, for `ensemble`."
        ),
    ] = None,
    top_m: Annotated[
        int | None, typer.Option("--top-m", min=1, help="Keep only so many of each image, the largest.")
    ] = None,
    submission: Annotated[
        Path | None,
        typer.Option(
            "--submission", metavar="FILE", help="Write WebVision's form too: name, five class numbers; .txt or .zip."
        ),
    ] = None,
) -> None:
    """Predict new images with a run's model, into a table: file, label, probability, then the next best classes.

    With --views, each image is seen several times and the probabilities are averaged; that takes as many times as long.
    """
    from reweigh.runs.predicted import Asked, predict_images

    asked = Asked(
        top=top, views=views, scales=scale_numbers(scales), probabilities=probabilities, top_m=top_m, submission=submission,
        split=split,
    )  # fmt: skip
    with console.watched() as progress:
        summary = predict_images(run, path, output, asked, progress=progress)
    console.table(summary.lines)
    console.say(f"predictions: {output}")
