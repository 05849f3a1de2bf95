"""`reweigh demo`: the whole way on handwritten digits, in under a minute and without a download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reweigh.cli import console


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where to write the run.")] = Path(
        "reweigh-demo"
    ),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which labels are made wrong.")] = 0,
) -> None:
    """Show the whole way on scikit-learn's handwritten digits, made like the web: 40 % wrong labels, uneven classes, ranks, text.

    Makes the catalog, then does what `reweigh run` does. As the truth is known here, it can say how often labels and
    predictions are right, how well the weights find what is wrong, and what they gain over the same head without them.
    """
    from reweigh.runs.demo import run_demo

    with console.watched() as progress:
        result = run_demo(output, seed=seed, progress=progress, say=console.tell)
    console.results(result.header, result.lines, result.notes, result.run)
