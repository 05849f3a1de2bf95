"""fastText's binary models, version 11 and 12: vectors of words, those of unknown ones from their parts (Bojanowski et al. 2017).

The layout is that of fastText 0.9.2's `FastText::loadModel`, little endian: magic, version; 12 int32 and a double of settings; the
dictionary; a byte that says whether the matrix is compressed; the matrix of words and buckets as m, n and m x n float32.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

MAGIC, VERSIONS = 793_712_314, (11, 12)
SUPERVISED = 3
SETTINGS, COUNTS, MATRIX = struct.Struct("<12i d"), struct.Struct("<3i 2q"), struct.Struct("<? 2q")
LONGEST_WORD = 1 << 16
WORD_ENTRY = 9
"""Bytes after a word and its zero: its count and its type."""
LONGEST_PART = 64
"""Letters of a part of a word; fastText's own default is 6."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is needed to find a word's vector in the file."""

    size: int
    n_words: int
    n_buckets: int
    shortest: int
    """Letters of the shortest part of a word, and of the longest; 0: words have no parts"""
    longest: int
    places: dict[str, int]
    """Wanted word -> row of the matrix"""
    kept_parts: dict[int, int] | None
    """Bucket -> its row after the words' in a pruned model; None: all are there"""
    matrix: NDArray[np.float32]
    """(n_words + n_buckets, size), memory-mapped"""


def read_fasttext_binary(path: Path, wanted: Collection[str]) -> tuple[int, dict[str, NDArray[np.float32]]]:
    """(size, word -> vector): the mean of the rows of the word and of its parts, of its parts alone where it is unknown.

    A word without row and parts is missing. Raises ReweighError for anything but a whole, uncompressed model.
    """
    layout = read_layout(path, wanted)
    found = {}
    for word in wanted:
        rows = rows_of_word(word, layout)
        if rows:
            values = np.asarray(layout.matrix[rows], np.float32)
            if not np.isfinite(values).all():
                raise ReweighError(f"{path}: the vector of {word!r} is NaN or infinite; the file is damaged.")
            found[word] = values.mean(axis=0)
    return layout.size, found


def rows_of_word(word: str, layout: Layout) -> list[int]:
    """Rows of the matrix whose mean is the word's vector."""
    rows = [layout.places[word]] if word in layout.places else []
    if layout.longest == 0 or layout.n_buckets == 0 or word == "</s>":
        return rows
    for part in parts_of_word(f"<{word}>", layout.shortest, layout.longest):
        bucket = hash_of_part(part) % layout.n_buckets
        kept = bucket if layout.kept_parts is None else layout.kept_parts.get(bucket)
        if kept is not None:
            rows.append(layout.n_words + kept)
    return rows


def parts_of_word(word: str, shortest: int, longest: int) -> Iterator[bytes]:
    """Runs of `shortest` to `longest` letters of a word in its brackets, in UTF-8; neither bracket alone."""
    for start in range(len(word)):
        for length in range(shortest, min(longest, len(word) - start) + 1):
            if not (length == 1 and (start == 0 or start + 1 == len(word))):
                yield word[start : start + length].encode()


def hash_of_part(part: bytes) -> int:
    """FNV-1a of 32 bits over bytes read as signed, as fastText does: a byte above 127 flips the upper bits too."""
    value = 2_166_136_261
    for byte in part:
        value ^= byte if byte < 128 else byte | 0xFFFFFF00
        value = value * 16_777_619 & 0xFFFFFFFF
    return value


