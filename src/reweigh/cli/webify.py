"""`reweigh webify`: from a clean set, one that is like the web, with its truth written down."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from reweigh.cli import console
from reweigh.cli.options import Columns, Labels, Layout, LayoutOptions, NoHash, Output, Tars, layout_options
from reweigh.errors import ReweighError, nearest

FLIPS = ("uniform", "pair")

Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other setting (docs/webify.md lists them), e.g. text_signal=0, duplicates=0.05, near=0.6; or the backbone "
        "of --near confusion, e.g. backbone.name=resnet50. Repeat for more.",
    ),
]


def webify(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="CATALOG", help="A clean catalog; or a folder of images, a table, a run.", show_default=False
        ),
    ],
    output: Output = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="What is drawn; the same seed gives the same bytes.")] = 0,
    near: Annotated[
        str,
        typer.Option(
            "--near",
            metavar="WAY",
            help="Which classes are near: wordnet, confusion (of held-out predictions), order, a FILE.npy with similarities, "
            "or auto, the first of these that is possible.",
        ),
    ] = "auto",
    pool: Annotated[
        int | None,
        typer.Option("--pool", metavar="N", help="Put N classes aside; their images are those out of the set. [0]"),
    ] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", metavar="SHARE", help="Share of wrong labels, 0 to 1. [0.4]")
    ] = None,
    ratio: Annotated[
        float | None, typer.Option("--ratio", metavar="R", help="Largest class over smallest, 1 or more. [10]")
    ] = None,
    n_max: Annotated[
        int | None,
        typer.Option("--n-max", metavar="N", help="Images of the largest class. [the most that the images allow]"),
    ] = None,
    corruption: Annotated[
        str | None,
        typer.Option(
            "--corruption",
            metavar="KIND",
            help="Flip labels and do nothing else: uniform, pair (to the next class), or a matrix FILE.npy or FILE.csv.",
        ),
    ] = None,
    keep: Annotated[
        Literal["side"] | None,
        typer.Option("--keep", help="Keep images, text, ranks and sources as they are; make only labels wrong."),
    ] = None,
    changes: Changes = None,
    layout: Layout = None,
    column: Columns = None,
    tar: Tars = None,
    labels: Labels = None,
    option: LayoutOptions = None,
    no_hash: NoHash = False,
) -> None:
    """Make a clean set like the web: wrong labels of known kinds, uneven classes, ranks, side text. The truth is written down.

    Wrong labels are **near** (an image of a similar class), **far** (of another one) or **out of set** (of none; give
    `--pool`). Test images stay as they are. Images are not copied: the new catalog points to them.

    `reweigh webify clean.catalog -o web.catalog --pool 8`, then `reweigh run web.catalog` measures against the truth.
    """
    from reweigh.runs.source import Source
    from reweigh.runs.webified import read_settings, run_webify

    matrix = Path(corruption) if corruption is not None and corruption not in FLIPS else None
    if matrix and matrix.suffix not in (".npy", ".csv"):
        raise ReweighError(
            f"No corruption {corruption!r}; there are: uniform, pair, or a matrix FILE.npy or FILE.csv.{nearest(str(corruption), FLIPS)}"
        )
    settings, others = read_settings(
        changes or [], n_max=n_max, ratio=ratio, noise=noise, pool_classes=pool, keep_side=True if keep else None,
        corruption="matrix" if matrix else corruption,
    )  # fmt: skip
    name = data.resolve().stem if data.is_file() else data.resolve().name.removesuffix(".catalog")
    target = output or Path(f"{name}.web.catalog")
    source = Source(path=data, layout=layout, options=layout_options(column, tar, labels, no_hash, option))
    with console.watched() as progress:
        made = run_webify(
            source, target, settings, seed=seed, near=near, matrix=matrix, changes=others, progress=progress
        )
    console.table(made.summary)
    console.say(f"catalog: {target}")
