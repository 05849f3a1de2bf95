"""ANIMAL-10N: the label stands before the first underscore of the name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reweigh.catalog.tables import read_classes, read_columns
from reweigh.errors import ReweighError
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise


def animals(root: Path, *names: str) -> Path:
    for number, name in enumerate(names or ("training/0_img_12.jpg", "training/9_img_4711.jpg", "testing/5_img_3.jpg")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 30, 9, 9)).save(root / name)
    return root


@pytest.mark.parametrize(("train", "test"), [("training", "testing"), ("train", "test")])
def test_labels_stand_in_the_names(tmp_path: Path, train: str, test: str) -> None:
    source = animals(tmp_path / "a10n", f"{train}/0_img_12.jpg", f"{train}/9_img_4711.jpg", f"{test}/5_img_3.jpg")
    assert recognise(source)[0] == "animal-10n" and recognise(source)[1].certainty is Certainty.CERTAIN
    catalog = index(source, tmp_path / "c")
    rows = {
        row["uid"]: (row["split"], row["label"]) for row in read_columns(catalog, ["uid", "split", "label"]).to_pylist()
    }
    assert rows == {
        f"{train}/0_img_12.jpg": ("train", 0),
        f"{train}/9_img_4711.jpg": ("train", 9),
        f"{test}/5_img_3.jpg": ("test", 5),
    }
    names = read_classes(catalog).names
    assert names[:2] == ("cat", "lynx") and names[9] == "guinea pig" and catalog.k == 10
    assert f"images in {train}/ and {test}/" in catalog.counts["notes"]


def test_class_folders_are_left_to_the_layout_folder(tmp_path: Path) -> None:
    source = animals(
        tmp_path / "sorted", "training/cat/0_img_1.jpg", "training/lynx/1_img_2.jpg", "testing/cat/0_img_3.jpg"
    )
    assert recognise(source)[0] == "folder"
    assert index(source, tmp_path / "c", layout="animal-10n").n == 3


def test_other_names_are_counted_and_other_labels_refused(tmp_path: Path) -> None:
    source = animals(tmp_path / "a10n", "training/0_img_1.jpg", "training/cat.jpg", "training/3.jpg")
    (source / "training" / "readme.txt").write_text("x")
    (source / "training" / "1_img_5.jpg").write_bytes(b"")
    catalog = index(source, tmp_path / "c")
    skipped = {reason: value["count"] for reason, value in catalog.counts["skipped"].items()}
    assert skipped == {"name without a label, as in 0_img_12.jpg": 2, "not an image by its ending": 1, "empty file": 1}
    assert catalog.n == 1 and "no testing/" in catalog.counts["warnings"]
    animals(source, "training/10_img_1.jpg")
    with pytest.raises(ReweighError, match=r"training/10_img_1\.jpg: label 10 is none of the 10 classes, 0\.\.9"):
        index(source, tmp_path / "d")


def test_a_wrong_folder_is_told(tmp_path: Path) -> None:
    source = animals(tmp_path / "x" / "raw_image")
    with pytest.raises(ReweighError, match=r"No training/ in .*name the folder above it, .*raw_image\."):
        index(source / "training", tmp_path / "c", layout="animal-10n")
    with pytest.raises(ReweighError, match=r"raw_image has it: name .*x/raw_image\."):
        index(tmp_path / "x", tmp_path / "c", layout="animal-10n")
    with pytest.raises(ReweighError, match="one level down: raw_image is animal-10n"):
        index(tmp_path / "x", tmp_path / "c")
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "raw_image.zip").write_bytes(b"PK")
    with pytest.raises(ReweighError, match=r"raw_image\.zip is not unpacked"):
        index(tmp_path / "y", tmp_path / "c", layout="animal-10n")
    (tmp_path / "y" / "raw_image.zip").unlink()
    with pytest.raises(ReweighError, match=r"the one with raw images is read \(raw_image_ver\.zip\)"):
        index(tmp_path / "y", tmp_path / "c", layout="animal-10n")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.from_regex(r"[0-9\u0660-\u0669]{0,12}_?(img)?_?[^/\0]{0,6}(\.jpg)?", fullmatch=True))
def test_any_name_gives_a_catalog_or_one_line(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    place = tmp_path_factory.mktemp("any")
    source = animals(place / "a", "training/3_img_1.jpg")
    if name not in ("", ".", "..") and not (source / "training" / name).exists():
        (source / "training" / name).write_bytes(b"x")
    recognise(source)
    try:
        assert index(source, place / "c", layout="animal-10n").n >= 1
    except ReweighError as error:
        assert "\n" not in str(error)
