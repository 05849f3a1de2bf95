"""The command `reweigh`: its commands in one table, and one line for whatever the user can mend."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from reweigh import __version__
from reweigh.cli import demo, evaluate, index, predict, report, run
from reweigh.errors import ReweighError

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "index": index.index,
    "run": run.run,
    "report": report.report,
    "evaluate": evaluate.evaluate,
    "predict": predict.predict,
}

app = typer.Typer(
    name="reweigh",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(epilog="Start with **reweigh demo** (nothing to download), then **reweigh run PHOTOS**.")
def reweigh(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Learn image classifiers from noisily labelled web images: see what is wrong, train, and get a page to show."""
    if version:
        print(__version__)
        raise typer.Exit


for name, command in COMMANDS.items():
    app.command(name)(command)


def main() -> None:
    """Run the command line; a ReweighError becomes one line and exit status 2, a full disk one line and 1."""
    try:
        app()
    except ReweighError as error:
        _stop(f"error: {error}", status=2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = error.filename or "while writing"
        _stop(f"error: no space left on the disk ({where}); free some and run the same command again.", status=1)


def _stop(message: str, *, status: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(status)
