"""Values of a table's columns in our types, against slow loops over rows."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.layouts.table_columns import numbers_of, ranks_of, tags_of, texts_of

texts = st.lists(st.one_of(st.none(), st.text(st.sampled_from("ab| \u00e9"), max_size=8)), max_size=20)


@given(values=texts, start=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_tags_are_split_at_the_bar_without_blanks_and_empty_ones(values: list[str | None], start: int) -> None:
    expected = [[t.strip() for t in (v or "").split("|") if t.strip()] or None for v in values]
    assert tags_of(pa.array(values, pa.string()).slice(start)).to_pylist() == expected[start:]
    lists = pa.array([None if v is None else v.split("|") for v in values], pa.list_(pa.string()))
    assert tags_of(lists.slice(start)).to_pylist() == expected[start:]


@given(values=st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)), max_size=20), as_text=st.booleans())
@settings(max_examples=100, deadline=None)
def test_whole_numbers_come_through_as_texts_or_numbers(values: list[int | None], as_text: bool) -> None:
    given_ = (
        pa.array([None if v is None else f" {v} " for v in values], pa.string())
        if as_text
        else pa.array(values, pa.int64())
    )
    made = numbers_of(given_, pa.int32(), column="offset", where="x", uids=pa.array(["u"] * len(values)))
    assert made.to_pylist() == values


def test_a_rank_under_one_is_no_rank() -> None:
    made = numbers_of(
        pa.array([0.0, 1.0, None, -3.0]), pa.int32(), column="rank", where="x", uids=pa.array(list("abcd"))
    )
    ranks, n_negative = ranks_of(made)
    assert ranks.to_pylist() == [None, 1, None, None]
    assert n_negative == 1


def test_a_broken_number_names_its_image() -> None:
    with pytest.raises(ReweighError, match=r"x: rank '1.5' of 'b' is no whole number"):
        numbers_of(pa.array([1.0, 1.5]), pa.int32(), column="rank", where="x", uids=pa.array(["a", "b"]))


def test_numbers_that_a_gap_made_floats_are_whole_again() -> None:
    assert texts_of(pa.array([1.0, None, 3.0])).to_pylist() == ["1", None, "3"]
    assert texts_of(pa.array(["a", " ", None]).dictionary_encode()).to_pylist() == ["a", None, None]
    assert texts_of(pa.array([True, None])).to_pylist() == ["true", None]
