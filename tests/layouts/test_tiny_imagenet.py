"""Tiny-ImageNet as its zip unpacks, and as users sort it; labels are ranks of the sorted wnids."""

from __future__ import annotations

import io
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

WNIDS = ["n03444034", "n01443537", "n02124075"]


def image(path: Path, colour: int, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = io.BytesIO()
    Image.new(mode, (64, 64), colour if mode == "L" else (colour, 90, 10)).save(made, "JPEG")
    path.write_bytes(made.getvalue())


def tiny(root: Path) -> Path:
    """Two training images a class (one of them grey), two validation images, a test image."""
    root.mkdir(parents=True)
    (root / "wnids.txt").write_text("\n".join(WNIDS))
    words = [
        "n00001740\tentity",
        "n01443537\tgoldfish, Carassius auratus",
        "n02124075\tEgyptian cat",
        "n03444034\tgo-kart",
    ]
    (root / "words.txt").write_text("\r\n".join(words) + "\r\n")
    for number, wnid in enumerate(WNIDS):
        for i in range(2):
            name = f"{wnid}_{i}.JPEG"
            image(root / "train" / wnid / "images" / name, 30 * number + i, "L" if i else "RGB")
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t10\t63\t58\n")
    for i in range(2):
        image(root / "val" / "images" / f"val_{i}.JPEG", 150 + i)
    (root / "val" / "val_annotations.txt").write_text(
        "val_0.JPEG\tn03444034\t0\t32\t44\t62\nval_1.JPEG\tn01443537\t3\t3\t9\t9\n"
    )
    image(root / "test" / "images" / "test_0.JPEG", 200)
    return root


def labels(catalog: Catalog) -> dict[str, tuple[str, int]]:
    rows = read_columns(catalog, ["uid", "split", "label"]).to_pylist()
    return {row["uid"]: (row["split"], row["label"]) for row in rows}


def test_labels_are_ranks_of_the_sorted_wnids_and_test_has_none(tmp_path: Path) -> None:
    source = tiny(tmp_path / "tiny-imagenet-200")
    found = recognise(source)
    assert found[0] == "tiny-imagenet" and found[1].certainty is Certainty.CERTAIN
    catalog = index(source, tmp_path / "c")
    assert catalog.n == 9 and read_classes(catalog).synsets == tuple(sorted(WNIDS))
    rows = labels(catalog)
    assert rows["train/n03444034/images/n03444034_1.JPEG"] == ("train", 2)
    assert rows["val/images/val_0.JPEG"] == ("val", 2) and rows["val/images/val_1.JPEG"] == ("val", 0)
    assert rows["test/images/test_0.JPEG"] == ("test", -1)
    assert "wnids.txt is not sorted: a label is the rank of its wnid among the sorted ones" in catalog.counts["notes"]
    assert not catalog.counts["skipped"], "the lists of boxes are known"


def test_words_become_the_names_and_words_of_the_classes(tmp_path: Path) -> None:
    classes = read_classes(index(tiny(tmp_path / "t"), tmp_path / "c"))
    assert classes.names == ("goldfish", "Egyptian cat", "go-kart")
    assert classes.words[0] == ("goldfish", "Carassius auratus")


def test_without_words_classes_are_named_by_their_wnids(tmp_path: Path) -> None:
    source = tiny(tmp_path / "t")
    (source / "words.txt").unlink()
    catalog = index(source, tmp_path / "c")
    assert read_classes(catalog).names == tuple(sorted(WNIDS)) and "no words.txt" in catalog.counts["notes"]


@pytest.mark.parametrize("inner", ["", "images/"])
def test_validation_images_may_be_sorted_into_folders(tmp_path: Path, inner: str) -> None:
    source = tiny(tmp_path / "t")
    for name, wnid in (("val_0.JPEG", "n03444034"), ("val_1.JPEG", "n01443537")):
        (source / "val" / wnid / inner).mkdir(parents=True)
        (source / "val" / "images" / name).rename(source / "val" / wnid / inner / name)
    (source / "val" / "images").rmdir()
    catalog = index(source, tmp_path / "c")
    rows = labels(catalog)
    assert rows[f"val/n03444034/{inner}val_0.JPEG"] == ("val", 2)
    assert rows[f"val/n01443537/{inner}val_1.JPEG"] == ("val", 0)
    assert "val: folders by wnid" in catalog.counts["notes"]


def test_what_is_left_in_images_beside_the_folders_has_labels_from_the_list(tmp_path: Path) -> None:
    source = tiny(tmp_path / "t")
    (source / "val" / "n03444034").mkdir()
    (source / "val/images/val_0.JPEG").rename(source / "val/n03444034/val_0.JPEG")
    catalog = index(source, tmp_path / "c")
    rows = labels(catalog)
    assert rows["val/n03444034/val_0.JPEG"] == ("val", 2) and rows["val/images/val_1.JPEG"] == ("val", 0)
    assert "missing file" not in str(catalog.counts["skipped"])


def test_what_is_missing_or_too_much_is_counted(tmp_path: Path) -> None:
    source = tiny(tmp_path / "t")
    with (source / "val" / "val_annotations.txt").open("a") as file:
        file.write("val_2.JPEG\tn01443537\t0\t0\t1\t1\n\nval_0.JPEG\tn01443537\t0\t0\t1\t1")
    image(source / "val" / "images" / "val_9.JPEG", 9)
    image(source / "train" / "n09999999" / "x.JPEG", 9)
    (source / "train" / "n02124075").rename(source / "elsewhere")
    catalog = index(source, tmp_path / "c")
    skipped = {reason: value["count"] for reason, value in catalog.counts["skipped"].items()}
    assert skipped == {
        MISSING: 1, "image in val that val_annotations.txt lacks": 1, "image in train of a class that wnids.txt lacks": 1,
        "class of wnids.txt without a folder in train": 1, "stands twice, with another label (the first counts)": 1,
    }  # fmt: skip
    assert labels(catalog)["val/images/val_0.JPEG"] == ("val", 2)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("wnids.txt", "n03444034\ngoldfish\n", r"wnids\.txt, line 2: 'goldfish' is no wnid"),
        ("wnids.txt", "", r"wnids\.txt is empty"),
        (
            "val/val_annotations.txt",
            "val_0.JPEG\tn00000001\t0\n",
            r"line 1: 'n00000001' of 'val_0\.JPEG' is none of the 3 wnids",
        ),
        ("val/val_annotations.txt", "val_0.JPEG n03444034\n", r"line 1: '' of 'val_0\.JPEG n03444034' is none"),
    ],
)
def test_lists_that_do_not_fit_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    source = tiny(tmp_path / "t")
    (source / name).write_text(text)
    with pytest.raises(ReweighError, match=message):
        index(source, tmp_path / "c", layout="tiny-imagenet")


