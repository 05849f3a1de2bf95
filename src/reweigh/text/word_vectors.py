"""Vectors of words from files in fastText's forms, and the mean vector of a label's words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.text.fasttext_binary import check_beginning, read_fasttext_binary
from reweigh.text.words import words

LONGEST_LINE = 1 << 20
"""Bytes of a line of text; a longer one means that the file is something else."""
MOST_VALUES = 10_000
"""Values of a vector."""


@dataclass(frozen=True, kw_only=True)
class WordVectors:
    """Vectors of some words."""

    size: int
    vectors: Mapping[str, NDArray[np.float32]]
    """word, as `text.words` gives it -> (size,), not scaled"""


@dataclass(frozen=True, kw_only=True)
class LabelVectors:
    """A vector for each of k texts."""

    vectors: NDArray[np.float32]
    """(k, t) of length 1; zero where no word is known"""
    unknown: tuple[str, ...]
    """Words without a vector, each once, in alphabetical order"""


def read_word_vectors(path: Path, wanted: Collection[str]) -> WordVectors:
    """Vectors of the wanted words; those that the file cannot give are missing.

    `.vec` and `.txt`: fastText's text form, a line a word, the header `count size` may be missing (GloVe). `.bin`: fastText's
    binary model, which gives vectors of unknown words from their parts. Raises ReweighError for any other file, or a damaged one.
    """
    size, vectors = _reader(path)(path, wanted)
    return WordVectors(size=size, vectors=vectors)


def check_word_vectors(path: Path) -> None:
    """Return where the file begins like word vectors, at a glance. Raises ReweighError as `read_word_vectors`."""
    if _reader(path) is read_fasttext_binary:
        check_beginning(path)
    else:
        _beginning(path)


def _reader(path: Path) -> Callable[[Path, Collection[str]], tuple[int, dict[str, NDArray[np.float32]]]]:
    """What reads the file, by its ending."""
    readers: dict[str, Callable[[Path, Collection[str]], tuple[int, dict[str, NDArray[np.float32]]]]] = {
        ".vec": read_vector_lines,
        ".txt": read_vector_lines,
        ".bin": read_fasttext_binary,
    }
    if not path.is_file():
        raise ReweighError(f"No word vectors at {path}: there is no such file.")
    if path.suffix.lower() not in readers:
        raise ReweighError(f"Word vectors are read from files named *.vec, *.txt or *.bin; found {path.name}.")
    return readers[path.suffix.lower()]


def mean_word_vectors(texts: Sequence[str], known: WordVectors) -> LabelVectors:
    """Mean of the vectors of each text's words, every word's scaled to length 1 as fastText does for sentences, then the mean too."""
    result, unknown = np.zeros((len(texts), known.size), np.float32), set()
    for row, text in enumerate(texts):
        found = [known.vectors[word] for word in words(text) if word in known.vectors]
        unknown |= {word for word in words(text) if word not in known.vectors}
        if found:
            total = np.sum([vector / (np.linalg.norm(vector) or 1) for vector in found], axis=0)
            result[row] = total / (np.linalg.norm(total) or 1)
    return LabelVectors(vectors=result, unknown=tuple(sorted(unknown)))


def read_vector_lines(path: Path, wanted: Collection[str]) -> tuple[int, dict[str, NDArray[np.float32]]]:
    """(size, word -> vector) from lines `word v1 ... vd`; a spelling with capitals serves where the lower one is missing.

    Every line must have as many values as the first, and the file as many lines as its header promises. Values are read of wanted
    words only.
    """
    lines = _lines(path)
    promised, size = _beginning(path)
    if promised is not None:
        next(lines)
    exact: dict[str, NDArray[np.float32]] = {}
    folded: dict[str, NDArray[np.float32]] = {}
    count = 0
    for number, line in lines:
        count += 1
        parts = line.rstrip().rsplit(b" ", size)
        if len(parts) != size + 1:
            raise ReweighError(
                f"{path}, line {number}: {len(parts) - 1} values, expected {size}; the file is cut or damaged."
            )
        word = parts[0].decode("utf-8", "replace")
        key = word if word in wanted else word.casefold()
        if key in wanted and key not in (exact if key == word else folded):
            (exact if key == word else folded)[key] = _values(parts[1:], path, number, word)
    if promised is not None and count != promised:
        raise ReweighError(f"{path} promises {promised:,} words and has {count:,}; the file is cut or damaged.")
    return size, {**folded, **exact}


def _beginning(path: Path) -> tuple[int | None, int]:
    """(number of words that a header promises, None without one; size of the vectors), from the first line."""
    _, line = next(_lines(path), (1, b""))
    parts = line.split()
    is_header = len(parts) == 2 and all(part.isdigit() and len(part) < 12 for part in parts)
    if is_header and 1 <= int(parts[1]) <= MOST_VALUES:
        return int(parts[0]), int(parts[1])
    size = line.rstrip().count(b" ")
    if not 2 <= size <= MOST_VALUES:
        raise ReweighError(f"{path} does not begin like word vectors: found {line[:40]!r}, expected `word v1 v2 ...`.")
    return None, size


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line) of a file; words may hold any byte but a line's end."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise ReweighError(f"{path}, line {number} is longer than {LONGEST_LINE:,} bytes: no word vectors.")
            yield number, line


def _values(parts: Sequence[bytes], path: Path, number: int, word: str) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # becomes infinite, and is refused below
            values = np.array([float(part) for part in parts]).astype(np.float32)
    except ValueError as cause:
        raise ReweighError(f"{path}, line {number}: a value of {word!r} is not a number.") from cause
    if not np.isfinite(values).all():
        raise ReweighError(f"{path}, line {number}: a value of {word!r} is NaN or infinite.")
    return values
