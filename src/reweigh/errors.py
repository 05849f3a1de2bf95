"""What a user can mend, said in one line: what was looked for, what was found, and the likely cause."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

LONGEST = 2000
"""Characters of a message; names that came from data have no end."""


class ReweighError(Exception):
    """A mistake that the user can mend. Its message is one line; the command line prints it without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ReweighWarning(UserWarning):
    """What a caller in Python should know although the result stands; the command line prints it as a note."""


def one_line(text: str) -> str:
    """The text with what would end its line, or steer a terminal, written out; names and values come from anybody's files."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 500]} ... {text[-500:]}"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def nearest(name: str, names: Iterable[str]) -> str:
    """' Did you mean ...?' with the one or two names nearest to `name`, or nothing where none is near."""
    close = difflib.get_close_matches(str(name), list(names), n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def look_up(name: str, table: Mapping[str, T], *, kind: str) -> T:
    """The entry `name` of a table of choices. Raises ReweighError that lists what there is and the nearest name."""
    if name in table:
        return table[name]
    there_are = ", ".join(table) or "none"
    raise ReweighError(f"No {kind} named {name!r}; there are: {there_are}.{nearest(name, table)}")
