"""`reweigh evaluate`: a run's model on its own test images or on other data; or how good its verdicts are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reweigh.cli import console
from reweigh.cli.options import Scales, Views, scale_numbers
from reweigh.cli.report import Run
from reweigh.errors import ReweighError


def evaluate(
    run: Run,
    on: Annotated[
        Path | None,
        typer.Option(
            "--on",
            metavar="DATA",
            help="Another folder, table or catalog with the same classes, matched by synset, then by name.",
        ),
    ] = None,
    views: Views = "center",
    scales: Scales = "1",
    allow_unmatched: Annotated[
        bool,
        typer.Option(
            "--allow-unmatched",
            metavar="",
            help="Leave out images of classes that the model does not know, and count them.",
        ),
    ] = False,
    detection: Annotated[
        bool,
        typer.Option("--detection", help="Measure the verdicts on labels instead, where right answers are known."),
    ] = False,
) -> None:
    """Measure a run's model: top-1, top-5, averaged over classes, with 95 % intervals.

    Where right labels are known, also how well the weights and each factor find the wrong ones. With --detection: how
    good the verdicts are, beside plain argmax != label; the figures go to RUN/detection.json.
    """
    if on is None and (views, scales) != ("center", "1"):
        raise ReweighError(
            "--views and --scales need --on DATA: the figures on the run's own test images are stored as they are."
        )
    if on is None and allow_unmatched:
        raise ReweighError("--allow-unmatched needs --on DATA: a run's own classes are all its model's.")
    if detection:
        _detection(run, on)
        return
    from reweigh.runs.evaluated import evaluate_run
    from reweigh.runs.measured import QUALITY_HEADER, quality_lines

    with console.watched() as progress:
        result = evaluate_run(
            run, on, views=views, scales=scale_numbers(scales), allow_unmatched=allow_unmatched, progress=progress
        )
    console.table(result.lines, header=result.header)
    for title, rows in quality_lines(result.metrics):
        console.say("")
        console.table(rows, header=QUALITY_HEADER, title=title)
    for line in result.notes:
        console.tell(f"note: {line}")


def _detection(run: Path, on: Path | None) -> None:
    from reweigh.runs.detection import DETECTION, evaluate_detection
    from reweigh.runs.detection_lines import HEADER, detection_notes, detection_tables

    with console.watched():
        quality = evaluate_detection(run, on)
    for title, rows in detection_tables(quality):
        console.table(rows, header=HEADER, title=title)
        console.say("")
    console.say(f"figures: {run / DETECTION}")
    for line in detection_notes(quality):
        console.tell(f"note: {line}")
