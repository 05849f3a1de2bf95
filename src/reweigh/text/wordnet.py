"""WordNet 3.0 from its standard files: lemmas, gloss and hypernyms of a noun, and how far apart nouns are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

NOUNS = "data.noun"
FOLDER = Path("/usr/share/wordnet")
"""Where Debian's package wordnet-base puts the files."""
VERSION = b"3.0"
"""The version whose offsets are the numbers in wnids; those of 3.1 fit none of them."""
BLOCK = 1024
"""Synsets whose distances are computed at once."""


@dataclass(frozen=True, kw_only=True)
class WordNet:
    """The noun synsets of a data.noun, by their position in it."""

    path: Path
    offsets: NDArray[np.int64]
    """(s,) ascending: where each synset's line begins, which is also its number."""
    first_parent: NDArray[np.int64]
    """(s + 1,) positions in `parents`: those of synset i are first_parent[i] to first_parent[i + 1]"""
    parents: NDArray[np.int64]
    """Positions of hypernyms, `@` and `@i`, in the order of the file."""
    text: bytes = field(repr=False, compare=False)
    """The whole file; a line is taken apart when it is asked for."""


@dataclass(frozen=True, kw_only=True)
class Synset:
    """A noun synset."""

    id: str
    """n and the eight digits of its offset, as in n02123597."""
    lemmas: tuple[str, ...]
    """Its words, with blanks in the place of underscores."""
    gloss: str
    hypernyms: tuple[str, ...]
    """Ids of what it is a kind, or an instance, of; () at the top."""


