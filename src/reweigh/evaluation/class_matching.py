"""Classes of one catalog, or of a model, found among those of another: by synset first, then by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

SHOWN = 10
AMBIGUOUS = (-1, -1)


@dataclass(frozen=True, kw_only=True)
class NamedClasses:
    """Classes in the order of their labels."""

    names: tuple[str, ...]
    synsets: tuple[str | None, ...]
    """WordNet ids, where known."""


@dataclass(frozen=True, kw_only=True)
class ClassMatch:
    """Which of our classes each of theirs is."""

    classes: NDArray[np.int32]
    """(k of theirs,) our class, -1 where there is none."""
    by_synset: int
    by_name: int
    unmatched: tuple[str, ...]
    """Names of theirs that have no match, with why where the name alone would give one."""


def match_classes(theirs: NamedClasses, ours: NamedClasses) -> ClassMatch:
    """Their classes among ours: those of one synset, then those of one name, else those of one name with underscores as blanks, in any case.

    A name that two classes of one side have (crane) matches nothing; of a synset that two of ours have the name decides; two
    different synsets are never matched by name.
    """
    label_of = {wnid: label for label, wnid in enumerate(ours.synsets) if wnid}
    shared = {wnid for wnid, times in Counter(ours.synsets).items() if wnid and times > 1}
    found = [label_of.get(wnid, -1) if wnid and wnid not in shared else -1 for wnid in theirs.synsets]
    by_synset = sum(label >= 0 for label in found)
    exactly = _same_names(theirs.names, ours.names)
    nearly = _same_names(tuple(map(_plain, theirs.names)), tuple(map(_plain, ours.names)))
    unmatched = []
    for label, name in enumerate(theirs.names):
        if found[label] >= 0:
            continue
        others = exactly[label] or nearly[label]
        own, other = theirs.synsets[label], ours.synsets[others[0]] if others else None
        if own in shared and (others == AMBIGUOUS or other != own):
            unmatched.append(f"{name} (several of the model's classes are {own})")
        elif others == AMBIGUOUS:
            unmatched.append(f"{name} (several classes have this name)")
        elif own and other and own != other:
            unmatched.append(f"{name} ({own}, the model's is {other})")
        elif others:
            found[label] = others[0]
        else:
            unmatched.append(name)
    return ClassMatch(
        classes=np.array(found, np.int32), by_synset=by_synset, by_name=len(found) - by_synset - len(unmatched), unmatched=tuple(unmatched)
    )  # fmt: skip


def _same_names(theirs: Sequence[str], ours: Sequence[str]) -> list[tuple[int, ...]]:
    """For each of their names our label of that name; () where there is none, AMBIGUOUS where one side has it more than once."""
    named = {name: label for label, name in enumerate(ours)}
    often = {name for side in (theirs, ours) for name, times in Counter(side).items() if times > 1}
    return [() if name not in named else AMBIGUOUS if name in often else (named[name],) for name in theirs]


def all_matched(match: ClassMatch, ours: Sequence[str], *, hint: str = "") -> NDArray[np.int32]:
    """(k of theirs,) our classes. Raises ReweighError that lists those without a match."""
    if match.unmatched:
        raise ReweighError(
            f"The data has {len(match.unmatched):,} of {len(match.classes):,} classes that the model does not know: "
            f"{_some(match.unmatched)}. The model knows: {_some(ours)}.{hint}"
        )
    return match.classes


def _plain(name: str) -> str:
    return name.replace("_", " ").casefold()


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")
