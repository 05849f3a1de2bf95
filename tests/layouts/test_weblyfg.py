"""WebFG-496: lists with a colon before the label, or a plain folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reweigh.catalog.tables import Catalog, read_classes, read_columns
from reweigh.errors import ReweighError
from reweigh.layouts.content import MISSING
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise

TRAIN = [("train/002.Laysan Albatross/a:b_1.jpg", 1), ("train/001.Footed/2.jpg", 0), ("train/200.Yellow/3.jpg", 3)]
VAL = [("val/001.Footed/9.jpg", 0)]


def web_bird(root: Path, *, listed: bool = True) -> Path:
    for number, (name, _) in enumerate(TRAIN + VAL):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 30, 9, 9)).save(root / name)
    for split, rows in (("train", TRAIN), ("val", VAL)) if listed else ():
        (root / f"{split}-list.txt").write_text("\r\n".join(f"{name}:{label}" for name, label in rows))
    return root


def rows_of(catalog: Catalog) -> dict[str, tuple[str, int]]:
    return {r["uid"]: (r["split"], r["label"]) for r in read_columns(catalog, ["uid", "split", "label"]).to_pylist()}


def test_the_label_stands_after_the_last_colon(tmp_path: Path) -> None:
    source = web_bird(tmp_path / "web-bird")
    assert recognise(source)[0] == "weblyfg" and recognise(source)[1].certainty is Certainty.CERTAIN
    catalog = index(source, tmp_path / "c")
    assert rows_of(catalog) == {name: ("train", label) for name, label in TRAIN} | {VAL[0][0]: ("val", 0)}
    assert read_classes(catalog).names == ("001.Footed", "002.Laysan Albatross", "2", "200.Yellow")


def test_without_lists_it_is_a_folder(tmp_path: Path) -> None:
    source = web_bird(tmp_path / "web-bird", listed=False)
    assert recognise(source)[0] == "folder"
    catalog = index(source, tmp_path / "c", layout="weblyfg")
    assert catalog.layout == "folder" and rows_of(catalog)[VAL[0][0]] == ("val", 0) and catalog.k == 3
    with pytest.raises(ReweighError, match="The option images goes with lists"):
        index(source, tmp_path / "d", layout="weblyfg", options={"images": "x"})


def test_images_may_lie_above_or_elsewhere(tmp_path: Path) -> None:
    source = web_bird(tmp_path / "web-bird")
    (source / "lists").mkdir()
    for split in ("train", "val"):
        (source / f"{split}-list.txt").rename(source / "lists" / f"{split}-list.txt")
    assert index(source / "lists", tmp_path / "c").n == 4
    (source / "lists").rename(tmp_path / "lists")
    with pytest.raises(ReweighError, match=r"4 of the 4 images .* are not there.*elsewhere: --option images=FOLDER"):
        index(tmp_path / "lists", tmp_path / "d")
    assert index(tmp_path / "lists", tmp_path / "d", options={"images": str(source)}).n == 4


def test_odd_lines_and_missing_images_are_counted(tmp_path: Path) -> None:
    source = web_bird(tmp_path / "web-bird")
    with (source / "train-list.txt").open("a") as file:
        file.write(
            "\ntrain/001.Footed/none.jpg:0\n../x.jpg:0\ntrain/200.Yellow/x.jpg\ntrain/200.Yellow/4.jpg:0\nlone.jpg:4"
        )
    catalog = index(source, tmp_path / "c")
    skipped = {reason: value["count"] for reason, value in catalog.counts["skipped"].items()}
    assert skipped == {MISSING: 3, "path that leads out of the folder": 1, "no label in train-list.txt": 1}
    assert "1 labels have images of several folders, e.g. label 0" in catalog.counts["warnings"]
    assert read_classes(catalog).names[4:] == ("4",)
    (source / "val-list.txt").unlink()
    assert "no val-list.txt" in index(source, tmp_path / "d").counts["warnings"]


def test_two_labels_of_one_folder_have_names_that_differ(tmp_path: Path) -> None:
    source = web_bird(tmp_path / "web-bird")
    (source / "train-list.txt").write_text(
        "train/001.Footed/2.jpg:0\ntrain/200.Yellow/3.jpg:1\nval/001.Footed/9.jpg:2\n"
    )
    (source / "val-list.txt").unlink()
    assert read_classes(index(source, tmp_path / "c")).names == ("001.Footed (0)", "200.Yellow", "001.Footed (2)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train/a/1.jpg:-1", r"line 1: '-1' after the last ':' is no label"),
        ("train/a/1.jpg:x", r"'x' after the last ':' is no label"),
        ("train/a/1.jpg:99999999", r"'99999999' after the last ':' is no label, 0\.\.99999"),
        ("", "is empty"),
        ("train/a/1.jpg 7", "has no line with a path, ':' and a label"),
    ],
)
def test_a_list_of_another_form_is_told(tmp_path: Path, text: str, message: str) -> None:
    source = web_bird(tmp_path / "web-bird")
    (source / "train-list.txt").write_text(text)
    with pytest.raises(ReweighError, match=message):
        index(source, tmp_path / "c", layout="weblyfg")


def test_a_wrong_or_packed_folder_is_told(tmp_path: Path) -> None:
    source = web_bird(tmp_path / "web-bird")
    (source / "train-list.txt").unlink()
    with pytest.raises(ReweighError, match=r"No train-list\.txt in .*but val-list\.txt"):
        index(source, tmp_path / "c")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "web-iNat.tar.gz.part-aa").write_bytes(b"x")
    with pytest.raises(
        ReweighError, match=r"web-iNat\.tar\.gz\.part-aa is not unpacked \(its parts are joined by cat\)"
    ):
        index(tmp_path / "x", tmp_path / "c", layout="weblyfg")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=60), st.text("train/ab:012\n.", max_size=40).map(str.encode)))
def test_any_bytes_give_a_catalog_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    place = tmp_path_factory.mktemp("any")
    source = web_bird(place / "w")
    (source / "train-list.txt").write_bytes(content)
    recognise(source)
    try:
        assert index(source, place / "c", layout="weblyfg", options={"hash": False}).n >= 1
    except ReweighError as error:
        assert "\n" not in str(error)
