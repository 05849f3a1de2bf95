"""Groups are the connected components of what rows share."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.catalog.grouping import Grouping, position, repeated_numbers
from reweigh.catalog.text_numbers import text_numbers

keys = st.one_of(st.none(), st.sampled_from("abcdefgh"))
rows = st.lists(st.tuples(keys, keys), min_size=1, max_size=30)


def by_hand(pairs: list[tuple[str | None, str | None]]) -> list[str | None]:
    """Smallest row of each row's component by merging sets until nothing changes; None where alone."""
    groups = [{i} for i in range(len(pairs))]
    for i, a in enumerate(pairs):
        for j, b in enumerate(pairs[:i]):
            if any(x is not None and x == y for x, y in zip(a, b, strict=True)):
                joined = groups[i] | groups[j]
                for member in joined:
                    groups[member] = joined
    return [f"{min(group):03d}" if len(group) > 1 else None for group in groups]


@given(pairs=rows, size=st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_groups_equal_those_of_a_slow_merge(pairs: list[tuple[str | None, str | None]], size: int) -> None:
    columns = {
        "uid": pa.array([f"{i:03d}" for i in range(len(pairs))]),
        "content": pa.array([a for a, _ in pairs], pa.string()),
        "group": pa.array([b for _, b in pairs], pa.string()),
        "label": pa.array([0] * len(pairs), pa.int32()),
        "split": pa.array(["train"] * len(pairs)),
    }
    table = pa.table(columns)
    grouping = Grouping()
    for batch in table.to_batches(max_chunksize=size):
        grouping.add(batch)
    grouping.resolve()
    found = [v for start in range(0, len(pairs), size) for v in grouping.column(table.slice(start, size)).to_pylist()]
    assert found == by_hand(pairs)


def test_a_number_is_repeated_when_it_stands_twice_and_is_not_zero() -> None:
    assert repeated_numbers(np.array([3, 0, 1, 3, 0, 2, 3], np.uint64)).tolist() == [3]


def test_a_number_that_is_not_there_has_place_minus_one() -> None:
    among = np.array([2, 5], np.uint64)
    assert position(np.array([5, 1, 9, 2], np.uint64), among).tolist() == [1, -1, -1, 0]
    assert position(np.array([5], np.uint64), among[:0]).tolist() == [-1]


@given(texts=st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_numbers_of_texts_are_equal_where_the_texts_are(texts: list[str | None]) -> None:
    numbers = text_numbers(pa.array(texts, pa.string())).tolist()
    assert [n == 0 for n in numbers] == [t is None for t in texts]
    known = {(t, n) for t, n in zip(texts, numbers, strict=True) if t is not None}
    assert len(known) == len({t for t, _ in known}) == len({n for _, n in known})


def test_numbers_of_texts_do_not_depend_on_the_block_or_the_slice() -> None:
    texts = pa.array([f"train/{i:07d}.jpg" for i in range(40_000)])
    numbers = text_numbers(texts)
    assert len(set(numbers.tolist())) == 40_000
    assert (text_numbers(texts.slice(16_000, 1000)) == numbers[16_000:17_000]).all()
    assert (text_numbers(pa.chunked_array([texts[:5], texts[5:]])) == numbers).all()
