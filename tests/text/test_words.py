"""Words of any script: folded, composed, without numbers."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reweigh.text.words import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My Siamese_cat, 2011!", ["my", "siamese", "cat"]),
        ("4x4 off-road 007", ["4x4", "off", "road"]),
        ("Women's", ["women", "s"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("Cafe\N{COMBINING ACUTE ACCENT} caf\N{LATIN SMALL LETTER E WITH ACUTE}", ["café", "café"]),
        ("한국어 단어", ["한국어", "단어"]),
        ("", []),
        ("12 ٣٤ ๑๒ ²", []),
    ],
)
def test_words_are_folded_segments_without_numbers(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_vowel_signs_do_not_cut_words_of_indic_scripts() -> None:
    assert words("हिन्दी में") == ["हिन्दी", "में"]


def test_a_joiner_that_is_not_seen_does_not_cut_a_word() -> None:
    assert words("soft\N{SOFT HYPHEN}ware می\N{ZERO WIDTH NON-JOINER}خواهم") == ["software", "میخواهم"]


def test_scripts_without_blanks_give_characters_with_their_marks() -> None:
    assert words("黒い猫とcat") == ["黒", "い", "猫", "と", "cat"]
    assert words("ネコ") == ["ネ", "コ"]
    assert words("น้ำ") == ["น\N{THAI CHARACTER MAI THO}", "\N{THAI CHARACTER SARA AM}"]
    assert words("ကခ") == ["က", "ခ"]
    assert words("ជា") == ["ជ\N{KHMER VOWEL SIGN AA}"]
    assert words("ລາວ") == ["ລ", "າ", "ວ"]


@given(st.text())
@example("ΌΣΟΣ ſt \N{COMBINING GREEK YPOGEGRAMMENI}α")
def test_words_of_words_are_the_same_words(text: str) -> None:
    found = words(text)
    assert words(" ".join(found)) == found
    assert all(word and not word.isdigit() and unicodedata.is_normalized("NFC", word) for word in found)


@given(st.text())
def test_case_and_composition_do_not_matter(text: str) -> None:
    expected = words(text)
    for form in ("NFC", "NFD"):
        assert words(unicodedata.normalize(form, text)) == expected
    assert words(text.casefold()) == expected


@given(st.text(st.characters(max_codepoint=127)))
def test_the_quick_way_for_ascii_is_the_same(text: str) -> None:
    assert words(text + " é")[:-1] == words(text)