def find_wordnet(folder: Path | str | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """The folder with data.noun: `folder` where given, else $WNSEARCHDIR, else $WNHOME/dict, else /usr/share/wordnet.

    Raises ReweighError where it is not in the first that is named: another folder's files may be others.
    """
    environment = os.environ if environment is None else environment
    home = environment.get("WNHOME")
    named = folder or environment.get("WNSEARCHDIR") or (Path(home) / "dict" if home else None)
    place = FOLDER if named is None else Path(named)
    if (place / NOUNS).is_file():
        return place
    if folder is None and named is not None:
        raise ReweighError(
            f"No WordNet: looked for {NOUNS} in {place}, which the environment's WNSEARCHDIR or WNHOME names; unset it, or set it "
            "to the folder of WordNet 3.0's files."
        )
    raise ReweighError(
        f"No WordNet: looked for {NOUNS} in {place}. Debian's package wordnet-base has the files; elsewhere set WNSEARCHDIR "
        "to the folder of WordNet 3.0's files."
    )


def read_wordnet(folder: Path | str | None = None) -> WordNet:
    """The nouns of WordNet 3.0, from the folder that `find_wordnet` finds. About a second for all 82,115.

    Raises ReweighError for a missing folder, another version, and a truncated or alien file, naming its line.
    """
    path = find_wordnet(folder) / NOUNS
    text = path.read_bytes()
    check_version(text, path)
    offsets, lines, counts, targets = _parsed(text, path)
    if not offsets:
        raise ReweighError(f"{path} has no synset: {len(text):,} bytes; is it WordNet's data.noun?")
    own, wanted = np.array(offsets, np.int64), np.array(targets, np.int64)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    parents = _positions(own, wanted)
    if (parents < 0).any():
        missing = int(np.flatnonzero(parents < 0)[0])
        line = lines[int(np.searchsorted(first, missing, side="right")) - 1]
        raise ReweighError(
            f"{path}, line {line}: its hypernym {wanted[missing]:08d} is not in the file; the file was cut, or altered."
        )
    return WordNet(path=path, offsets=own, first_parent=first, parents=parents, text=text)


def check_version(text: bytes, path: Path) -> None:
    """Raises ReweighError where the first lines of one of WordNet's files name another version than 3.0."""
    version = re.search(rb"^ .*WordNet (\S+) Copyright", text[:4096], re.MULTILINE)
    if version and version[1] != VERSION:
        raise ReweighError(
            f"{path} is WordNet {version[1].decode(errors='replace')}; wnids such as n02123597 are offsets of WordNet 3.0, "
            "and fit no other version's files."
        )


def has_synset(wordnet: WordNet, synset_id: str) -> bool:
    """Whether there is a noun synset of this id."""
    return (
        bool(re.fullmatch(r"n\d{8}", synset_id)) and _positions(wordnet.offsets, np.array([int(synset_id[1:])]))[0] >= 0
    )


def synset(wordnet: WordNet, synset_id: str) -> Synset:
    """The synset of this id. Raises ReweighError where there is none."""
    position = int(_found(wordnet, [synset_id])[0])
    start = int(wordnet.offsets[position])
    line = wordnet.text[start : wordnet.text.index(b"\n", start)].decode(errors="replace")
    head, _, gloss = line.partition(" | ")
    words = head.split()
    above = wordnet.parents[wordnet.first_parent[position] : wordnet.first_parent[position + 1]]
    return Synset(
        id=synset_id,
        lemmas=tuple(word.replace("_", " ") for word in words[4 : 4 + 2 * int(words[3], 16) : 2]),
        gloss=gloss.strip(),
        hypernyms=tuple(f"n{wordnet.offsets[parent]:08d}" for parent in above),
    )


def similarity(wordnet: WordNet, synset_ids: Sequence[str]) -> NDArray[np.float32]:
    """1 / (1 + d) for every pair, (k, k) float32, 1 on the diagonal; 0 where two synsets share no ancestor.

    d is the number of hypernym links from one up to a common ancestor and down to the other, by the shortest way.
    A way that goes down first would depend on which other synsets were asked for.
    Raises ReweighError for an id that is not in WordNet, naming it.
    """
    from scipy.sparse.csgraph import dijkstra

    own = _found(wordnet, synset_ids)
    nodes, child, parent = _closure(wordnet, own)
    graph, place = _up_and_down(len(nodes), child, parent), np.searchsorted(nodes, own)
    made = np.empty((len(own), len(own)), np.float32)
    for start in range(0, len(own), BLOCK):
        sources = place[start : start + BLOCK]
        steps = dijkstra(graph, directed=True, indices=sources, unweighted=True)[:, place + len(nodes)]
        made[start : start + BLOCK] = 1 / steps  # the step from "up" to "down" is the 1 of 1 + d
    return made


def _parsed(text: bytes, path: Path) -> tuple[list[int], list[int], list[int], list[int]]:
    """Of every synset its offset, its line and how many hypernyms it has; the hypernyms' offsets one after the other."""
    offsets: list[int] = []
    numbers: list[int] = []
    counts: list[int] = []
    targets: list[int] = []
    at = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not line.startswith(b"  "):
            try:
                above = _hypernyms(line, at)
            except (ValueError, IndexError) as cause:
                raise ReweighError(
                    f"{path}, line {number}: not a line of WordNet's data.noun: {line[:40].decode(errors='replace').strip()!r} "
                    f"({cause}); the file was cut, or is another one."
                ) from cause
            offsets.append(at)
            numbers.append(number)
            counts.append(len(above))
            targets += above
        at += len(line)
    return offsets, numbers, counts, targets


def _hypernyms(line: bytes, at: int) -> list[int]:
    """Offsets that the line's pointers @ and @i name. Raises ValueError or IndexError for what is no such line.

    Form: offset lexfile n WORDS(hex) word lexid ... POINTERS symbol offset pos source/target ... | gloss
    """
    head, bar, _ = line.partition(b" | ")
    words = head.split()
    if not line.endswith(b"\n"):
        raise ValueError("the last line has no end")
    if not bar or int(words[0]) != at or words[2] != b"n":
        raise ValueError(f"looked for {at:08d} .. n ... | gloss")
    first = 5 + 2 * int(words[3], 16)
    if len(words) != first + 4 * int(words[first - 1]):
        raise ValueError("the count of pointers does not fit")
    return [
        int(to) for symbol, to in zip(words[first::4], words[first + 1 :: 4], strict=True) if symbol in (b"@", b"@i")
    ]


def _positions(offsets: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each wanted offset, -1 where there is none."""
    at = np.minimum(np.searchsorted(offsets, wanted), len(offsets) - 1)
    return np.where(offsets[at] == wanted, at, -1)


def _found(wordnet: WordNet, synset_ids: Sequence[str]) -> NDArray[np.int64]:
    """Positions of these synsets. Raises ReweighError for the first that there is not."""
    numbers = [int(name[1:]) if re.fullmatch(r"n\d{8}", name) else -1 for name in synset_ids]
    found = _positions(wordnet.offsets, np.array(numbers, np.int64))
    if (found < 0).any():
        name = synset_ids[int(np.flatnonzero(found < 0)[0])]
        raise ReweighError(f"No noun {name!r} in {wordnet.path}: a synset is n and eight digits, such as n02123597.")
    return found


def _closure(
    wordnet: WordNet, positions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(the synsets and all above them, ascending; the links among them: child and parent as places in that list)."""
    known, new = np.unique(positions), np.unique(positions)
    children, parents = [], []
    while len(new):
        counts = wordnet.first_parent[new + 1] - wordnet.first_parent[new]
        starts = np.repeat(wordnet.first_parent[new] - np.cumsum(counts) + counts, counts)
        above = wordnet.parents[starts + np.arange(counts.sum())]
        children.append(np.repeat(new, counts))
        parents.append(above)
        new = np.setdiff1d(above, known)
        known = np.union1d(known, new)
    child, parent = (np.concatenate(part).astype(np.int64) for part in (children or [known], parents or [known]))
    return known, np.searchsorted(known, child), np.searchsorted(known, parent)


def _up_and_down(m: int, child: NDArray[np.int64], parent: NDArray[np.int64]):  # type: ignore[no-untyped-def]
    """Links of m synsets going up, and of their m copies going down; a step leads from each synset to its copy only."""
    from scipy.sparse import csr_array

    every = np.arange(m)
    start = np.concatenate([child, every, parent + m])
    end = np.concatenate([parent, every + m, child + m])
    return csr_array((np.ones(len(start), np.int8), (start, end)), shape=(2 * m, 2 * m))