def read_layout(path: Path, wanted: Collection[str]) -> Layout:
    """The file's plan, checked against its length before anything large is read."""
    with path.open("rb") as file:
        length = path.stat().st_size
        if length < 8 + SETTINGS.size + COUNTS.size:
            raise ReweighError(f"{path} has {length} bytes: no fastText model.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read_layout(path, data, wanted)


def check_beginning(path: Path) -> None:
    """Return where the file begins as a model that is read. Raises ReweighError for any other."""
    with path.open("rb") as file:
        _version(path, file.read(8))


def _version(path: Path, beginning: bytes) -> int:
    """The version that the first eight bytes tell."""
    magic, version = struct.unpack("<2i", beginning) if len(beginning) == 8 else (0, 0)
    if magic != MAGIC or version not in VERSIONS:
        raise ReweighError(
            f"{path} is no fastText model of version {' or '.join(map(str, VERSIONS))}: it begins with {magic}, {version}. "
            "Word vectors in text form have the ending .vec."
        )
    return int(version)


def _read_layout(path: Path, data: mmap.mmap, wanted: Collection[str]) -> Layout:
    version = _version(path, data[:8])
    size, _, _, _, _, _, _, model, n_buckets, shortest, longest, _, _ = SETTINGS.unpack_from(data, 8)
    longest = 0 if version == 11 and model == SUPERVISED else longest  # as fastText: old supervised models had no parts
    n_entries, n_words, n_labels, _, n_kept = COUNTS.unpack_from(data, 8 + SETTINGS.size)
    start = 8 + SETTINGS.size + COUNTS.size
    room = len(data) - start
    is_plausible = (
        0 < size <= 10_000 and n_buckets >= 0 and 0 <= longest <= LONGEST_PART and (longest == 0 or 1 <= shortest <= longest)
        and 0 <= n_words <= n_entries and n_words + n_labels == n_entries and n_entries * (WORD_ENTRY + 1) <= room and -1 <= n_kept <= room // 8
    )  # fmt: skip
    if not is_plausible:
        raise ReweighError(
            f"{path} is damaged: {n_entries:,} words of {size} values, {n_buckets:,} buckets, {n_kept:,} kept, in {len(data):,} bytes."
        )
    places, start = _dictionary(path, data, start, n_entries, n_words, wanted)
    kept_parts, start = _kept_parts(path, data, start, n_kept)
    matrix = _matrix(path, data, start, (n_words, n_buckets if kept_parts is None else len(kept_parts), size))
    return Layout(
        size=size, n_words=n_words, n_buckets=n_buckets, shortest=shortest, longest=longest, places=places, kept_parts=kept_parts, matrix=matrix
    )  # fmt: skip


def _dictionary(
    path: Path, data: mmap.mmap, start: int, n_entries: int, n_words: int, wanted: Collection[str]
) -> tuple[dict[str, int], int]:
    """(wanted word -> row, where the dictionary ends); entries are `word, 0, count int64, type int8`, words before labels."""
    sought = {word.encode(): word for word in wanted}
    places: dict[str, int] = {}
    for entry in range(n_entries):
        end = data.find(b"\0", start, start + LONGEST_WORD)
        if end < 0 or end + 1 + WORD_ENTRY > len(data):
            raise ReweighError(f"{path} is damaged: word {entry:,} of {n_entries:,} has no end.")
        word = data[start:end]
        if entry < n_words and word in sought:
            places[sought[word]] = entry
        start = end + 1 + WORD_ENTRY
    return places, start


def _kept_parts(path: Path, data: mmap.mmap, start: int, n_kept: int) -> tuple[dict[int, int] | None, int]:
    """(bucket -> row after the words, where the list ends); -1: nothing was pruned and all parts are there; 0: none is."""
    if n_kept < 0:
        return None, start
    if n_kept == 0:
        return {}, start
    end = start + 8 * n_kept
    if end > len(data):
        raise ReweighError(f"{path} is cut: its list of parts ends at byte {end:,} of {len(data):,}.")
    pairs = np.frombuffer(data[start:end], "<i4").reshape(-1, 2)
    if pairs[:, 1].min() < 0 or pairs[:, 1].max() >= n_kept:
        raise ReweighError(f"{path} is damaged: a kept part lies outside the {n_kept:,} that there are.")
    return dict(pairs.tolist()), end


def _matrix(path: Path, data: mmap.mmap, start: int, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """The rows of words and parts, mapped; shape (words, parts, size) is what the header says of them."""
    n_words, n_parts, size = shape
    if start + MATRIX.size > len(data):
        raise ReweighError(f"{path} is cut: its matrix begins after its end.")
    is_compressed, m, n = MATRIX.unpack_from(data, start)
    if is_compressed:
        raise ReweighError(
            f"{path} is a compressed model (.ftz), which is not read; take the model before it was compressed."
        )
    start += MATRIX.size
    if n != size or m < n_words + n_parts or m > (len(data) - start) // (4 * size):
        raise ReweighError(
            f"{path} is cut or damaged: a matrix of {m:,} x {n} is announced, {n_words + n_parts:,} x {size} needed, "
            f"{len(data) - start:,} bytes are left for it."
        )
    return np.memmap(path, "<f4", "r", start, (m, n))
