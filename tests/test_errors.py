"""Errors name what there is and what is near."""

from __future__ import annotations

import pytest

from reweigh.errors import ReweighError, look_up, nearest


def test_a_name_in_the_table_is_found() -> None:
    assert look_up("b", {"a": 1, "b": 2}, kind="letter") == 2


def test_a_name_that_is_not_there_lists_the_others_and_the_nearest() -> None:
    with pytest.raises(ReweighError) as caught:
        look_up("prototypes", {"class_balance": 1, "prototype": 2}, kind="weigher")
    assert (
        str(caught.value)
        == "No weigher named 'prototypes'; there are: class_balance, prototype. Did you mean 'prototype'?"
    )


def test_nothing_near_is_said_with_nothing() -> None:
    assert nearest("zzz", ["a", "b"]) == ""
    with pytest.raises(ReweighError, match="there are: none"):
        look_up("x", {}, kind="thing")