def test_wrong_and_half_folders_say_what_to_do(tmp_path: Path) -> None:
    source = tiny(tmp_path / "set" / "tiny-imagenet-200")
    with pytest.raises(ReweighError, match=r"No wnids\.txt in .*set: .* tiny-imagenet-200 has it: name .*set/tiny"):
        index(tmp_path / "set", tmp_path / "c", layout="tiny-imagenet")
    (source / "val" / "val_annotations.txt").unlink()
    with pytest.raises(ReweighError, match=r"No val_annotations\.txt in .*val, and no folders by wnid"):
        index(source, tmp_path / "c")
    (source / "train").rename(source / "other")
    with pytest.raises(ReweighError, match=r"No train/ in .*Is it unpacked whole"):
        index(source, tmp_path / "c")
    (tmp_path / "zip").mkdir()
    (tmp_path / "zip" / "tiny-imagenet-200.zip").write_bytes(b"PK")
    with pytest.raises(ReweighError, match=r"tiny-imagenet-200\.zip is not unpacked"):
        index(tmp_path / "zip", tmp_path / "c", layout="tiny-imagenet")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["wnids.txt", "words.txt", "val/val_annotations.txt"]), content=st.binary(max_size=200))
def test_lists_of_any_bytes_give_a_catalog_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
) -> None:
    place = tmp_path_factory.mktemp("any")
    source = tiny(place / "t")
    with (source / name).open("ab") as file:
        file.write(content)
    try:
        assert index(source, place / "c", layout="tiny-imagenet", options={"hash": False}).n > 5
    except ReweighError as error:
        assert "\n" not in str(error)
    recognise(source)
