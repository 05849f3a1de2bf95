"""WordNet's file is read as it stands, and the way between two nouns goes up to a common ancestor and down again."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.text.wordnet import WordNet, find_wordnet, has_synset, read_wordnet, similarity, synset

HEADER = b"  1 WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  \n"


def nouns(parents: Mapping[str, Sequence[str]], *, instances: Sequence[str] = ()) -> tuple[bytes, dict[str, str]]:
    """(a data.noun of these words, their ids): an `@` to each parent, `@i` for the words in `instances`."""
    at, offsets = len(HEADER), {}
    for word, above in parents.items():
        offsets[word] = at
        at += len(line(word, above, "@", dict.fromkeys(above, 0), 0))
        at += len(above) * (word in instances)  # the i of @i
    text = HEADER
    for word, above in parents.items():
        text += line(word, above, "@i" if word in instances else "@", offsets, offsets[word])
    return text, {word: f"n{offset:08d}" for word, offset in offsets.items()}


def line(word: str, above: Sequence[str], symbol: str, offsets: Mapping[str, int], at: int) -> bytes:
    pointers = "".join(f"{symbol} {offsets[parent]:08d} n 0000 " for parent in above)
    return f"{at:08d} 05 n 02 {word} 0 {word}_too 1 {len(above):03d} {pointers}| a {word} | of a kind  \n".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with cats and dogs."""
    text, _ = nouns({"animal": (), "cat": ("animal",), "dog": ("animal", "pet"), "tabby": ("cat",), "pet": ("animal",)})
    (tmp_path / "data.noun").write_bytes(text)
    return tmp_path


def real_wordnet() -> WordNet:
    try:
        return read_wordnet()
    except ReweighError as missing:
        pytest.skip(f"needs WordNet 3.0's files: {missing}")


def test_a_synset_has_its_words_gloss_and_hypernyms(tmp_path: Path) -> None:
    text, ids = nouns({"animal": (), "garfield": ("animal", "cat"), "cat": ("animal",)}, instances=["garfield"])
    (tmp_path / "data.noun").write_bytes(text)
    found = synset(read_wordnet(tmp_path), ids["garfield"])
    assert found.lemmas == ("garfield", "garfield too")
    assert found.gloss == "a garfield | of a kind"
    assert found.hypernyms == (ids["animal"], ids["cat"])


def test_the_way_goes_up_and_down_by_hand(tmp_path: Path) -> None:
    # animal <- cat <- tabby; animal <- pet <- dog, animal <- dog. tabby to dog: tabby, cat, animal, dog: d = 3.
    text, ids = nouns(
        {"animal": (), "cat": ("animal",), "tabby": ("cat",), "pet": ("animal",), "dog": ("animal", "pet"), "rock": ()}
    )
    (tmp_path / "data.noun").write_bytes(text)
    made = similarity(read_wordnet(tmp_path), [ids[w] for w in ("tabby", "cat", "dog", "pet", "rock")])
    expected: list[list[float]] = [
        [1, 1 / 2, 1 / 4, 1 / 4, 0],
        [1 / 2, 1, 1 / 3, 1 / 3, 0],
        [1 / 4, 1 / 3, 1, 1 / 2, 0],
        [1 / 4, 1 / 3, 1 / 2, 1, 0],
        [0, 0, 0, 0, 1],
    ]
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, rtol=1e-6)


def test_a_common_child_is_no_way_between_two_synsets(tmp_path: Path) -> None:
    # dog is a pet and a canine, which have no common ancestor; asking for dog as well must not bring them together
    text, ids = nouns({"pet": (), "canine": (), "dog": ("pet", "canine")})
    (tmp_path / "data.noun").write_bytes(text)
    made = similarity(read_wordnet(tmp_path), [ids["pet"], ids["canine"], ids["dog"]])
    np.testing.assert_allclose(made, [[1, 0, 0.5], [0, 1, 0.5], [0.5, 0.5, 1]])


@given(st.lists(st.sets(st.integers(0, 7), max_size=3), min_size=2, max_size=8))
def test_similarity_is_that_of_a_slow_loop_over_ancestors(parents: list[set[int]]) -> None:
    above = {f"w{i}": tuple(f"w{p}" for p in sorted(own) if p < i) for i, own in enumerate(parents)}
    text, ids = nouns(above)
    made = similarity(_in_memory(text), list(ids.values()))
    ways = {word: _up(word, above) for word in above}
    for i, one in enumerate(above):
        for j, other in enumerate(above):
            shared = ways[one].keys() & ways[other].keys()
            expected = 1 / (1 + min(ways[one][a] + ways[other][a] for a in shared)) if shared else 0
            assert made[i, j] == np.float32(expected)


def _in_memory(text: bytes) -> WordNet:
    from reweigh.text import wordnet

    offsets, _, counts, targets = wordnet._parsed(text, Path("data.noun"))
    own = np.array(offsets, np.int64)
    return WordNet(
        path=Path("data.noun"), offsets=own, text=text, parents=np.searchsorted(own, np.array(targets, np.int64)),
        first_parent=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )  # fmt: skip


