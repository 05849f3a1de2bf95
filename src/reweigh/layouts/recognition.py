"""How sure a reader is that a source is of its form, and by which signs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Certainty(IntEnum):
    """From a guess to what no other form has."""

    POSSIBLE = 1
    """Nothing speaks against it."""
    LIKELY = 2
    """It has what this form has; another could have it too."""
    CERTAIN = 3
    """Files that no other form has."""


@dataclass(frozen=True)
class Recognition:
    """A source that may be of a form."""

    certainty: Certainty
    signs: str
    """What was found, such as `info/synsets.txt and info/train_filelist_google.txt`."""
