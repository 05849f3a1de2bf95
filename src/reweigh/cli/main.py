"""The command `reweigh`: its commands in one table, and one line for whatever the user can mend."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from reweigh import __version__
from reweigh.cli import check, demo, ensemble, evaluate, export, index, predict, report, run, webify
from reweigh.errors import ReweighError, one_line
from reweigh.ranks import ALONE, SharedError, ranks_of_environment

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "index": index.index,
    "check": check.check,
    "run": run.run,
    "report": report.report,
    "evaluate": evaluate.evaluate,
    "predict": predict.predict,
    "ensemble": ensemble.ensemble,
    "export": export.export,
    "webify": webify.webify,
}

SHARED = ("run", "check")
"""Commands that several processes may work on together."""
PLACE = "give a place that you may read and write"
NOT_ALLOWED = {
    errno.EACCES: PLACE, errno.EPERM: PLACE, errno.EROFS: PLACE, errno.ENAMETOOLONG: "no file can have that name",
    errno.ELOOP: "it is a link that leads to itself",
}  # fmt: skip
"""Answers of the operating system that are about the user's files, not about this program, and what they mean."""

app = typer.Typer(
    name="reweigh",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(is_asked: bool) -> None:
    """Print the version and stop; eager, so that no command has to be named beside it."""
    if is_asked:
        print(__version__)
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", metavar="", help="Print the version and stop.", callback=print_version, is_eager=True),
]


@app.callback(epilog="Start with **reweigh demo** (nothing to download), then **reweigh check PHOTOS**.")
def reweigh(context: typer.Context, version: Version = False) -> None:
    """Learn image classifiers from noisily labelled web images: see what is wrong, train, and get a page to show."""
    command = context.invoked_subcommand
    if command not in SHARED and (ranks := ranks_of_environment()) != ALONE:
        raise SharedError(
            f"reweigh {command} is the work of one process, found {ranks.world}; start it without torchrun. Several can share: "
            f"{', '.join(SHARED)}."
        )


for name, command in COMMANDS.items():
    app.command(name)(command)


def main() -> None:
    """Run the command line; a mistake that the user can mend becomes one line and status 2, a full disk one line and 1.

    Anything else is a defect of ours and keeps its traceback.
    """
    try:
        app(prog_name="reweigh")
    except ReweighError as error:
        if isinstance(error, SharedError) and os.environ.get("RANK", "0") != "0":
            sys.exit(2)  # rank 0 of several processes says it for all
        _stop(f"error: {error}", status=2)
    except OSError as error:
        where = error.filename or "while writing"
        if error.errno in NOT_ALLOWED and error.filename:
            _stop(
                one_line(f"error: {where}: {os.strerror(error.errno).lower()}; {NOT_ALLOWED[error.errno]}."), status=2
            )
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _stop(f"error: no space left on the disk ({where}); free some and run the same command again.", status=1)


def _stop(message: str, *, status: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(status)
