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


def test_a_message_is_one_line_whatever_names_are_in_it() -> None:
    # a line end, an escape that would colour the terminal, a lone surrogate, U+2028
    assert str(ReweighError("no 'a\nb\x1b[31m\udcff\u2028'")) == r"no 'a\nb\x1b[31m\udcff\u2028'"
    assert str(ReweighError("café 猫")) == "café 猫"


def test_a_message_without_end_is_cut() -> None:
    said = str(ReweighError("begin " + "x" * 10_000 + " end"))
    assert len(said) == 2005 and said.startswith("begin x") and said.endswith("x end") and " ... " in said
