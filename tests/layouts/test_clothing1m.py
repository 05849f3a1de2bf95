"""Clothing1M: two labels an image, lists that define the splits, and the ways in which users unpack it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reweigh.catalog.tables import Catalog, read_classes, read_columns
from reweigh.errors import ReweighError
from reweigh.layouts.content import MISSING
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise

ENGLISH = ["T-Shirt", "Shirt", "Knitwear", "Chiffon", *(f"cloth {number}" for number in range(4, 14))]
CHINESE = [f"\u886b{number}" for number in range(14)]
BOTH, NOISY_ONLY, CLEAN_ONLY, VAL, TEST, LEAK = (
    "images/2/26/1234567890,112233445.jpg", "images/0/7/998877,1020304050.jpg", "images/4/90/55,66.jpg", "images/5/1/99,11.jpg",
    "images/9/3/77,88.jpg", "images/9/3/78,88.jpg",
)  # fmt: skip
NOISY = {BOTH: 5, NOISY_ONLY: 13, LEAK: 1, TEST: 2}
CLEAN = {BOTH: 3, CLEAN_ONLY: 0, VAL: 12, TEST: 12, LEAK: 4}
KEYS = {
    "noisy_train": [BOTH, NOISY_ONLY, LEAK], "clean_train": [BOTH, CLEAN_ONLY], "clean_val": [VAL], "clean_test": [TEST, LEAK],
}  # fmt: skip


def clothing(root: Path, *, texts: str = "", images: str = "images/") -> Path:
    """Six images: one with both labels, one of each kind alone, val, test, and one that the noisy list has from the test."""
    for number, name in enumerate([BOTH, NOISY_ONLY, CLEAN_ONLY, VAL, TEST, LEAK]):
        path = root / images / name.removeprefix("images/")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 40, 9, 9)).save(path)
    folder = root / texts
    folder.mkdir(exist_ok=True)
    for kind, labels in (("noisy", NOISY), ("clean", CLEAN)):
        (folder / f"{kind}_label_kv.txt").write_text("".join(f"{name} {label}\n" for name, label in labels.items()))
    for part, names in KEYS.items():
        (folder / f"{part}_key_list.txt").write_text("\n".join(names))
    (folder / "category_names_eng.txt").write_text("\n".join(ENGLISH) + "\n")
    (folder / "category_names_chn.txt").write_text("\n".join(CHINESE) + "\n", encoding="utf-8")
    return root


def rows_of(catalog: Catalog) -> dict[str, tuple[Any, ...]]:
    names = ["uid", "split", "label", "verified_label", "verified", "source"]
    return {row.pop("uid"): tuple(row.values()) for row in read_columns(catalog, names).to_pylist()}


def skipped(catalog: Catalog) -> dict[str, int]:
    return {reason: value["count"] for reason, value in catalog.counts["skipped"].items()}


@pytest.mark.parametrize("texts", ["", "annotations"])
@pytest.mark.parametrize("images", ["images/", ""])
def test_both_labels_are_kept_wherever_lists_and_images_lie(tmp_path: Path, texts: str, images: str) -> None:
    source = clothing(tmp_path / "c1m", texts=texts, images=images)
    assert recognise(source)[0] == "clothing1m" and recognise(source)[1].certainty is Certainty.CERTAIN
    catalog = index(source, tmp_path / "c")
    assert rows_of(catalog) == {
        BOTH: ("train", 5, 3, False, "noisy"),
        NOISY_ONLY: ("train", 13, None, None, "noisy"),
        CLEAN_ONLY: ("train", 0, 0, True, "clean"),
        VAL: ("val", 12, 12, True, "clean"),
        TEST: ("test", 12, 12, True, "clean"),
        LEAK: ("test", 4, 4, True, "clean"),
    }
    kept = {r["uid"]: r["noisy_label"] for r in read_columns(catalog, ["uid", "noisy_label"]).to_pylist()}
    assert kept == {name: NOISY.get(name) for name in rows_of(catalog)}
    assert "3 images have a noisy and a clean label, 3 of them two that differ" in catalog.counts["notes"]
    sentence = "1 images of noisy_train_key_list.txt are in a list of val or test too, and are of that split"
    assert sentence in catalog.counts["warnings"]
    files = [row["file"] for row in read_columns(catalog, ["file"]).to_pylist()]
    assert all(name.startswith("images/") == bool(images) for name in files) and "hash" not in catalog.options


def test_noisy_reads_no_persons_label_in_training_and_clean_no_shops(tmp_path: Path) -> None:
    source = clothing(tmp_path / "c1m")
    noisy = rows_of(index(source, tmp_path / "n", options={"labels": "noisy"}))
    assert noisy[BOTH] == ("train", 5, None, None, "noisy") and CLEAN_ONLY not in noisy
    assert noisy[TEST] == ("test", 12, 12, True, "clean") and noisy[LEAK][0] == "test"
    clean = rows_of(index(source, tmp_path / "d", options={"labels": "clean"}))
    assert clean[BOTH] == ("train", 3, 3, True, "clean") and NOISY_ONLY not in clean and len(clean) == 5
    with pytest.raises(
        ReweighError, match=r"No choice of labels named 'nosy'; there are: both, noisy, clean\. Did you"
    ):
        index(source, tmp_path / "e", options={"labels": "nosy"})


@pytest.mark.parametrize(
    ("name", "said"), [("noisy_label_kv.txt", "no noisy label"), ("clean_label_kv.txt", "no clean label")]
)
def test_key_lists_without_their_labels_name_the_file_that_is_missing(tmp_path: Path, name: str, said: str) -> None:
    source = clothing(tmp_path / "c1m")
    (source / name).unlink()
    with pytest.raises(ReweighError, match=rf"have {said}: {name} is not in .*Is the download complete"):
        index(source, tmp_path / "c")


def test_classes_have_their_english_names_and_the_chinese_beside(tmp_path: Path) -> None:
    source = clothing(tmp_path / "c1m")
    classes = read_classes(index(source, tmp_path / "c"))
    assert classes.names == tuple(ENGLISH) and json.loads(classes.extra[1] or "") == {"name_chn": CHINESE[1]}
    (source / "category_names_chn.txt").write_text("one\n")
    catalog = index(source, tmp_path / "d")
    assert "category_names_chn.txt has 1 names and is not read" in catalog.counts["notes"]
    (source / "category_names_eng.txt").unlink()
    catalog = index(source, tmp_path / "e")
    assert catalog.k == 14 and "no category_names_eng.txt: classes are named 0 to 13" in catalog.counts["notes"]


def test_lines_without_labels_missing_images_and_any_line_ends_are_met(tmp_path: Path) -> None:
    source = clothing(tmp_path / "c1m")
    path = source / "noisy_label_kv.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r") + b"images/1/1/1,1.jpg\r" + f"{BOTH} 6\r".encode())
    with (source / "noisy_train_key_list.txt").open("a") as file:
        file.write("\nimages/1/1/1,1.jpg\nimages\\1\\1\\2,2.jpg\n../x.jpg\n")
    (source / CLEAN_ONLY).unlink()
    (source / VAL).write_bytes(b"")
    catalog = index(source, tmp_path / "c")
    assert set(rows_of(catalog)) == {BOTH, NOISY_ONLY, TEST, LEAK} and rows_of(catalog)[BOTH][1] == 5
    assert skipped(catalog) == {
        "no label in noisy_label_kv.txt": 1, "no noisy label": 2, "path that leads out of the folder": 1, MISSING: 1, "empty file": 1,
    }  # fmt: skip
    differing = "1 lines of noisy_label_kv.txt give a path another label than an earlier one, which counts"
    assert differing in catalog.counts["warnings"]


def test_lists_with_path_and_label_and_a_shortened_one_are_read(tmp_path: Path) -> None:
    source = clothing(tmp_path / "c1m")
    whole = rows_of(index(source, tmp_path / "whole"))
    for part, names in KEYS.items():
        labels = NOISY if part == "noisy_train" else CLEAN
        (source / f"{part}_key_list.txt").unlink()
        (source / f"{part}.txt").write_text(
            "".join(f"{name} {labels[name]}\n" for name in names) + "images/8/8/8,8.jpg\n"
        )
    (source / "noisy_label_kv.txt").unlink()
    (source / "clean_label_kv.txt").unlink()
    assert recognise(source)[1].certainty is Certainty.CERTAIN
    catalog = index(source, tmp_path / "c")
    assert rows_of(catalog) == whole
    assert skipped(catalog) == {f"no label in {part}.txt": 1 for part in KEYS}
    (source / "noisy_train.txt").unlink()
    (source / "noisy_label_kv_260K.txt").write_text(f"{BOTH} 5\n{LEAK} 1\n")
    catalog = index(source, tmp_path / "d")
    assert rows_of(catalog)[BOTH] == whole[BOTH] and NOISY_ONLY not in rows_of(catalog)
    assert "noisy labels of noisy_label_kv_260K.txt" in catalog.counts["notes"]
    assert (
        "no noisy_train_key_list.txt: all of noisy_label_kv_260K.txt is taken for training"
        in catalog.counts["warnings"]
    )


def test_folders_a_class_are_read_without_lists(tmp_path: Path) -> None:
    for number, name in enumerate(["noisy_train/5/1,1.jpg", "clean_train/13/2,2.jpg", "clean_test/0/3,3.jpg"]):
        (tmp_path / "c1m" / name).parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (number * 40, 9, 9)).save(tmp_path / "c1m" / name)
    (tmp_path / "c1m" / "noisy_train" / "0").mkdir()
    assert (
        recognise(tmp_path / "c1m")[0] == "clothing1m" and recognise(tmp_path / "c1m")[1].certainty is Certainty.LIKELY
    )
    catalog = index(tmp_path / "c1m", tmp_path / "c")
    assert rows_of(catalog) == {
        "noisy_train/5/1,1.jpg": ("train", 5, None, None, "noisy"),
        "clean_train/13/2,2.jpg": ("train", 13, 13, True, "clean"),
        "clean_test/0/3,3.jpg": ("test", 0, 0, True, "clean"),
    }
    assert "no folder clean_val" in catalog.counts["warnings"]
    assert index(tmp_path / "c1m", tmp_path / "n", options={"labels": "noisy"}).n == 2
    with pytest.raises(ReweighError, match=r"option images goes with lists; .* has none and is read as folders"):
        index(tmp_path / "c1m", tmp_path / "d", options={"images": "elsewhere"})
    (tmp_path / "c1m" / "noisy_train" / "14").mkdir()
    with pytest.raises(
        ReweighError, match=r"noisy_train/14 is none of the 14 classes, whose folders are named 0 to 13"
    ):
        index(tmp_path / "c1m", tmp_path / "d")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    source = clothing(tmp_path / "c1m")
    (source / "clean_label_kv.txt").write_text(f"{VAL} 14\n")
    with pytest.raises(
        ReweighError, match=r"clean_label_kv.txt, line 1: label '14' is none of the 14 classes, 0\.\.13"
    ):
        index(source, tmp_path / "c")
    source = clothing(tmp_path / "moved")
    (source / "images").rename(tmp_path / "images")
    with pytest.raises(ReweighError, match=r"6 of the 6 images .* are not there.*elsewhere: --option images=FOLDER"):
        index(source, tmp_path / "c")
    assert index(source, tmp_path / "c", options={"images": str(tmp_path / "images")}).n == 6
    (source / "clean_test_key_list.txt").unlink()
    found = index(source, tmp_path / "d", options={"images": str(tmp_path)})
    assert "no list of clean_test" in found.counts["warnings"]
    (source / "clean_train_key_list.txt").unlink()
    with pytest.raises(
        ReweighError, match=r"No list of training images in .*looked for clean_train_key_list\.txt; found"
    ):
        index(source, tmp_path / "e", options={"labels": "clean", "images": str(tmp_path)})
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "annotation.zip").write_bytes(b"PK")
    with pytest.raises(ReweighError, match=r"No lists of Clothing1M in .*annotation.zip is not unpacked"):
        index(tmp_path / "none", tmp_path / "e", layout="clothing1m")


def test_the_folder_of_the_lists_may_be_named(tmp_path: Path) -> None:
    source = clothing(tmp_path / "c1m", texts="annotations")
    assert index(source / "annotations", tmp_path / "c").n == 6


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kv=st.one_of(st.binary(max_size=80), st.text(f"{BOTH} \n\r0123456789", max_size=80).map(str.encode)),
    keys=st.one_of(st.binary(max_size=80), st.just(f"{BOTH}\n{TEST}\n".encode())),
)
def test_any_bytes_give_a_catalog_or_one_line(tmp_path_factory: pytest.TempPathFactory, kv: bytes, keys: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    source = folder / "c1m"
    (source / BOTH).parent.mkdir(parents=True)
    (source / BOTH).write_bytes(b"x")
    (source / "noisy_label_kv.txt").write_bytes(kv)
    (source / "noisy_train_key_list.txt").write_bytes(keys)
    recognise(source)
    try:
        assert index(source, folder / "c").n == 1
    except ReweighError as error:
        assert "\n" not in str(error)
