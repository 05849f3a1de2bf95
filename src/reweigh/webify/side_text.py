"""Text beside an image: filler, sometimes words of what it shows, sometimes the words it was found by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.webify.draw import Drawn
from reweigh.webify.generators import Purpose, class_generator
from reweigh.webify.settings import WebifySettings

PHOTO_WORDS = (
    "photo", "photos", "image", "picture", "pictures", "stock", "free", "wallpaper", "download", "gallery", "best", "new", "large",
    "nice", "summer", "my", "2012", "page", "blog", "camera", "canon", "nikon", "close up", "view", "day", "home", "album", "shot",
    "beautiful", "background",
)  # fmt: skip
"""Words that stand beside photos of anything."""
GLOSS_WORDS = 12
"""Words of a gloss that are used, from its beginning."""
STOP_WORDS = frozenset(
    [
        "and",
        "are",
        "but",
        "for",
        "from",
        "has",
        "have",
        "having",
        "into",
        "its",
        "not",
        "one",
        "that",
        "the",
        "their",
        "this",
        "used",
        "usually",
        "very",
        "when",
        "which",
        "with",
    ]
)


@dataclass(frozen=True, kw_only=True)
class ClassWords:
    """Words of all classes of the given set, kept or not."""

    lemmas: tuple[tuple[str, ...], ...]
    """Words that name each class, at least one."""
    gloss: tuple[tuple[str, ...], ...]
    """Words of its description; () where it has none."""


@dataclass(frozen=True, kw_only=True)
class SideText:
    """Columns of text of n rows; None where a row has none."""

    query: tuple[str, ...]
    title: tuple[str | None, ...]
    description: tuple[str | None, ...]
    tags: tuple[tuple[str, ...] | None, ...]


def gloss_words(text: str | None) -> tuple[str, ...]:
    """The first words of a description: lower case, three letters or more, no stop words, each once."""
    words = re.findall(r"[^\W\d_]{3,}", (text or "").lower())
    return tuple(dict.fromkeys(word for word in words if word not in STOP_WORDS))[:GLOSS_WORDS]


def draw_text(
    drawn: Drawn,
    numbers: Sequence[int],
    shown: NDArray[np.integer],
    words: ClassWords,
    settings: WebifySettings,
    *,
    seed: int,
) -> SideText:
    """Text of every row.

    numbers (k,): the kept classes' numbers in the given set. shown (n,): number of the class that a row's image is of,
    in the given set, pool classes too.
    """
    made: dict[int, tuple[str, str | None, str | None, tuple[str, ...] | None]] = {}
    for c, number in enumerate(numbers):
        generator = class_generator(seed, Purpose.TEXT, number)
        for row in np.flatnonzero(drawn.label == c).tolist():
            made[row] = _row(generator, number, int(shown[row]), numbers, words, settings)
    columns = [tuple(column) for column in zip(*(made[row] for row in range(len(drawn.label))), strict=True)]
    return SideText(query=columns[0], title=columns[1], description=columns[2], tags=columns[3])


def _row(
    generator: np.random.Generator,
    label: int,
    shown: int,
    numbers: Sequence[int],
    words: ClassWords,
    settings: WebifySettings,
) -> tuple[str, str | None, str | None, tuple[str, ...] | None]:
    """(query, title, description, tags) of one row."""
    query = _one(generator, words.lemmas[label])
    if generator.random() < settings.notext:
        return query, None, None, None
    parts = []
    for _ in range(int(generator.integers(3, 7))):
        is_photo_word = generator.random() < 0.5
        other = numbers[int(generator.integers(len(numbers)))]
        parts.append(_one(generator, PHOTO_WORDS if is_photo_word else words.lemmas[other]))
    if generator.random() < settings.text_signal:
        parts.append(_one(generator, words.lemmas[shown]))
        known = words.lemmas[shown] + words.gloss[shown]
        parts += [_one(generator, known) for _ in range(int(generator.integers(1, 4)))]
    if generator.random() < settings.query_in:
        parts.append(query)
    order = generator.permutation(len(parts))
    places: list[list[str]] = [[], [], []]
    for i in order.tolist():
        places[int(generator.integers(3))].append(parts[i])
    title, description, tags = places
    return query, " ".join(title) or None, " ".join(description) or None, tuple(tags) or None


def _one(generator: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(generator.integers(len(choices)))]
