"""Classes and WordNet: words and glosses of classes that have a synset, and synsets for those that have only a name."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Classes
from reweigh.errors import ReweighError, nearest
from reweigh.layouts.class_lists import ALIASES
from reweigh.layouts.csv_rows import read_csv_rows
from reweigh.text.wordnet import WordNet, find_wordnet, has_synset, read_wordnet, synset
from reweigh.text.wordnet_names import noun_senses, read_noun_index

WNID = re.compile(r"n\d{8}")
Described = tuple[tuple[str, ...], str | None]
"""Words and gloss."""
SHOWN = 10
"""Classes that a note names; all are in classes.parquet."""
TIMM_TABLES = {"words": "imagenet_synset_to_lemma.txt", "gloss": "imagenet_synset_to_definition.txt"}
"""Of the 21,844 synsets of the whole ImageNet, a line each: wnid, tab, text."""


def wnid_classes(wnids: Sequence[str], described: Mapping[str, Described]) -> Classes:
    """Classes of these synsets, named by the first of their words, in `described` with a gloss; else by the wnid.

    A first word that two of them have (crane) is followed by the wnid.
    """
    first = [(described.get(wnid) or ((), None))[0][:1] for wnid in wnids]
    times = Counter(first)
    names = [
        wnid if not word else word[0] if times[word] == 1 else f"{word[0]} ({wnid})"
        for wnid, word in zip(wnids, first, strict=True)
    ]
    return Classes(
        names=tuple(names), synsets=tuple(wnids), words=tuple(described[w][0] if w in described and described[w][0] else (w,) for w in wnids),
        descriptions=tuple(described[w][1] if w in described else None for w in wnids),
    )  # fmt: skip


def with_synsets(classes: Classes, options: Mapping[str, Any], findings: Findings) -> Classes:
    """The classes with what the options and WordNet add; what the source itself says stays.

    Option `classes`: a CSV with a column `name` and of synset, words and description those that it sets. Option `wordnet`: a class
    without a synset gets the first noun sense of its name. Then words and glosses that a synset's class lacks, from timm's tables, else
    from WordNet's files where they are installed.
    Raises ReweighError for names that the CSV has and the source has not, and where `wordnet` finds no files.
    """
    decided: set[int] = set()
    if options.get("classes"):
        classes, decided = _overridden(classes, Path(options["classes"]), findings)
    if options.get("wordnet"):
        classes = _looked_up(classes, decided, findings)
    return _described(classes, findings)


def _overridden(classes: Classes, path: Path, findings: Findings) -> tuple[Classes, set[int]]:
    """(the classes with what the CSV says of those that it names, labels whose synset it decides; an empty one means none)."""
    rows = read_csv_rows(path, what="class")
    column = {ours: next((a for a in names if a in rows[0]), None) for ours, names in ALIASES.items()}
    if column["name"] is None:
        raise ReweighError(f"{path} has no column name: its rows are matched by the classes' names.")
    labels = [_label_named(row[column["name"]], classes, path) for row in rows]
    if len(set(labels)) < len(labels):
        name, _ = Counter(classes.names[label] for label in labels).most_common(1)[0]
        raise ReweighError(f"{path} has two rows for the class {name!r}.")
    found = {
        ours: list(getattr(classes, field))
        for ours, field in (("synset", "synsets"), ("words", "words"), ("description", "descriptions"))
    }
    for ours, values in found.items():
        theirs = column[ours]
        for label, row in zip(labels, rows, strict=True):
            if theirs is not None and (row[theirs] or ours == "synset"):
                values[label] = tuple(row[theirs].split(", ")) if ours == "words" else row[theirs] or None
    for label in labels:
        wnid = found["synset"][label]
        if wnid is not None and not WNID.fullmatch(wnid):
            raise ReweighError(
                f"{path}: synset {wnid!r} of {classes.names[label]!r} is not n and eight digits, such as n02123597."
            )
    findings.notes.append(f"{len(rows):,} classes as {path.name} describes them")
    changed = replace(
        classes, synsets=tuple(found["synset"]), words=tuple(found["words"]), descriptions=tuple(found["description"])
    )
    return changed, set(labels) if column["synset"] else set()


def _label_named(name: str, classes: Classes, path: Path) -> int:
    times = classes.names.count(name)
    if times != 1:
        why = f"{times} classes have that name" if times else f"there are {len(classes.names):,} classes"
        raise ReweighError(f"{path}: class {name!r} is not one of the source's; {why}.{nearest(name, classes.names)}")
    return classes.names.index(name)


def _looked_up(classes: Classes, decided: set[int], findings: Findings) -> Classes:
    """Classes without a synset get the first noun sense of their name; how many senses it has stands in `extra`."""
    wordnet = find_wordnet()
    index = read_noun_index(wordnet)
    synsets = list(classes.synsets)
    extra = list(classes.extra or [None] * len(synsets))
    chosen, polysemous, unknown = [], [], []
    for label, name in enumerate(classes.names):
        if synsets[label] is not None or label in decided:
            continue
        senses = noun_senses(index, name)
        if not senses:
            unknown.append(name)
            continue
        synsets[label] = senses[0]
        extra[label] = json.dumps(
            {**json.loads(extra[label] or "{}"), "synset_by": "its name in WordNet", "noun_senses": len(senses)},
            ensure_ascii=False,
        )
        chosen.append(f"{name} -> {senses[0]}")
        if len(senses) > 1:
            polysemous.append(f"{name} ({len(senses)})")
    if chosen:
        findings.notes.append(f"{len(chosen):,} classes got the first noun sense of their name: {_some(chosen)}")
    if polysemous:
        findings.warnings.append(
            f"{len(polysemous):,} of the classes that got their synset by name have several noun senses: {_some(polysemous)}; "
            "where the first is not meant, give the right one by --option classes=FILE"
        )
    if unknown:
        findings.warnings.append(f"{len(unknown):,} classes have names that are no noun in WordNet: {_some(unknown)}")
    return replace(classes, synsets=tuple(synsets), extra=tuple(extra) if any(extra) else classes.extra)


def _described(classes: Classes, findings: Findings) -> Classes:
    """Words and gloss of each class with a synset that has none of its own."""
    lacking = {wnid for label, wnid in enumerate(classes.synsets) if wnid is not None and _lacks(classes, label)}
    if not lacking:
        return classes
    found = _in_timm(lacking)
    sources = [f"timm's tables ({len(found):,})"] if found else []
    left = lacking - found.keys()
    if left:
        more, where = _in_wordnet(left)
        sources += [f"{where} ({len(more):,})"] if more else []
        found |= more
        if left - more.keys():
            why = where if not more else f"not in {where}"
            findings.notes.append(f"{len(left - more.keys()):,} synsets have neither words nor gloss: {why}")
    if sources:
        findings.notes.append(f"words and glosses of classes by their synset: {', '.join(sources)}")
    words, descriptions = list(classes.words), list(classes.descriptions)
    for label, wnid in enumerate(classes.synsets):
        if wnid in found and wnid is not None:
            lemmas, gloss = found[wnid]
            words[label] = _joined(classes.names[label], lemmas) if _has_name_only(classes, label) else words[label]
            descriptions[label] = descriptions[label] or gloss
    return replace(classes, words=tuple(words), descriptions=tuple(descriptions))


def _lacks(classes: Classes, label: int) -> bool:
    return not classes.descriptions[label] or _has_name_only(classes, label)


def _has_name_only(classes: Classes, label: int) -> bool:
    """Whether the source says no word for the class but its name."""
    return classes.words[label] in ((), (classes.names[label].replace("_", " "),))


def _joined(name: str, lemmas: tuple[str, ...]) -> tuple[str, ...]:
    """The name as a word, unless it is a wnid, then the lemmas that it is not itself."""
    word = name.replace("_", " ")
    own = () if WNID.fullmatch(name) else (word,)
    return own + tuple(lemma for lemma in lemmas if not own or lemma.casefold() != word.casefold())


def imagenet_wnids() -> list[str]:
    """ImageNet's 1,000 wnids, sorted, as timm's table has them; [] where it is not there."""
    folder = _timm_tables()
    path = None if folder is None else folder / "imagenet_synsets.txt"
    return sorted(path.read_text(encoding="utf-8").split()) if path is not None and path.is_file() else []


def _timm_tables() -> Path | None:
    """The folder of timm's tables; timm itself is not imported."""
    package = importlib.util.find_spec("timm")
    return None if package is None or package.origin is None else Path(package.origin).parent / "data" / "_info"


def _in_timm(wnids: set[str]) -> dict[str, Described]:
    """wnid -> (words, gloss) of those that timm's tables have."""
    folder = _timm_tables()
    if folder is None:
        return {}
    words, gloss = (_table(folder / TIMM_TABLES[name], wnids) for name in ("words", "gloss"))
    return {wnid: (tuple(text.split(", ")), gloss.get(wnid)) for wnid, text in words.items()}


def _table(path: Path, wnids: set[str]) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        pairs = (line.rstrip("\n").partition("\t") for line in file)
        return {wnid: text for wnid, _, text in pairs if wnid in wnids and text}


def _in_wordnet(wnids: Iterable[str]) -> tuple[dict[str, Described], str]:
    """(wnid -> words and gloss, where from); none and why, where WordNet's files are not installed or not readable."""
    try:
        wordnet: WordNet = read_wordnet()
    except ReweighError as cause:
        return {}, str(cause)
    found: dict[str, Described] = {}
    for wnid in wnids:
        if has_synset(wordnet, wnid):
            own = synset(wordnet, wnid)
            found[wnid] = (own.lemmas, own.gloss.split('; "')[0] or None)  # without the examples, as timm has it
    return found, "WordNet's files"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")
