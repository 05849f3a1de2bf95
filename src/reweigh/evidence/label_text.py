"""Label text: a vector for what each label says, or none, which leaves the labels strangers to each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Classes
from reweigh.errors import ReweighError
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.stored_arrays import load_arrays, save_arrays
from reweigh.whole_files import read_json, write_json

ARRAYS = ("vectors", "is_known")
FACTS = "label_text.json"
END = 1 << 20


@dataclass(frozen=True, kw_only=True)
class LabelText:
    """Text vectors of k labels."""

    vectors: NDArray[np.float32]
    """(k, t) of length 1, zero for a label that nothing is known of; t = 0: each label is a word of its own (one-hot)"""
    is_known: NDArray[np.bool_]
    """(k,) labels that have a vector"""
    made_from: str
    """`classes`, `names`, `word_vectors` or `sentences`"""
    unknown_words: tuple[str, ...]
    """Words of labels that the word vectors do not have"""


def make_label_text(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> LabelText:
    """Vectors of the labels' words as the settings say; without classes' names each label is a word of its own."""
    kind, k = settings.label_text, inputs.k
    if inputs.classes is None or kind == "classes":
        return LabelText(
            vectors=np.zeros((k, 0), np.float32), is_known=np.ones(k, bool), made_from="classes", unknown_words=()
        )
    vectors, unknown = _vectors(inputs, settings)
    is_known = np.asarray((vectors != 0).any(axis=1))
    if not is_known.any():
        raise ReweighError(
            f"evidence.label_text={kind!r} knows no word of any of the {k:,} labels, such as {inputs.classes.names[0]!r}: "
            "another language, or vectors of something else?"
        )
    return LabelText(vectors=vectors, is_known=is_known, made_from=kind, unknown_words=unknown)


def check_label_text(settings: EvidenceSettings) -> None:
    """Return where what labels are known by is there, at a glance. Raises ReweighError where it is missing or something else."""
    if settings.label_text == "word_vectors":
        from reweigh.text.word_vectors import check_word_vectors

        check_word_vectors(Path(settings.label_text_from))
    elif settings.label_text == "sentences":
        from reweigh.text.sentences import check_encoder

        check_encoder(settings.label_text_from)


def absolute_label_text(settings: EvidenceSettings) -> EvidenceSettings:
    """The same, with the place of a file or folder from the root on: a run may be gone on with from another folder."""
    place = Path(settings.label_text_from)
    if not settings.label_text_from or (settings.label_text == "sentences" and not place.exists()):
        return settings
    return replace(settings, label_text_from=str(place.absolute()))


def state_of_label_text(settings: EvidenceSettings) -> list[list[Any]]:
    """Name, bytes and a hash of both ends of the files that labels are known by; none of an encoder that a hub names.

    Raises ReweighError where word vectors are gone: what was made of them is not thrown away.
    """
    place = Path(settings.label_text_from)
    if settings.label_text == "word_vectors":
        check_label_text(settings)
    if not settings.label_text_from or not place.exists():
        return []
    files = [place] if place.is_file() else sorted(path for path in place.iterdir() if path.is_file())
    return [[path.name, path.stat().st_size, _ends(path)] for path in files]


def _ends(path: Path) -> str:
    """A hash of the first and the last MiB: a file of word vectors may have gigabytes."""
    with path.open("rb") as file:
        digest = hashlib.blake2b(file.read(END), digest_size=8)
        file.seek(max(path.stat().st_size - END, 0))
        digest.update(file.read(END))
    return digest.hexdigest()


def _vectors(inputs: EvidenceInputs, settings: EvidenceSettings) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    classes = inputs.classes
    assert classes is not None
    if settings.label_text == "sentences":
        from reweigh.text.sentences import sentence_vectors

        return sentence_vectors(label_sentences(classes), settings.label_text_from, progress=inputs.progress), ()
    names = [" ".join(words) for words in classes.words]
    if settings.label_text == "names":
        from reweigh.text.label_names import name_vectors

        return name_vectors(names), ()
    from reweigh.text.word_vectors import mean_word_vectors, read_word_vectors
    from reweigh.text.words import words

    wanted = {word for name in names for word in words(name)}
    found = mean_word_vectors(names, read_word_vectors(Path(settings.label_text_from), wanted))
    return found.vectors, found.unknown


def label_sentences(classes: Classes) -> list[str]:
    """`words, that name it: what it is` of each class."""
    return [
        f"{', '.join(names)}: {description}" if description else ", ".join(names)
        for names, description in zip(classes.words, classes.descriptions, strict=True)
    ]


def save_label_text(record: LabelText, folder: Path) -> None:
    """Write NAME.npy of each array and label_text.json into an existing folder."""
    save_arrays(record, folder, ARRAYS)
    write_json(folder / FACTS, {"made_from": record.made_from, "unknown_words": list(record.unknown_words)})


def load_label_text(folder: Path) -> LabelText:
    """The record of a folder. Raises ReweighError where a file is missing."""
    arrays = load_arrays(folder, ARRAYS, what="label text")
    if not (folder / FACTS).exists():
        raise ReweighError(f"No label text in {folder}: {FACTS} is missing.")
    facts = read_json(folder / FACTS)
    return LabelText(**arrays, made_from=facts["made_from"], unknown_words=tuple(facts["unknown_words"]))
