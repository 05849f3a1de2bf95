"""The lists of CleanNet's code: which list it is has to be said, as four columns mean different things."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reweigh.catalog.tables import read_classes, read_columns
from reweigh.errors import ReweighError
from reweigh.layouts.content import MISSING
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise

FEATURES = ",".join(f"{i / 7:.4f}" for i in range(16))
TRAIN = [("pie/1.jpg", "pie", 1), ("pie/2.jpg", "pie", 0), ("soup/1.jpg", "soup", -1), ("soup/2.jpg", "soup", 1)]


def lists(folder: Path, *, images: str = "images") -> Path:
    """train.tsv and all.tsv of four images, with and without addresses."""
    for number, (key, _, _) in enumerate(TRAIN):
        path = folder / images / key
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 50, 9, 9)).save(path)
    (folder / "train.tsv").write_text("".join(f"{key}\t{name}\t{v}\t{FEATURES}\n" for key, name, v in TRAIN))
    (folder / "all.tsv").write_text("".join(f"{key}\thttp://x.y/{key}\t{name}\t{FEATURES}\n" for key, name, _ in TRAIN))
    (folder / "ref.tsv").write_text(f"pie\t0\t{FEATURES}\n")
    return folder


def test_a_verification_label_is_what_a_person_said(tmp_path: Path) -> None:
    source = lists(tmp_path / "cn") / "train.tsv"
    found = recognise(source)
    assert found[0] == "cleannet" and found[1].certainty is Certainty.CERTAIN
    catalog = index(source, tmp_path / "c", options={"split": "train"})
    rows = read_columns(catalog, ["uid", "file", "split", "label", "verified"]).to_pylist()
    assert [row["verified"] for row in rows] == [True, False, None, True]
    assert [row["label"] for row in rows] == [0, 0, 1, 1] and {row["split"] for row in rows} == {"train"}
    assert rows[0]["uid"] == "pie/1.jpg" and rows[0]["file"] == "images/pie/1.jpg"
    assert "read as the list `train`; its features are not read" in catalog.counts["notes"]


def test_the_list_all_has_no_verification_and_may_have_addresses(tmp_path: Path) -> None:
    source = lists(tmp_path / "cn", images="")
    catalog = index(source, tmp_path / "c", layout="cleannet", options={"split": "all"})
    rows = read_columns(catalog, ["file", "label", "verified"]).to_pylist()
    assert [row["verified"] for row in rows] == [None] * 4 and rows[3]["file"] == "soup/2.jpg"
    (source / "all.tsv").write_text("".join(f"{key}\t{name}\t{FEATURES}\n" for key, name, _ in TRAIN))
    assert index(source, tmp_path / "d", layout="cleannet", options={"split": "all"}).n == 4


def test_addresses_in_train_and_val_are_passed_over(tmp_path: Path) -> None:
    source = lists(tmp_path / "cn")
    (source / "val.tsv").write_text(
        f"pie/1.jpg\thttps://x.y/1\tpie\t0\t{FEATURES}\r\n\r\nsoup/1.jpg\t\tsoup\t1\t{FEATURES}"
    )
    catalog = index(source / "val.tsv", tmp_path / "c", options={"split": "val"})
    rows = read_columns(catalog, ["split", "verified"]).to_pylist()
    assert rows == [{"split": "val", "verified": False}, {"split": "val", "verified": True}]


@pytest.mark.parametrize("header", ["", "class_name\n"])
def test_a_list_of_classes_gives_the_labels(tmp_path: Path, header: str) -> None:
    source = lists(tmp_path / "cn")
    (source / "classes.txt").write_text(f"{header}soup\nbread\npie\n")
    catalog = index(source / "train.tsv", tmp_path / "c", options={"split": "train", "class_list": "classes.txt"})
    assert read_classes(catalog).names == ("soup", "bread", "pie")
    assert read_columns(catalog, ["label"])["label"].to_pylist() == [2, 2, 0, 0]
    (source / "classes.txt").write_text("soup\npies\n")
    with pytest.raises(ReweighError, match=r"line 1: 'pie' is not in the list of classes\. Did you mean 'pies'"):
        index(source / "train.tsv", tmp_path / "d", options={"split": "train", "class_list": source / "classes.txt"})
    (source / "classes.txt").write_text("soup\nsoup\n")
    with pytest.raises(ReweighError, match="class 'soup' stands twice"):
        index(source / "train.tsv", tmp_path / "d", options={"split": "train", "class_list": source / "classes.txt"})


def test_missing_images_and_keys_that_lead_out_are_counted(tmp_path: Path) -> None:
    source = lists(tmp_path / "cn")
    with (source / "train.tsv").open("a") as file:
        file.write(f"../x.jpg\tpie\t1\t{FEATURES}\npie/9.jpg\tpie\t1\t{FEATURES}\n{'x' * 400}\tpie\t1\t{FEATURES}\n")
    for hashed in ("true", "false"):
        catalog = index(source / "train.tsv", tmp_path / hashed, options={"split": "train", "hash": hashed})
        skipped = {reason: value["count"] for reason, value in catalog.counts["skipped"].items()}
        assert catalog.n == 4 and skipped.pop("key that leads out of the images' folder") == 1
        assert sum(skipped.values()) == 2 and skipped[MISSING] >= 1


def test_images_elsewhere_are_named_by_the_option(tmp_path: Path) -> None:
    source = lists(tmp_path / "cn")
    (source / "images").rename(tmp_path / "photos")
    with pytest.raises(ReweighError, match=r"4 of the 4 images .* are not there.*elsewhere: --option images=FOLDER"):
        index(source / "train.tsv", tmp_path / "c", options={"split": "train"})
    assert index(source / "train.tsv", tmp_path / "c", options={"split": "train", "images": tmp_path / "photos"}).n == 4


def test_a_packed_list_and_features_of_any_number_are_read(tmp_path: Path) -> None:
    source = lists(tmp_path / "cn")
    many = ",".join(["-0.123456789012345678"] * 4096)
    with gzip.open(source / "big.tsv.gz", "wt") as file:
        file.write("".join(f"{key}\t{name}\t{v}\t{many}\n" for key, name, v in TRAIN))
    assert index(source / "big.tsv.gz", tmp_path / "c", layout="cleannet", options={"split": "train"}).n == 4
    whole = (source / "big.tsv.gz").read_bytes()
    (source / "big.tsv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReweighError, match=r"is no whole \.gz: .*download complete"):
        index(source / "big.tsv.gz", tmp_path / "d", layout="cleannet", options={"split": "train"})


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("train.tsv", None, "needs --option split=train, val or all"),
        ("train.tsv", "tain", "No list of CleanNet named 'tain'; there are: train, val, all. Did you mean 'train'"),
        ("ref.tsv", "ref", "has features of reference sets and no images"),
        ("ref.tsv", "train", "line 1: 3 columns; a list `train` has 4, or 5 with an address"),
        ("train.tsv", "all", r"with 4 columns the second is an address; found 'pie'\. Is it a list `all`"),
        ("all.tsv", "train", "verification label 'pie' is none of 1, 0 and -1; is it the list `all`"),
        ("", "val", r"No val\.tsv in .*name the list itself"),
    ],
)
def test_a_list_of_another_kind_is_refused(tmp_path: Path, name: str, split: str | None, message: str) -> None:
    source = lists(tmp_path / "cn") / name
    with pytest.raises(ReweighError, match=message):
        index(source, tmp_path / "c", layout="cleannet", options={"split": split} if split else {})


def test_lines_of_another_length_are_named(tmp_path: Path) -> None:
    source = lists(tmp_path / "cn")
    with (source / "train.tsv").open("a") as file:
        file.write("pie/3.jpg\tpie")
    with pytest.raises(ReweighError, match=r"train\.tsv, line 5: 2 columns, where line 1 has 4; was the file cut"):
        index(source / "train.tsv", tmp_path / "c", options={"split": "train"})


@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(max_size=80)
    | st.lists(st.sampled_from(["a", "1", "\t", "\n", "0,1", "\r", "é"])).map("".join).map(str.encode)
)
def test_any_bytes_give_a_catalog_or_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    place = tmp_path_factory.mktemp("any")
    path = lists(place / "cn") / "train.tsv"
    path.write_bytes(path.read_bytes() + content)
    recognise(path)
    try:
        assert index(path, place / "c", layout="cleannet", options={"split": "train", "hash": False}).n == 4
    except ReweighError as error:
        assert "\n" not in str(error)
