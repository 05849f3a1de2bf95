"""The noun synsets of a name, from WordNet's index.noun and its list of irregular plurals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reweigh.errors import ReweighError
from reweigh.text.wordnet import check_version, find_wordnet

INDEX, EXCEPTIONS = "index.noun", "noun.exc"
ENDINGS = (
    ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y"),
)  # fmt: skip
"""Plural -> singular, morphy(7WN): each ending is taken off in turn; `ves` as in NLTK."""


@dataclass(frozen=True, kw_only=True)
class NounIndex:
    """Lemmas, in lower case with underscores, and their synsets."""

    path: Path
    lines: Mapping[str, str] = field(repr=False)
    """Lemma -> the rest of its line, taken apart when it is asked for."""
    singular: Mapping[str, tuple[str, ...]] = field(repr=False)
    """Irregular plural -> singulars."""


def read_noun_index(folder: Path | str | None = None) -> NounIndex:
    """The index in the folder that `find_wordnet` finds; a fifth of a second. Without noun.exc irregular plurals are not known.

    Raises ReweighError for a missing index, another version of WordNet, and a file that is no index.
    """
    path = find_wordnet(folder) / INDEX
    if not path.is_file():
        raise ReweighError(f"No {INDEX} in {path.parent}, where data.noun is: without it no name can be looked up.")
    raw = path.read_bytes()
    check_version(raw, path)
    if raw and not raw.endswith(b"\n"):
        raise ReweighError(f"{path} ends within a line: it was cut. Is the copy complete?")
    text = raw.decode(errors="replace").split("\n")
    lines = {lemma: rest for lemma, _, rest in (line.partition(" ") for line in text if line[:1] not in ("", " "))}
    if not all(rest.startswith("n ") for rest in lines.values()) or not lines:
        raise ReweighError(f"{path} is not WordNet's {INDEX}: looked for lines such as `dog n 7 ...`.")
    exceptions = path.parent / EXCEPTIONS
    rows = exceptions.read_text(errors="replace").split("\n") if exceptions.is_file() else []
    words = (row.split() for row in rows)
    return NounIndex(path=path, lines=lines, singular={own[0]: tuple(own[1:]) for own in words if len(own) > 1})


def noun_senses(index: NounIndex, name: str) -> tuple[str, ...]:
    """Ids of the name's noun synsets, the most frequent sense first; () where it is no noun, or a number.

    Case does not count; blanks, underscores and, where nothing is found, hyphens are the same. A plural that is no lemma itself is
    looked up by its singular.
    """
    lemma = "_".join(name.lower().replace("_", " ").split())
    if not re.search(r"[^\W\d_]", lemma):
        return ()
    found = _forms(index, lemma) or _forms(index, lemma.replace("-", "_"))
    return _synsets(index, found[0]) if found else ()


def _forms(index: NounIndex, lemma: str) -> list[str]:
    """The lemma itself and its singulars, those of them that the index has, as morphy orders them."""
    if lemma in index.singular:
        return _known(index, (lemma, *index.singular[lemma]))
    found = _known(index, (lemma, *_shortened(lemma)))
    return found or _known(index, (twice for once in _shortened(lemma) for twice in _shortened(once)))


def _shortened(lemma: str) -> list[str]:
    return [lemma[: -len(plural)] + singular for plural, singular in ENDINGS if lemma.endswith(plural)]


def _known(index: NounIndex, forms: Iterable[str]) -> list[str]:
    return [form for form in dict.fromkeys(forms) if form in index.lines]


def _synsets(index: NounIndex, lemma: str) -> tuple[str, ...]:
    """`pos synset_cnt p_cnt [symbol...] sense_cnt tagsense_cnt offset...`: the last synset_cnt words are the offsets."""
    words = index.lines[lemma].split()
    count = int(words[1]) if words[1:] and words[1].isdecimal() else 0
    offsets = words[-count:] if 0 < count < len(words) - 1 else []
    if not offsets or not all(re.fullmatch(r"\d{8}", offset) for offset in offsets):
        raise ReweighError(
            f"{index.path}: the line of {lemma!r} is not one of WordNet's {INDEX}; the file was cut, or altered."
        )
    return tuple(f"n{offset}" for offset in offsets)
