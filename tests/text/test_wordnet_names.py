"""A name's noun synsets: from the index where it is a lemma, by its singular where it is a plural."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.text.wordnet import find_wordnet
from reweigh.text.wordnet_names import NounIndex, noun_senses, read_noun_index

HEADER = "  1 WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  \n"
CRANE = "crane n 5 4 @ ~ #m + 5 0 10914447 10914331 09295455 03126707 02012849  \n"
LINES = (
    CRANE
    + "hot_dog n 1 2 @ ~ 1 1 00000012  \nmouse n 1 1 @ 1 1 00000034  \nt-shirt n 1 1 @ 1 0 00000056  \n1 n 1 1 @ 1 1 00000078  \n"
)
FIRST_SENSES = {
    "crane": "n10914447", "tench": "n01440764", "dogs": "n02084071", "mice": "n02330245", "geese": "n01855672", "German_shepherd": "n02106662",
    "german shepherd": "n02106662", "Siamese Cat": "n02123597", "glasses": "n04272054", "men": "n08212347", "firemen": "n00432587",
    "knives": "n03623556", "buses": "n02924116", "boxes": "n02883344", "churches": "n08082602", "dishes": "n03206908", "berries": "n07742704",
    "oxen": "n02402425", "children": "n09917593", "T-shirt": "n03595614", "hot dogs": "n10187710", "mothers-in-law": "n10333317",
    "axes": "n02764044", "cacti": "n11842204", "scissors": "n04148054", "pants": "n02854739", "species": "n08110373", "zzz": None,
    "photos of dogs": None,
}  # fmt: skip
"""As NLTK 3.10 finds them in the same files (of 12,168 lemmas and made-up plurals all but numbers and hyphens agreed)."""


@pytest.fixture
def index(tmp_path: Path) -> NounIndex:
    """Four nouns and an irregular plural."""
    (tmp_path / "data.noun").write_text(HEADER)
    (tmp_path / "index.noun").write_text(HEADER + LINES)
    (tmp_path / "noun.exc").write_text("mice mouse\n\nlone\n")
    return read_noun_index(tmp_path)


def test_senses_come_in_the_order_of_the_index(index: NounIndex) -> None:
    assert noun_senses(index, "crane") == ("n10914447", "n10914331", "n09295455", "n03126707", "n02012849")


@pytest.mark.parametrize("name", ["hot dog", "Hot_Dog", " hot  dogs ", "hot-dog", "HOT DOGS"])
def test_case_blanks_hyphens_and_plurals_do_not_matter(index: NounIndex, name: str) -> None:
    assert noun_senses(index, name) == ("n00000012",)


def test_irregular_plurals_and_hyphens_of_lemmas_are_known(index: NounIndex) -> None:
    assert noun_senses(index, "mice") == ("n00000034",) and noun_senses(index, "T-shirts") == ("n00000056",)


@pytest.mark.parametrize("name", ["1", "", "_", "zzz", "lone", "s"])
def test_numbers_and_unknown_words_have_no_sense(index: NounIndex, name: str) -> None:
    assert noun_senses(index, name) == ()


@given(st.text())
def test_any_name_has_senses_or_none(name: str) -> None:
    index = NounIndex(path=Path("index.noun"), lines={"dog": "n 1 1 @ 1 1 00000012"}, singular={})
    assert noun_senses(index, name) in ((), ("n00000012",))


def test_another_version_a_missing_and_a_broken_index_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(HEADER)
    with pytest.raises(ReweighError, match=r"No index\.noun in .*, where data\.noun is"):
        read_noun_index(tmp_path)
    (tmp_path / "index.noun").write_text(HEADER.replace("3.0", "3.1") + LINES)
    with pytest.raises(ReweighError, match=r"is WordNet 3\.1"):
        read_noun_index(tmp_path)
    (tmp_path / "index.noun").write_text("dog v 1\n")
    with pytest.raises(ReweighError, match=r"is not WordNet's index\.noun"):
        read_noun_index(tmp_path)
    (tmp_path / "index.noun").write_text(HEADER + LINES[:-3])
    with pytest.raises(ReweighError, match=r"index\.noun ends within a line: it was cut"):
        read_noun_index(tmp_path)
    (tmp_path / "index.noun").write_text("dog n 7 1 @ 1\n")
    with pytest.raises(ReweighError, match="the line of 'dog' is not one of WordNet's"):
        noun_senses(read_noun_index(tmp_path), "dog")


def test_the_real_index_gives_the_first_senses_of_the_reference() -> None:
    try:
        find_wordnet()
    except ReweighError as missing:
        pytest.skip(f"needs WordNet 3.0's files: {missing}")
    index = read_noun_index()
    found = {name: (noun_senses(index, name) or (None,))[0] for name in FIRST_SENSES}
    assert found == FIRST_SENSES
    assert len(noun_senses(index, "crane")) == 5 and noun_senses(index, "crane")[4] == "n02012849"