def _up(word: str, above: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Links from the word to each of its ancestors and to itself, breadth first."""
    found, edge = {word: 0}, [word]
    while edge:
        new = [parent for child in edge for parent in above[child] if parent not in found]
        found |= dict.fromkeys(new, found[edge[0]] + 1)
        edge = list(dict.fromkeys(new))
    return found


def test_the_real_nouns_are_all_there_and_as_described(shared_data: Path) -> None:
    wordnet = real_wordnet()
    assert len(wordnet.offsets) == 82_115
    assert synset(wordnet, "n02123597").lemmas == ("Siamese cat", "Siamese")
    assert synset(wordnet, "n02084071").lemmas[0] == "dog" and synset(wordnet, "n03594945").lemmas[0] == "jeep"
    assert not has_synset(wordnet, "n02126249") and not has_synset(wordnet, "dog")
    with (shared_data / "tiny_imagenet_40" / "classes.csv").open(newline="") as file:
        ids = [row["wnid"] for row in csv.DictReader(file)]
    made = similarity(wordnet, ids)
    np.testing.assert_array_equal(made, made.T)
    ways = []
    for name in ids:  # a slow breadth-first walk up
        way, edge = {name: 0}, [name]
        while edge:
            new = [p for c in edge for p in synset(wordnet, c).hypernyms if p not in way]
            way |= dict.fromkeys(new, way[edge[0]] + 1)
            edge = new
        ways.append(way)
    slow = [[1 / (1 + min(a[c] + b[c] for c in a.keys() & b.keys())) for b in ways] for a in ways]
    np.testing.assert_allclose(made, slow, rtol=1e-6)


def test_a_missing_folder_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"looked for data.noun in .*nowhere.*wordnet-base"):
        find_wordnet(tmp_path / "nowhere")


def test_an_unknown_synset_is_named(folder: Path) -> None:
    wordnet = read_wordnet(folder)
    with pytest.raises(ReweighError, match="No noun 'n99999999'"):
        similarity(wordnet, ["n99999999"])
    with pytest.raises(ReweighError, match="No noun 'tabby'"):
        synset(wordnet, "tabby")


def test_a_file_cut_in_a_line_is_named_with_the_line(folder: Path) -> None:
    path = folder / "data.noun"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ReweighError, match=r"data.noun, line 6: .*the file was cut"):
        read_wordnet(folder)


def test_a_file_cut_between_lines_misses_a_hypernym(folder: Path) -> None:
    path = folder / "data.noun"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(ReweighError, match=r"line 4: its hypernym \d{8} is not in the file"):
        read_wordnet(folder)


@pytest.mark.parametrize(
    "text", [b"file,label\na.jpg,1\n", b"", b"\x00\xff" * 50, HEADER + b"00000000 05 n 01 cat 0 000 | x\n"]
)
def test_an_alien_file_is_an_error(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "data.noun").write_bytes(text)
    with pytest.raises(ReweighError, match=r"line \d: not a line of WordNet|has no synset"):
        read_wordnet(tmp_path)


def test_another_version_is_refused(folder: Path) -> None:
    path = folder / "data.noun"
    path.write_bytes(path.read_bytes().replace(b"WordNet 3.0", b"WordNet 3.1"))
    with pytest.raises(ReweighError, match=r"is WordNet 3.1; wnids .* of WordNet 3.0"):
        read_wordnet(folder)


def test_the_environment_names_the_folder_before_the_usual_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = tmp_path / "usual"
    usual.mkdir()
    (usual / "data.noun").write_bytes((folder / "data.noun").read_bytes())
    monkeypatch.setattr("reweigh.text.wordnet.FOLDER", usual)
    assert find_wordnet(environment={}) == usual
    assert find_wordnet(environment={"WNSEARCHDIR": str(folder)}) == folder
    with pytest.raises(ReweighError, match=r"looked for data\.noun in .*empty, which the environment's WNSEARCHDIR"):
        find_wordnet(environment={"WNSEARCHDIR": str(tmp_path / "empty")})
    (tmp_path / "dict").mkdir()
    (folder / "data.noun").rename(tmp_path / "dict" / "data.noun")
    assert find_wordnet(environment={"WNHOME": str(tmp_path)}) == tmp_path / "dict"


def test_a_byte_of_a_gloss_that_is_not_utf_8_does_no_harm(folder: Path) -> None:
    path = folder / "data.noun"
    first, _, rest = path.read_bytes().rpartition(b" | ")
    path.write_bytes(first + b" | " + b"\xff" + rest[1:])
    wordnet = read_wordnet(folder)
    assert synset(wordnet, f"n{wordnet.offsets[-1]:08d}").gloss.endswith("| \ufffdf a kind")
