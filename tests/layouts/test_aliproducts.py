"""AliProducts as published programs read it."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.layouts.webvision_miniature import jpeg, write

from reweigh.catalog.tables import read_classes, read_columns
from reweigh.errors import ReweighError
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise


def aliproducts(root: Path, *, tree: Any = None) -> Path:
    """Three classes with eight training images, class numbers as numbers and as texts, one image a PNG."""
    rows = {
        "train": [(number % 3, f"{1000 + number}.{'png' if number == 1 else 'jpg'}") for number in range(8)],
        "val": [(0, "1.jpg"), (1, "2.jpg"), (2, "3.jpg")],
    }
    for split, own in rows.items():
        listed = [{"class_id": label if split == "train" else f"{label:05d}", "image_id": name} for label, name in own]
        write(root / f"{split}.json", json.dumps({"images": listed}))
        for label, name in own:
            form = "PNG" if name.endswith(".png") else "JPEG"
            write(root / split / f"{label:05d}" / name, jpeg(int(name.split(".")[0]) % 97, form=form))
    tree = {"0": ["food", "drink"], "1": ["food", "drink"], "2": ["house"]} if tree is None else tree
    write(root / "product_tree.json", json.dumps(tree))
    return root


def test_lists_folders_and_tree_become_a_catalog(tmp_path: Path) -> None:
    root = aliproducts(tmp_path / "ali")
    assert recognise(root)[0] == "aliproducts"
    assert recognise(root)[1].certainty == Certainty.CERTAIN
    catalog = index(root, tmp_path / "c")
    assert catalog.counts["splits"] == {"train": 8, "val": 3}
    assert read_classes(catalog).names == ("00000", "00001", "00002")
    table = read_columns(catalog, ["uid", "label"])
    assert dict(zip(table["uid"].to_pylist(), table["label"].to_pylist(), strict=True))["train/00001/1001.png"] == 1
    tree = pq.read_table(catalog.path / "hierarchy.parquet").to_pylist()
    assert {"child": "00000", "parent": "food / drink"} in tree
    assert {"child": "food / drink", "parent": "food"} in tree


def test_without_val_or_tree_it_is_read_with_a_warning(tmp_path: Path) -> None:
    root = aliproducts(tmp_path / "ali")
    (root / "val.json").unlink()
    (root / "product_tree.json").unlink()
    catalog = index(root, tmp_path / "c")
    assert "no val.json: there are no checked images to test on" in catalog.counts["warnings"]
    assert not (catalog.path / "hierarchy.parquet").exists()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"name": "root", "children": [{"name": "food"}]}, "no hierarchy: .*product_tree.json"),
        ({"0": ["food"], "tea": {}}, "no hierarchy: .*product_tree.json"),
        ({"nodes": [], "version": [1]}, "no hierarchy: product_tree.json places 1 of 3 classes"),
        ("text", "no hierarchy: .*is no tree of classes"),
    ],
)  # fmt: skip
def test_a_tree_of_another_form_is_warned_of_and_the_set_read_without_it(
    tmp_path: Path, tree: Any, message: str
) -> None:
    catalog = index(aliproducts(tmp_path / "ali", tree=tree), tmp_path / "c")
    assert catalog.n == 11 and not (catalog.path / "hierarchy.parquet").exists()
    assert any(re.match(message, warning) for warning in catalog.counts["warnings"]), catalog.counts["warnings"]


def test_names_of_images_may_be_numbers_and_an_empty_list_is_told(tmp_path: Path) -> None:
    root = aliproducts(tmp_path / "ali")
    listed = json.loads((root / "val.json").read_text())
    listed["images"] = [{"class_id": 0, "image_id": 1}]
    write(root / "val.json", json.dumps(listed))
    write(root / "val/00000/1", jpeg(5))
    assert index(root, tmp_path / "c").counts["splits"] == {"train": 8, "val": 1}
    write(root / "train.json", "")
    with pytest.raises(ReweighError, match=r"train\.json"):
        index(root, tmp_path / "d")


def test_missing_images_and_paths_that_leave_are_counted(tmp_path: Path) -> None:
    root = aliproducts(tmp_path / "ali")
    (root / "train/00000/1000.jpg").unlink()
    listed = json.loads((root / "train.json").read_text())
    listed["images"].append({"class_id": 0, "image_id": "../../../etc/passwd"})
    write(root / "train.json", json.dumps(listed))
    skipped = index(root, tmp_path / "c").counts["skipped"]
    assert skipped["missing file"] == {"count": 1, "examples": ["train/00000/1000.jpg"]}
    assert skipped["path that leads out of the folder"]["count"] == 1


def test_wrong_folders_and_lists_say_what_was_looked_for(tmp_path: Path) -> None:
    root = aliproducts(tmp_path / "ali")
    with pytest.raises(ReweighError, match=r"No train.json in .*: AliProducts has train.json and val.json"):
        index(root / "train", tmp_path / "c", layout="aliproducts")
    write(root / "train.json", '{"images": [{"class_id": "cola", "image_id": "1.jpg"}]}')
    with pytest.raises(ReweighError, match=r"image 1 is .*'cola'.*, not .* as AliProducts has it"):
        index(root, tmp_path / "c")
    write(root / "train.json", '{"images": [')
    with pytest.raises(ReweighError, match=r"train.json is no whole JSON.*Is the download complete"):
        index(root, tmp_path / "c", layout="aliproducts")


@given(st.binary(max_size=60))
@example(b'{"images": [{"class_id": 99999999999999999999, "image_id": "a"}]}')
@example(b'{"images": [{"class_id": -1, "image_id": "a"}]}')
@example(b'{"images":' + b"[" * 5000)
@settings(max_examples=30, deadline=None)
def test_any_list_is_an_error_in_one_line(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "s").mkdir()
        (Path(folder) / "s" / "train.json").write_bytes(data)
        with pytest.raises(ReweighError) as error:
            index(Path(folder) / "s", Path(folder) / "c", layout="aliproducts")
        assert "\n" not in str(error.value)
