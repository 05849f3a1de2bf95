"""`reweigh export`: verdicts, or the model, in files that other tools open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reweigh.cli import console
from reweigh.cli.report import Run


def export(
    run: Run,
    to: Annotated[
        str,
        typer.Option("--to", metavar="csv|cleanlab|fiftyone|folder|onnx", help="The form.", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="Where to write; here, named after the run, where not said.",
            show_default=False,
        ),
    ] = None,
    correct: Annotated[
        bool,
        typer.Option("--correct", metavar="", help="folder: put flagged images into the class suggested, not apart."),
    ] = False,
) -> None:
    """Write the verdicts of a run or check for another tool, or as a corrected copy of the data made of links; or its model.

    **csv**: one table for a spreadsheet. **cleanlab**: its table of label issues, with labels and held-out probabilities.
    **fiftyone**: a data set to import and look at. **folder**: a folder a class with links to the images whose labels are kept,
    and the wrong ones apart, by label given and label suggested. **onnx**: the run's model as one file, checked against onnxruntime.
    Nothing of the data or the run is changed.

    Example: **reweigh export reweigh-PHOTOS --to folder -o corrected**
    """  # fmt: skip
    from reweigh.runs.exports.table_of_exports import export as write

    with console.watched() as progress:
        made = write(run, to, output, correct=correct, progress=progress)
    console.table(made.lines)
    for line in made.notes:
        console.tell(f"note: {line}")
    console.say(f"written: {made.output}")
    for line in made.open_with:
        console.say(f"  {line}")
