"""A class is the same class by its synset; by its name only where that is unmistakable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.evaluation.class_matching import NamedClasses, all_matched, match_classes

BIRD, MACHINE, TENCH, DOG = "n02012849", "n03126707", "n01440764", "n02084071"
# as the layouts webvision and imagenet name them
WEBVISION = NamedClasses(names=("tench", f"crane ({BIRD})", f"crane ({MACHINE})"), synsets=(TENCH, BIRD, MACHINE))
IMAGENET = NamedClasses(names=(TENCH, BIRD, DOG, MACHINE), synsets=(TENCH, BIRD, DOG, MACHINE))


def plain(*names: str) -> NamedClasses:
    return NamedClasses(names=names, synsets=(None,) * len(names))


def test_synsets_match_whatever_the_names() -> None:
    match = match_classes(WEBVISION, IMAGENET)
    assert match.classes.tolist() == [0, 1, 3] and (match.by_synset, match.by_name, match.unmatched) == (3, 0, ())
    back = match_classes(IMAGENET, WEBVISION)
    assert back.classes.tolist() == [0, 1, -1, 2] and back.unmatched == (DOG,)


def test_names_match_where_a_synset_is_missing() -> None:
    match = match_classes(
        plain("Tench", "hot_dog", "dog"), NamedClasses(names=("hot dog", "tench"), synsets=(None, TENCH))
    )
    assert match.classes.tolist() == [1, 0, -1] and match.by_name == 2 and match.unmatched == ("dog",)


@pytest.mark.parametrize(("theirs", "ours"), [(("crane", "crane"), ("crane",)), (("crane",), ("crane", "crane"))])
def test_a_name_of_two_classes_matches_nothing(theirs: tuple[str, ...], ours: tuple[str, ...]) -> None:
    match = match_classes(plain(*theirs), plain(*ours))
    assert set(match.classes.tolist()) == {-1} and match.unmatched[0] == "crane (several classes have this name)"


def test_one_crane_is_not_told_from_two_by_its_name() -> None:
    two = NamedClasses(names=("crane", "crane"), synsets=(BIRD, MACHINE))
    assert match_classes(NamedClasses(names=("crane",), synsets=(MACHINE,)), two).classes.tolist() == [1]
    assert match_classes(plain("crane"), two).classes.tolist() == [-1]
    assert match_classes(plain("crane"), WEBVISION).unmatched == ("crane",)


def test_two_synsets_of_one_name_are_two_classes() -> None:
    one, other = (NamedClasses(names=("crane",), synsets=(wnid,)) for wnid in (BIRD, MACHINE))
    assert match_classes(one, other).unmatched == (f"crane ({BIRD}, the model's is {MACHINE})",)


def test_of_a_synset_that_two_of_the_models_classes_have_the_name_decides() -> None:
    two = NamedClasses(names=("crane", "heron", "tench"), synsets=(BIRD, BIRD, TENCH))
    assert match_classes(two, two).classes.tolist() == [0, 1, 2]
    match = match_classes(NamedClasses(names=("stork",), synsets=(BIRD,)), two)
    assert match.unmatched == (f"stork (several of the model's classes are {BIRD})",) and match.by_synset == 0


def test_names_that_differ_in_case_only_are_told_apart_exactly() -> None:
    assert match_classes(plain("Polish", "polish"), plain("polish", "Polish")).classes.tolist() == [1, 0]
    assert match_classes(plain("POLISH"), plain("polish", "Polish")).classes.tolist() == [-1]


def test_what_is_not_matched_is_listed() -> None:
    match = match_classes(plain("dog", "cat", "blue"), plain("dog", "grey"))
    with pytest.raises(
        ReweighError,
        match=r"2 of 3 classes that the model does not know: cat, blue\. The model knows: dog, grey\. Hint$",
    ):
        all_matched(match, ("dog", "grey"), hint=" Hint")
    assert all_matched(match_classes(plain("dog"), plain("dog")), ("dog",)).tolist() == [0]


SIDES = st.lists(
    st.tuples(st.sampled_from(["a", "A", "b", "c c", "c_c"]), st.sampled_from([None, "n1", "n2", "n3"])),
    min_size=1,
    max_size=6,
)


@given(theirs=SIDES, ours=SIDES)
def test_no_match_contradicts_a_synset_and_all_are_counted(
    theirs: list[tuple[str, str | None]], ours: list[tuple[str, str | None]]
) -> None:
    one, other = (NamedClasses(names=tuple(n for n, _ in s), synsets=tuple(w for _, w in s)) for s in (theirs, ours))
    match = match_classes(one, other)
    assert match.by_synset + match.by_name + len(match.unmatched) == len(theirs)
    for label, found in enumerate(match.classes.tolist()):
        if found >= 0:
            assert one.synsets[label] == other.synsets[found] or None in (one.synsets[label], other.synsets[found])
            assert one.synsets[label] == other.synsets[found] or one.names[label].casefold().replace(
                "_", " "
            ) == other.names[found].casefold().replace("_", " ")
