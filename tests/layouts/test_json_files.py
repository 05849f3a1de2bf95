"""Arrays of JSON an element at a time: as Python's own reader has them, and broken files told in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.layouts import json_files
from reweigh.layouts.json_files import is_plain_path, read_elements, whole_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    elements=st.lists(VALUES, max_size=6),
    before=st.dictionaries(st.text(max_size=4), VALUES, max_size=3),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 2]),
)
def test_elements_are_those_that_pythons_reader_has(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    elements: list[Any],
    before: dict[str, Any],
    chunk: int,
    indent: int | None,
) -> None:
    monkeypatch.setattr(json_files, "CHUNK", chunk)
    before.pop("data", None)
    path = tmp_path / "x.json"
    for whole in (elements, {**before, "data": elements, "after": 1}):
        path.write_text(json.dumps(whole, indent=indent), encoding="utf-8")
        assert list(read_elements(path, "data")) == elements


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "looked for an array under 'data', found none"),
        ("3", "looked for an array"),
        ('{"images": []}', "has no key 'data'"),
        ('{"data": 3}', "looked for an array under 'data'"),
        ('{"data": [{"a": 1}, {"b"', "is no whole JSON: .*Is the download complete"),
        ('{"data": [1 2]}', "is no whole JSON"),
        ("{1: 2}", "is no whole JSON"),
        ('{"data" [', "is no whole JSON"),
        ("[" * 100_000, "is no whole JSON"),
        ("[" + "9" * 5000 + "]", "is no whole JSON"),
    ],
)
def test_what_is_broken_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ReweighError, match=message):
        list(read_elements(tmp_path / "x.json", "data"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=60), st.text('{}[]",:a1 \\', max_size=40).map(str.encode)))
def test_any_bytes_give_elements_or_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    for read in (lambda p: list(read_elements(p, "a")), lambda p: whole_json(p, dict[str, list[str]])):
        try:
            read(tmp_path / "x.json")
        except ReweighError as error:
            assert "\n" not in str(error)


def test_a_whole_file_has_its_type_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": ["b"]}')
    assert whole_json(path, dict[str, list[str]]) == {"a": ["b"]}
    path.write_text('{"a": [' + "[" * 100_000)
    with pytest.raises(ReweighError, match=r"cannot be read: .*Is the download complete"):
        whole_json(path, dict[str, list[str]])
    monkeypatch.setattr(json_files, "LARGEST", 10)
    with pytest.raises(ReweighError, match="has 100,007 bytes; at most 10 are read"):
        whole_json(path, dict[str, list[str]])
    with pytest.raises(ReweighError, match=r"No y\.json in .*nothing is there"):
        whole_json(tmp_path / "y.json", dict[str, list[str]])


@pytest.mark.parametrize("name", ["a\nb.jpg", "../a.jpg", "/a.jpg", "\ud800.jpg", "C:/a.jpg", "a\0.jpg"])
def test_a_path_with_line_ends_or_out_of_the_folder_is_none(name: str) -> None:
    assert not is_plain_path(name) and is_plain_path("a/\u00e9 1,2.jpg")
