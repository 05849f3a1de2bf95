"""fastText's binary models: parity with the package on its own files, and files written from the format's description."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.text.fasttext_binary import hash_of_part, parts_of_word, read_fasttext_binary

GOLDEN = Path(__file__).with_name("golden") / "fasttext.json"
"""Three small models of the package fasttext 0.9.3, as base64 of zlib, with its own vectors of known and unknown words."""
MODELS: dict[str, Any] = json.loads(GOLDEN.read_text())
WORDS = ("cat", "dog", "</s>")


def model(
    *, size: int = 2, n_buckets: int = 5, shortest: int = 3, longest: int = 3, magic: int = 793_712_314, version: int = 12, n_words: int = 3,
    n_kept: int = -1, kept: tuple[int, ...] = (), is_compressed: bool = False, rows: int = 0, kind: int = 2,
) -> bytes:  # fmt: skip
    """A model of three words as FastText::saveModel writes it; row r of the matrix is (r, -r) at size 2."""
    rows = rows or 3 + (n_buckets if n_kept < 0 else len(kept) // 2)
    head = struct.pack("<2i", magic, version) + struct.pack(
        "<12id", size, 5, 5, 1, 5, 1, 1, kind, n_buckets, shortest, longest, 100, 1e-4
    )
    counts = struct.pack("<3i2q", n_words, n_words, 0, 100, n_kept)
    words = b"".join(word.encode() + b"\0" + struct.pack("<qb", 7, 0) for word in WORDS)
    matrix = np.outer(np.arange(rows), (1, -1) if size == 2 else np.ones(max(size, 0))).astype("<f4")
    return (
        head + counts + words + struct.pack(f"<{len(kept)}i", *kept) + struct.pack("<?2q", is_compressed, rows, size) + matrix.tobytes()
    )  # fmt: skip


def read(tmp_path: Path, data: bytes, *words: str) -> dict[str, Any]:
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    return read_fasttext_binary(path, words)[1]


@pytest.mark.parametrize("name", MODELS)
def test_vectors_are_those_of_the_package(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(zlib.decompress(base64.b64decode(MODELS[name]["file"])))
    expected = MODELS[name]["vectors"]
    size, found = read_fasttext_binary(path, list(expected))
    assert size == 8
    for word, vector in expected.items():
        if word in found:
            assert np.abs(found[word] - vector).max() < 2e-7, word
        else:
            assert not any(vector), f"{word} is missing here and has a vector there"


def test_a_word_is_cut_into_runs_of_letters_with_its_brackets() -> None:
    """<ab> of 2 to 3 letters: <a, <ab, ab, ab>, b>. A letter of several bytes is one letter; a bracket alone is no part."""
    assert list(parts_of_word("<ab>", 2, 3)) == [b"<a", b"<ab", b"ab", b"ab>", b"b>"]
    assert list(parts_of_word("<ß>", 1, 2)) == ["<ß".encode(), "ß".encode(), "ß>".encode()]


def test_the_hash_reads_bytes_as_signed() -> None:
    """FNV-1a of `a`: (2166136261 ^ 97) 16777619 mod 2^32 = 3826002220. Of byte 0xC3, which is -61: ^ 0xFFFFFFC3 first."""
    assert hash_of_part(b"") == 2_166_136_261
    assert hash_of_part(b"a") == 3_826_002_220
    assert hash_of_part(b"\xc3") == ((2_166_136_261 ^ 0xFFFFFFC3) * 16_777_619) % 2**32


def test_a_known_word_is_the_mean_of_its_row_and_its_parts_an_unknown_one_of_its_parts(tmp_path: Path) -> None:
    """cat: row 0 and <ca, cat, at>; cow: <co, cow, ow>. Part p is row 3 + hash(p) mod 5, row r is (r, -r)."""
    found = read(tmp_path, model(), "cat", "cow", "</s>")
    parts = {word: [3 + hash_of_part(p) % 5 for p in parts_of_word(f"<{word}>", 3, 3)] for word in ("cat", "cow")}
    assert found["cat"].tolist() == pytest.approx([sum(parts["cat"]) / 4, -sum(parts["cat"]) / 4])
    assert found["cow"].tolist() == pytest.approx([sum(parts["cow"]) / 3, -sum(parts["cow"]) / 3])
    assert found["</s>"].tolist() == [2, -2]


def test_without_parts_an_unknown_word_is_missing(tmp_path: Path) -> None:
    found = read(tmp_path, model(longest=0, n_buckets=0), "dog", "cow")
    assert found.keys() == {"dog"} and found["dog"].tolist() == [1, -1]


def test_a_supervised_model_of_version_11_has_no_parts(tmp_path: Path) -> None:
    assert read(tmp_path, model(version=11, kind=3), "dog", "cow").keys() == {"dog"}


def test_a_pruned_model_uses_the_parts_that_are_kept(tmp_path: Path) -> None:
    """Of cow's three parts only those in the list of buckets count, at the row that the list gives; none kept: no vector."""
    buckets = [hash_of_part(p) % 5 for p in parts_of_word("<cow>", 3, 3)]
    found = read(tmp_path, model(n_kept=1, kept=(buckets[0], 0)), "cow")
    assert found["cow"].tolist() == [3, -3]
    assert read(tmp_path, model(n_kept=0), "cow", "dog").keys() == {"dog"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (b"word 0.1 0.2\n" * 20, "no fastText model of version 11 or 12"),
        (model(magic=1), "begins with 1, 12"),
        (model(version=13), "793712314, 13"),
        (model(size=0), "damaged"),
        (model(size=-5), "damaged"),
        (model(n_words=2**30), "damaged"),
        (model(n_words=-1), "damaged"),
        (model(n_buckets=-1, rows=8), "damaged"),
        (model(n_buckets=2**31 - 1, rows=8), "cut or damaged"),
        (model(shortest=0), "damaged"),
        (model(longest=2**30), "damaged"),
        (model(n_kept=2**60, rows=8), "damaged"),
        (model(n_kept=1, kept=(0, 9)), "kept part lies outside"),
        (model(n_kept=1, kept=(0, -2)), "kept part lies outside"),
        (model(is_compressed=True), "compressed"),
        (model(rows=7), "cut or damaged"),
        (model()[:-1], "cut or damaged"),
        (model()[:130], "word 2 of 3 has no end"),
        (model()[:145], "cut"),
        (model(n_words=20), "damaged|cut"),
    ],
)
def test_what_is_no_whole_model_is_refused_in_a_line(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=words) as error:
        read(tmp_path, data, "cat")
    assert "\n" not in str(error.value)


def test_a_vector_that_is_not_finite_is_named(tmp_path: Path) -> None:
    data = bytearray(model(longest=0))
    data[-8 * 8 : -8 * 8 + 4] = struct.pack("<f", float("nan"))
    with pytest.raises(ReweighError, match="'cat' is NaN or infinite"):
        read(tmp_path, bytes(data), "cat")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 220), st.binary(min_size=1, max_size=8), st.integers(0, 250))
def test_damage_gives_an_error_in_a_line_or_vectors_of_the_right_size(
    tmp_path_factory: pytest.TempPathFactory, at: int, put: bytes, length: int
) -> None:
    data = bytearray(model())
    data[at : at + len(put)] = put
    path = tmp_path_factory.mktemp("damaged") / "model.bin"
    path.write_bytes(bytes(data[: max(length, 40)]))
    try:
        size, found = read_fasttext_binary(path, ("cat", "cow"))
    except ReweighError:
        return
    assert all(vector.shape == (size,) for vector in found.values())
