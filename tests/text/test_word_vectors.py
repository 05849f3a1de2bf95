"""Vectors of words in text form, and the mean vector of a label's words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.text.label_names import name_vectors
from reweigh.text.word_vectors import WordVectors, mean_word_vectors, read_vector_lines, read_word_vectors

LINES = "3 2\ncat 1 0\ndog 0 2\nsiamese 3 4\n"


def written(tmp_path: Path, text: str | bytes, name: str = "words.vec") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_wanted_words_are_read_with_a_header_or_without(tmp_path: Path) -> None:
    """fastText writes a header and a blank at the end of each line, GloVe neither."""
    for text in (
        LINES,
        LINES.split("\n", 1)[1],
        LINES.replace("\n", " \n"),
        LINES.replace("\n", "\r\n"),
        LINES.rstrip(),
    ):
        found = read_word_vectors(written(tmp_path, text), ("cat", "siamese", "cow"))
        assert found.size == 2 and found.vectors.keys() == {"cat", "siamese"}
        assert found.vectors["siamese"].tolist() == [3, 4]


def test_a_spelling_with_capitals_serves_where_the_lower_one_is_missing(tmp_path: Path) -> None:
    """Nouns of some languages stand in files with a capital only; the first of two such spellings is the more frequent."""
    path = written(tmp_path, "Cat 9 9\nDog 1 1\nDOG 2 2\ncat 3 3\n")
    found = read_vector_lines(path, ("cat", "dog"))[1]
    assert found["cat"].tolist() == [3, 3] and found["dog"].tolist() == [1, 1]


def test_a_word_may_hold_blanks_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    """GloVe 840B has `. . .` as a word."""
    found = read_vector_lines(written(tmp_path, b"3 2\n. . . 1 2\n\xff\xfe 1 2\ncat 5 6\n"), ("cat",))[1]
    assert found["cat"].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3 2\ncat 1 0\ndog 0\nsiamese 3 4\n", "line 3: 1 values, expected 2"),
        ("2 2\ncat 1 0\n\n", "line 3: 0 values"),
        ("3 2\ncat 1 0\n", "promises 3 words and has 1"),
        ("1 2\ncat 1 0\ndog 1 1\n", "promises 1 words and has 2"),
        ("1 2\ncat 1 x\n", "line 2: a value of 'cat' is not a number"),
        ("1 2\ncat nan 1\n", "line 2: a value of 'cat' is NaN"),
        ("1 2\ncat 1e99 1\n", "line 2: a value of 'cat' is NaN or infinite"),
        ("", "does not begin like word vectors"),
        ("<!DOCTYPE html>\n", "does not begin like word vectors"),
        ("x" * (1 << 20), "longer than"),
        ("cat" + " 1" * 10_001 + "\n", "does not begin like word vectors"),
    ],
)
def test_malformed_lines_are_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=words):
        read_vector_lines(written(tmp_path, text), ("cat",))


def test_files_of_other_names_and_missing_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"\*\.vec, \*\.txt or \*\.bin; found words\.npy"):
        read_word_vectors(written(tmp_path, "", "words.npy"), ())
    with pytest.raises(ReweighError, match="there is no such file"):
        read_word_vectors(tmp_path / "none.vec", ())


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1, max_size=9))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]]) -> None:
    words = [f"w{i}" for i in range(len(rows))]
    lines = [f"{len(rows)} 3", *(f"{word} {' '.join(map(repr, row))}" for word, row in zip(words, rows, strict=True))]
    path = written(tmp_path_factory.mktemp("vec"), "\n".join(lines))
    found = read_vector_lines(path, words)[1]
    for word, row in zip(words, rows, strict=True):
        assert found[word].tolist() == np.array(row, np.float32).tolist()


def test_a_label_is_the_mean_of_its_words_each_of_length_one() -> None:
    """siamese (3, 4) -> (.6, .8), cat (5, 0) -> (1, 0): sum (1.6, .8), of length 1 (.894, .447). Unknown words are left out and told."""
    known = WordVectors(size=2, vectors={"siamese": np.array([3, 4], np.float32), "cat": np.array([5, 0], np.float32)})
    found = mean_word_vectors(["Siamese cat", "cat of Thailand", "tench"], known)
    assert found.vectors == pytest.approx(np.array([[0.8944, 0.4472], [1, 0], [0, 0]]), abs=1e-4)
    assert found.unknown == ("of", "tench", "thailand")


def test_opposite_words_have_no_mean_and_nothing_is_divided_by_zero() -> None:
    known = WordVectors(
        size=1, vectors={"up": np.ones(1, np.float32), "down": -np.ones(1, np.float32), "nil": np.zeros(1, np.float32)}
    )
    assert mean_word_vectors(["up down", "nil"], known).vectors.tolist() == [[0], [0]]


def test_names_that_share_words_or_stems_are_near() -> None:
    vectors = name_vectors(["Siamese cat", "Persian cat", "freight car", "", "freight cars"])
    cosines = vectors @ vectors.T
    assert np.diag(cosines).tolist() == pytest.approx([1, 1, 1, 0, 1])
    assert cosines[0, 1] > cosines[0, 2] + 0.1 and cosines[2, 4] > 0.5
