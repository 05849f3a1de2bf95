"""Trees of classes in the forms that they come in."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reweigh.catalog.findings import Findings
from reweigh.errors import ReweighError
from reweigh.layouts.hierarchies import read_hierarchy

NAMES = ("cola", "lemonade", "soap")
EXPECTED = [("cola", "food / drink"), ("food / drink", "food"), ("lemonade", "food / drink"), ("soap", "house")]


def read(folder: Path, tree: Any, *, names: tuple[str, ...] = NAMES) -> tuple[list[tuple[str, str]], Findings]:
    path, findings = folder / "tree.json", Findings()
    path.write_text(json.dumps(tree))
    return read_hierarchy(path, names, findings), findings


@pytest.mark.parametrize(
    "tree",
    [
        {"cola": ["food", "drink"], "lemonade": ["food", "drink"], "soap": "house"},
        {"0": ["food", "drink"], "1": ["food", "drink"], "2": ["house"]},
        [{"class_id": 0, "a": "food", "b": "drink"}, {"class_id": "1", "a": "food", "b": "drink"}, {"class_id": "soap", "a": "house"}],
        {"food": {"drink": ["cola", 1]}, "house": [2]},
        {"food": {"drink": {"cola": None, "lemonade": {}}}, "house": {"soap": []}},
    ],
)  # fmt: skip
def test_every_form_gives_the_same_pairs(tmp_path: Path, tree: Any) -> None:
    pairs, findings = read(tmp_path, tree)
    assert pairs == EXPECTED
    assert findings.warnings == []


def test_a_csv_of_children_and_parents(tmp_path: Path) -> None:
    path = tmp_path / "tree.csv"
    path.write_text("child,parent\ncola,drink\nlemonade,drink\ndrink,food\n")
    findings = Findings()
    assert read_hierarchy(path, NAMES, findings) == [("cola", "drink"), ("drink", "food"), ("lemonade", "drink")]
    assert findings.warnings == ["1 of 3 classes have no place in tree.csv: soap"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("child,parent\ncola,a\ncola,b\n", "'cola' has two parents, 'a' and 'b'"),
        ("child,parent\ncolla,a\n", r"'colla' is neither a class nor a parent of one\. Did you mean 'cola'"),
        ("child,parent\ncola,a\na,b\nb,a\n", "'a' is above itself, by"),
        ("kid,parent\ncola,a\n", "has no columns child and parent; it has: kid, parent"),
        ("child,parent\ncola\n", "pair 1 of the list has not one value for each"),
        ("child,parent\n", "lists no pair"),
        ("child,parent\ncola," + "a" * 140_000, "is not a CSV that can be read: field larger than field limit"),
    ],
)
def test_what_is_no_tree_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tree.csv"
    path.write_text(text)
    with pytest.raises(ReweighError, match=message):
        read_hierarchy(path, NAMES, Findings())


def test_a_tree_of_other_classes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match="'tea' is no class"):
        read(tmp_path, {"food": ["tea"]})
    with pytest.raises(ReweighError, match="names no class; looked for one of class_id"):
        read(tmp_path, [{"kind": "tea"}])
    with pytest.raises(ReweighError, match=r"No hierarchy at .*gone.json"):
        read_hierarchy(tmp_path / "gone.json", NAMES, Findings())


@given(st.binary(max_size=60))
@example(b'{"a":' * 3000)
@example(b'{"food": {"drink": ["cola", {"x": 1}]}}')
@example(b'{"cola": [["x"]]}')
@settings(max_examples=80, deadline=None)
def test_any_bytes_are_pairs_or_an_error(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree.json"
        path.write_bytes(data)
        try:
            assert isinstance(read_hierarchy(path, NAMES, Findings()), list)
        except ReweighError as error:
            assert str(path) in str(error)
