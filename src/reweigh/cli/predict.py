"""`reweigh predict`: labels and probabilities for new images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reweigh.cli import console
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
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes an image, best first.")] = 5,
) -> None:
    """Predict new images with a run's model, into a table: file, label, probability, then the next best classes."""
    from reweigh.runs.predicted import predict_images

    with console.watched() as progress:
        summary = predict_images(run, path, output, top=top, progress=progress)
    console.table(summary.lines)
    console.say(f"predictions: {output}")
