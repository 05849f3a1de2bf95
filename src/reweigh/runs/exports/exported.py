"""What an export has to say when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Exported:
    """Where the files are, what is in them, and how to open them."""

    output: Path
    lines: tuple[tuple[str, str], ...]
    """(name, value) pairs for a small table"""
    notes: tuple[str, ...] = ()
    """What a reader should know before using the files"""
    open_with: tuple[str, ...] = ()
    """Lines to type in the other tool"""
