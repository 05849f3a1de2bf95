"""Verdicts as small tables: all labels together, the classes with the most wrong ones, the most frequent confusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reweigh.runs.measured import Row, interval, share

MOST_SHOWN = 5
CLASS_HEADER: Row = ("class", "images", "flagged", "estimated wrong", "range")
CONFUSION_HEADER: Row = ("label given", "shows rather", "images, estimated")
WAYS = {
    "held_out": "held out",
    "set_aside": "outside of training",
    "copies": "as the copy of another",
}
"""Ways of judging a label that verdicts.json counts, and how they are said."""


def n_labels(facts: dict[str, Any]) -> int:
    """Labels of any split, with those of unreadable images."""
    return int(sum(facts["judged"].values()))


def overall_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, value) of what verdicts.json says of all labels together; rates and counts are of the training images."""
    judged = facts["judged"]
    ways = ", ".join(f"{judged[way]:,} {said}" for way, said in WAYS.items() if judged.get(way))
    kind = "95 % interval, from checked labels" if facts["is_interval"] else "over refits"
    unreadable = f"; {judged['unreadable']:,} images cannot be read" if judged["unreadable"] else ""
    lines = [("labels judged", f"{n_labels(facts) - judged['unreadable']:,} ({ways}){unreadable}")]
    if facts["noise_rate"] is not None:
        lines.append(
            ("estimated wrong", f"{share(facts['noise_rate'])} % ({interval(facts['noise_rate_range'])} % {kind})")
        )
    flagged = f"{facts['n_wrong']:,} of {facts['n']:,} for training ({share(facts['n_wrong'] / max(facts['n'], 1))} %)"
    lines += [("flagged as wrong", flagged), ("show none of the classes", f"{facts['n_none_of_the_classes']:,}")]
    if facts["agreement"] is not None:
        lines.append(("agree with held-out predictions", f"{share(facts['agreement'])} %"))
    return lines


def class_lines(facts: dict[str, Any], names: Sequence[str]) -> list[Row]:
    """The classes with the highest estimated rate; those too small for a range only where there are no others.

    Classes in which nothing is estimated to be wrong are left out.
    """
    of = facts["classes"]
    found = [c for c in range(len(names)) if of["noise"][c]]
    found.sort(key=lambda c: (of["low"][c] is None, -of["noise"][c], c))
    return [
        (
            names[c], f"{of['n'][c]:,}", f"{of['n_wrong'][c]:,}", f"{share(of['noise'][c])} %",
            "-" if of["low"][c] is None else f"{interval([of['low'][c], of['high'][c]])} %",
        )
        for c in found[:MOST_SHOWN]
    ]  # fmt: skip


def confusion_lines(facts: dict[str, Any], names: Sequence[str]) -> list[Row]:
    """The most frequent confusions of which at least half an image is expected."""
    pairs = [pair for pair in facts["confusions"] if pair[2] >= 0.5]
    return [(names[given], names[truth], f"{expected:,.0f}") for given, truth, expected in pairs[:MOST_SHOWN]]
