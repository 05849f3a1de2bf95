"""A folder that is one level too high or too low, or lacks its lists, is told instead of read as a folder a class."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.layouts.test_clothing1m import clothing
from tests.layouts.test_cnwl import cnwl
from tests.layouts.test_food101n import food
from tests.layouts.test_tiny_imagenet import tiny
from tests.layouts.webvision_miniature import jpeg, make_webvision, write

from reweigh.errors import ReweighError
from reweigh.layouts.table_of_layouts import index


def put(root: Path, *folders: str) -> Path:
    for number, folder in enumerate(folders):
        write(root / folder / f"{number}.jpg", jpeg(number))
    return root


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("data/train/cat", "data/train/dog", "data/test/cat"), r"holds a data set one level down: data is folder \(folders test, train\)"),
        (("images/cat", "images/dog"), r"its only folder is images: parts of .*; if the folders in it are the classes, name .*images\. Where"),
        (("images", "labels"), r"its folders are images, labels: parts of a data set, not classes"),
        (("train/images", "val/images"), r"its only folder is images: parts of a data set"),
        (("q0001", "q0003"), r"its folders are named by WebVision's queries \(q0001\)"),
        (("JPEGs",), r"its only folder is JPEGs"),
    ],
)  # fmt: skip
def test_parts_of_a_set_are_no_classes(tmp_path: Path, folders: tuple[str, ...], message: str) -> None:
    source = put(tmp_path / "up", *folders)
    with pytest.raises(ReweighError, match=message):
        index(source, tmp_path / "c")
    assert index(source, tmp_path / "d", layout="folder").n == len(folders), "who says so gets it"


@pytest.mark.parametrize(
    "folders",
    [("cat", "dog"), ("cat",), ("image", "cat"), ("test/cat", "val/dog"), ("train/cat", "train/images"), ("bus", "vehicle/train")],
)  # fmt: skip
def test_what_may_be_classes_is_read(tmp_path: Path, folders: tuple[str, ...]) -> None:
    assert index(put(tmp_path / "p", *folders), tmp_path / "c").n >= 1


def test_splits_without_train_are_splits(tmp_path: Path) -> None:
    catalog = index(put(tmp_path / "p", "test/cat", "val/dog", "test/dog"), tmp_path / "c")
    assert catalog.counts["splits"] == {"test": 2, "val": 1} and catalog.k == 2


def test_folders_of_images_inside_a_set_are_told_to_name_the_one_above(tmp_path: Path) -> None:
    webvision = make_webvision(tmp_path / "w")
    with pytest.raises(ReweighError, match="named by WebVision's queries"):
        index(webvision / "google", tmp_path / "c")
    with pytest.raises(ReweighError, match=r"the folder above it is clothing1m \(noisy_label_kv\.txt\); name .*c1m\."):
        index(clothing(tmp_path / "c1m") / "images", tmp_path / "c")
    source = tiny(tmp_path / "tiny")
    with pytest.raises(ReweighError, match=r"val_annotations\.txt is in it: .*name the folder above, .*tiny\."):
        index(source / "val", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_sets_without_their_lists_are_told(tmp_path: Path) -> None:
    for name, source in (("food", food(tmp_path / "food")), ("cnwl", cnwl(tmp_path / "cnwl"))):
        for path in sorted(source.rglob("*")):
            if path.is_file() and path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
                path.unlink()
        for path in sorted(source.rglob("*"), reverse=True):
            if path.is_dir() and not list(path.iterdir()):
                path.rmdir()
        with pytest.raises(
            ReweighError,
            match=r"does not look like a folder a class: its .*parts of a data set|one level down|only the devkit says",
        ):
            index(source, tmp_path / name / "c")


def test_archives_that_are_not_unpacked_are_named(tmp_path: Path) -> None:
    for name in ("web-bird.tar.gz.part-aa", "raw_image_ver.zip"):
        write(tmp_path / name / name, b"x")
        with pytest.raises(ReweighError, match=rf"has no folder a class, but archives \({name}\): unpack them"):
            index(tmp_path / name, tmp_path / "c")
