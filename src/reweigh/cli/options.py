"""Options that several commands share, written once so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reweigh.errors import ReweighError

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="A folder of images, a table (.csv, .jsonl, .parquet), a catalog, or a run.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Where to write.", show_default=False)
]
Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe", metavar="NAME|FILE", help="A recipe by name, or a TOML file; where not said, that of DATA where it is a run, else `auto`.",
        show_default=False,
    ),
]  # fmt: skip
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, e.g. backbone.name=resnet50. Repeat for more."),
]
Plan = Annotated[
    bool, typer.Option("--plan", metavar="", help="Print images, memory, disk and time, and stop before any work.")
]
NoPreview = Annotated[
    bool, typer.Option("--no-preview", metavar="", help="Leave out the first look at 2,000 images before long work.")
]
Cache = Annotated[
    Path | None, typer.Option("--cache", metavar="FOLDER", help="Keep features here instead of in the catalog.")
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="NAME",
        help="Form of the data: folder, table, cifar-n, ... (docs/data.md). Recognised where not said.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="OURS=THEIRS",
        help="Table: read our column from theirs, e.g. verified_label=checked. Repeat for more.",
    ),
]
Tars = Annotated[
    list[Path] | None,
    typer.Option("--tar", metavar="FILE", help="Table: the images are members of this tar. Repeat for more."),
]
Labels = Annotated[
    str | None,
    typer.Option("--labels", metavar="SET", help="CIFAR-N: worse, aggre, random1, random2, random3, noisy or clean."),
]
LayoutOptions = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="An option of the layout (docs/data.md). Repeat for more."),
]
NoHash = Annotated[
    bool,
    typer.Option("--no-hash", metavar="", help="Do not read the images' bytes: faster, but duplicates are not found."),
]


def layout_options(
    columns: list[str] | None,
    tars: list[Path] | None,
    labels: str | None,
    no_hash: bool,
    others: list[str] | None = None,
) -> dict[str, Any]:
    """The layout's options from the command line, only those that were given."""
    options: dict[str, Any] = {}
    if columns:
        options["columns"] = dict(
            _pair(text, "--column OURS=THEIRS, such as verified_label=verified") for text in columns
        )
    if tars:
        options["tar"] = [str(path) for path in tars]
    if labels:
        options["labels"] = labels
    if no_hash:
        options["hash"] = False
    for text in others or []:
        name, value = _pair(text, "--option NAME=VALUE, such as labels=noisy")
        options[name] = value
    return options


def _pair(text: str, form: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not equals or not ours or not theirs:
        option, _, example = form.partition(" ")
        raise ReweighError(f"{option} takes {example}; found {text!r}.")
    return ours, theirs


Views = Annotated[
    str,
    typer.Option(
        "--views", metavar="NAME", help="Views of each image: center, flip (2), five, ten, dense (18); their probabilities are averaged."
    ),
]  # fmt: skip
Scales = Annotated[
    str, typer.Option("--scales", metavar="S,S", help="Scales that the views are taken at, such as 1,1.14; 1 is the usual one.")
]  # fmt: skip


def scale_numbers(text: str) -> tuple[float, ...]:
    """`1,1.14` as numbers. Raises ReweighError for anything else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as cause:
        raise ReweighError(f"--scales takes numbers with commas between, such as 1,1.14; found {text!r}.") from cause
