"""How the command line shows progress, notes and small tables: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from reweigh.errors import ReweighError, ReweighWarning
from reweigh.progress import Progress, silent

if TYPE_CHECKING:
    from reweigh.runs.check import CheckResult

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def watched(*, is_shown: bool = True) -> Iterator[Progress]:
    """A progress callback for the block: bars on a terminal, a line every ten seconds otherwise, nothing where not shown.

    A stop from the keyboard ends in one line, warnings of ours are printed as notes.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning(warnings.showwarning)
            if not is_shown:
                yield silent
            elif sys.stderr.isatty():
                yield from _bars()
            else:
                yield _lines()
    except KeyboardInterrupt:
        raise ReweighError("Stopped; the same command goes on where it was.") from None


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), title: str = "") -> None:
    """Print a small table to standard output; under a header, columns of numbers after the first are aligned to the right."""
    made = Table(title=title or None, title_justify="left", show_header=bool(header), box=None, padding=(0, 2, 0, 0))
    for column in range(max((len(r) for r in rows), default=0)):
        cells = [row[column] for row in rows if column < len(row)]
        right = bool(header) and column > 0 and all(cell[:1].isdigit() or cell in ("", "-") for cell in cells)
        made.add_column(header[column] if header else "", justify="right" if right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    _console().print(made)


def results(header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], run: Path) -> None:
    """Print what a finished run has to say: its table, its notes, and where model, verdicts and page lie."""
    table(rows, header=header)
    for line in notes:
        tell(f"note: {line}")
    for name, file in (("model", "model"), ("verdicts", "verdicts.csv"), ("report", "report.html")):
        if (run / file).exists():
            say(f"{name}: {run / file}")


def checked(result: CheckResult, seconds: float) -> None:
    """Print what a check has to say: tables, notes, where its files lie, what to do next, and how long it took."""
    table(result.lines)
    for title, header, rows in result.tables:
        say("")
        table(rows, header=header, title=title)
    for line in result.notes:
        tell(f"note: {line}")
    say("")
    for name, what in [*result.files, *(("next", step) for step in result.next_steps)]:
        say(f"{name + ':':<10}{what}")  # not a table: that would break a long path, and it is there to be copied
    tell(f"checked {result.n:,} labelled images in {seconds:.0f} s")


def say(line: str) -> None:
    """Print a line to standard output, as it stands."""
    print(line, flush=True)


def tell(line: str) -> None:
    """Print a note on the work to standard error, so that standard output holds results only."""
    print(line, file=sys.stderr, flush=True)


def _console() -> Console:
    """Data may hold square brackets: nothing in a cell is read as markup; a file gets lines that are not cut at 80."""
    wide = None if sys.stdout.isatty() else 120
    return Console(highlight=False, markup=False, emoji=False, width=wide)


def _show_warning(otherwise):  # type: ignore[no-untyped-def]
    def show(message, category, *rest, **named):  # type: ignore[no-untyped-def]
        if issubclass(category, ReweighWarning):
            tell(f"note: {message}")
        else:
            otherwise(message, category, *rest, **named)

    return show


def _bars() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=Console(stderr=True, markup=False, emoji=False)) as bars:
        tasks = {}

        def progress(stage: str, done: int, total: int | None = None, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, note=note)
            bars.update(tasks[stage], completed=done, total=total, note=note)

        yield progress


def _lines() -> Progress:
    last: dict[str, tuple[float, int]] = {}

    def progress(stage: str, done: int, total: int | None = None, note: str = "") -> None:
        now = time.monotonic()
        before, shown = last.get(stage, (now, -1))
        whole = total is not None and done >= total
        if stage in last and (now - before < SECONDS_BETWEEN_LINES) and not (whole and shown != done):
            return
        if stage not in last and not whole:
            last[stage] = (now, -1)
            return
        last[stage] = (now, done)
        tell(f"{stage}: {done:,}{f' of {total:,}' if total else ''}{f', {note}' if note else ''}")

    return progress
