"""Names made of any text: one part of a path, visible, short, and each its own."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.runs.exports.safe_names import LONGEST, folder_names, last_part, safe_name, with_mark

ODD = st.sampled_from(
    [
        "",
        ".",
        "..",
        "...",
        "a/b",
        "../x",
        "/x",
        "con.",
        " x ",
        "a\0b",
        "é" * 200 + ".jpg",
        "x." + "y" * 300,
        "~",
        "-rf",
        "\u202e",
    ]
)
TEXTS = st.text(max_size=300) | ODD


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_a_name_is_one_visible_part_of_a_path(text: str) -> None:
    name = safe_name(text, empty="image")
    assert name == Path(name).name != ""
    assert not name.startswith((".", " ")) and not name.endswith((".", " "))
    assert len(name.encode()) <= LONGEST
    assert "\\" not in name and "\0" not in name and name.isprintable()
    assert Path("/a", name).resolve().parent == Path("/a")
    assert safe_name(name, empty="image") == name, "a safe name stays as it is"


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=12))
def test_folders_of_classes_are_all_different_where_capitals_do_not_count(names: list[str]) -> None:
    made = folder_names(names, taken=("_wrong",))
    assert len({name.casefold() for name in made} | {"_wrong"}) == len(names) + 1
    assert all(name == Path(name).name != "" and len(name.encode()) <= LONGEST + 3 for name in made)


def test_an_ordinary_name_is_kept_and_a_long_one_keeps_its_ending() -> None:
    assert safe_name("Kälte 1.jpeg", empty="x") == "Kälte 1.jpeg"
    assert safe_name("x" * 300 + ".jpeg", empty="x") == "x" * 115 + ".jpeg"
    assert folder_names(["cat", "Cat", "a/b", "a_b", ""]) == ("cat", "Cat-2", "a_b", "a_b-2", "class 4")
    assert [last_part(p) for p in ("a/b.jpg", "a\\b.jpg", "a/b/", "..")] == ["b.jpg", "b.jpg", "b", ".."]


def test_a_mark_stands_before_the_ending_and_is_that_of_the_uid() -> None:
    assert with_mark("x.jpg", "a", 1) == "x-ca234c55.jpg"
    assert with_mark("x", "a", 2) == "x-ca234c55-2"
