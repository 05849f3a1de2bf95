"""What a reader found in a source besides rows: what it left out, what it repaired, what a user should know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

EXAMPLES = 5
"""Names kept of each reason: a crawl may lack millions of images."""


@dataclass(kw_only=True)
class Findings:
    """Filled while the rows are read, told when all of them are."""

    skipped: Counter[str] = field(default_factory=Counter)
    """Reason -> images, or other files, that were left out."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """Reason -> the first few of their names."""
    repaired: Counter[str] = field(default_factory=Counter)
    """What was repaired, as the end of a sentence that begins with a number -> how often."""
    warnings: list[str] = field(default_factory=list)
    """Sentences that a user should read."""
    notes: list[str] = field(default_factory=list)
    """What the reader met and chose: which version of a set, which folder of images."""

    def skip(self, reason: str, names: Iterable[str]) -> None:
        """Count names that are left out for this reason."""
        kept = self.examples.setdefault(reason, [])
        for name in names:
            self.skipped[reason] += 1
            if len(kept) < EXAMPLES:
                kept.append(name)

    def add(self, other: Findings) -> None:
        """Count what another record has left out as well."""
        self.skipped.update(other.skipped)
        for reason, names in other.examples.items():
            kept = self.examples.setdefault(reason, [])
            kept += names[: EXAMPLES - len(kept)]


def sentences(findings: Findings) -> list[str]:
    """The warnings, and a sentence for each thing that was repaired."""
    return findings.warnings + [f"{count:,} {what}" for what, count in findings.repaired.items() if count]
