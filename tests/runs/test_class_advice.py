"""Merge, rename or swap: the rule by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reweigh.runs.class_advice import FEWEST, LEAST, MOST, MUCH, RULE, advice, advised_pairs


@pytest.mark.parametrize(
    ("n", "share", "n_back", "share_back", "said"),
    [
        (20, 0.20, 16, 0.16, "merge?"),
        (20, 0.20, 14, 0.14, ""),  # too few the other way
        (60, 0.60, 2, 0.02, "rename?"),
        (60, 0.60, 20, 0.20, "rename?"),  # most of the class is the other, whatever the other shows
        (20, 0.20, 60, 0.60, ""),  # that is told from the other class
        (60, 0.60, 55, 0.55, "swap?"),
        (2, 0.67, 0, 0.0, ""),  # 2 of 3 images are too few to say so
        (50, 0.50, 2, 0.67, "rename?"),  # the way back is too few
        (10, 0.15, 10, 0.15, "merge?"),  # both bounds are part of it
        (0, 0.0, 0, 0.0, ""),
    ],
)
def test_the_rule_by_hand(n: float, share: float, n_back: float, share_back: float, said: str) -> None:
    assert advice(n, share, n_back, share_back) == said


def test_the_rule_on_the_page_names_the_rule_in_the_code() -> None:
    assert RULE.replace("\u00a0", " ") == (
        "Worth a “merge?” where at least 15 % of each of two classes show the other, a “rename?” where at least 50 % of a class show "
        "one other class, a “swap?” where that is so both ways; each from 3 estimated images on."
    )
    assert (MUCH, MOST, FEWEST) == (0.15, 0.5, 3.0)


def test_pairs_with_an_advice_come_first_and_are_told_once() -> None:
    """Of 100 images each: 0 -> 1 20 and 1 -> 0 18 are mixed; 2 -> 3 70, 3 -> 2 8 is that rename's way back; 0 -> 3 25 is plain."""
    confusions = [(2, 3, 70.0), (0, 3, 25.0), (0, 1, 20.0), (1, 0, 18.0), (3, 2, 8.0), (1, 2, 0.4)]
    found = advised_pairs(confusions, np.array([100, 100, 100, 100]), most=10)
    assert [(one.given, one.truth, one.advice) for one in found] == [(2, 3, "rename?"), (0, 1, "merge?"), (0, 3, "")]
    merge = found[1]
    assert (merge.n, merge.share, merge.n_back, merge.share_back) == (20, 0.2, 18, 0.18)
    assert [(one.given, one.truth) for one in advised_pairs(confusions, np.array([100] * 4), most=2)] == [
        (2, 3),
        (0, 1),
    ]


def test_a_merge_is_told_from_the_class_with_more_images_in_the_wrong_place() -> None:
    """0 -> 1: 16 of 100; 1 -> 0: 40 of 200."""
    (found,) = advised_pairs([(1, 0, 40.0), (0, 1, 16.0)], np.array([100, 200]), most=10)
    assert (found.given, found.truth, found.advice) == (1, 0, "merge?")
    (equal,) = advised_pairs([(0, 1, 20.0), (1, 0, 20.0)], np.array([100, 100]), most=10)
    assert (equal.given, equal.truth) == (0, 1)


def test_a_class_without_images_divides_by_nothing() -> None:
    assert advised_pairs([], np.zeros(3, np.int64), most=10) == []
    (one,) = advised_pairs([(0, 1, 5.0)], np.array([10, 0]), most=10)
    assert one.advice == "rename?" and one.share_back == 0


@given(st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 4)), st.floats(0, 60), max_size=20))
def test_every_pair_of_half_an_image_is_told_in_one_direction_at_least(pairs: dict[tuple[int, int], float]) -> None:
    confusions = [(a, b, n) for (a, b), n in pairs.items() if a != b]
    found = advised_pairs(confusions, np.full(5, 60), most=1_000)
    told = {(one.given, one.truth) for one in found}
    assert len(told) == len(found)
    assert all({(a, b), (b, a)} & told for a, b, n in confusions if n >= LEAST)
    assert all((one.truth, one.given) not in told for one in found if one.advice)
