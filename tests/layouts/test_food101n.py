"""Food-101N: what a person said of the label, header lines, one row without an image, and Food-101 for testing."""

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

PIE, PIE_2, SOUP, SOUP_2 = (
    f"{name}/{digit * 32}.jpg"
    for name, digit in (("apple_pie", "0"), ("apple_pie", "a"), ("hot_and_sour_soup", "b"), ("hot_and_sour_soup", "c"))
)
BAD = "hot_and_sour_soup/a49e6fb26e356c6c41a37b5c18176355.jpg"
NAMES = ["apple_pie", "hot_and_sour_soup", "waffles"]


def picture(path: Path, colour: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (colour, 9, 9)).save(path)


def food(root: Path) -> Path:
    """Four images, three of them judged; the known row of an image that is in another class only."""
    for number, key in enumerate([PIE, PIE_2, SOUP, SOUP_2, BAD.replace("hot_and_sour_soup", "waffles")]):
        picture(root / "images" / key, 40 * number)
    meta = root / "meta"
    meta.mkdir()
    (meta / "classes.txt").write_text("\n".join(["class_name", *NAMES]) + "\n")
    keys = [PIE, PIE_2, SOUP, SOUP_2, BAD.replace("hot_and_sour_soup", "waffles")]
    (meta / "imagelist.tsv").write_text("\n".join(["class_name/key", *keys]) + "\n")
    header = "class_name/key\tverification_label\n"
    (meta / "verified_train.tsv").write_text(f"{header}{PIE}\t1\n{PIE_2}\t0\n{BAD}\t0\n")
    (meta / "verified_val.tsv").write_text(f"{header}{SOUP} 0\n")
    return root


def food101(root: Path, *, form: str = "txt") -> Path:
    picture(root / "images" / "apple_pie" / "1005649.jpg", 200)
    picture(root / "images" / "waffles" / "971.jpg", 210)
    (root / "meta").mkdir()
    (root / "meta" / "classes.txt").write_text("\n".join(NAMES))
    if form == "txt":
        (root / "meta" / "test.txt").write_text("apple_pie/1005649\nwaffles/971\n")
    else:
        (root / "meta" / "test.json").write_text(
            json.dumps({"apple_pie": ["apple_pie/1005649"], "waffles": ["waffles/971"]})
        )
    return root


def rows_of(catalog: Catalog) -> dict[str, tuple[Any, ...]]:
    names = ["uid", "split", "label", "verified", "verification"]
    return {row.pop("uid"): tuple(row.values()) for row in read_columns(catalog, names).to_pylist()}


def test_verification_labels_say_whether_the_label_is_right(tmp_path: Path) -> None:
    source = food(tmp_path / "food")
    assert recognise(source)[0] == "food101n" and recognise(source)[1].certainty is Certainty.CERTAIN
    catalog = index(source, tmp_path / "c")
    assert read_classes(catalog).names == tuple(NAMES)
    assert rows_of(catalog) == {
        PIE: ("train", 0, True, "train"), PIE_2: ("train", 0, False, "train"), SOUP: ("train", 1, False, "val"),
        SOUP_2: ("train", 1, None, None), BAD.replace("hot_and_sour_soup", "waffles"): ("train", 2, None, None),
    }  # fmt: skip
    assert catalog.counts["skipped"] == {"row of verified_train.tsv without an image": {"count": 1, "examples": [BAD]}}
    notes = catalog.counts["notes"]
    assert "classes.txt has the header 'class_name'" in notes
    assert "no test set: Food-101's is given by --option test=FOLDER" in notes


@pytest.mark.parametrize(
    ("header", "note"), [("names of dishes", "has the header 'names of dishes'"), ("", "has no header line")]
)
def test_a_header_of_the_classes_is_told_by_the_folders(tmp_path: Path, header: str, note: str) -> None:
    source = food(tmp_path / "food")
    (source / "meta" / "classes.txt").write_text("\r\n".join([*([header] if header else []), *NAMES]))
    catalog = index(source, tmp_path / "c")
    assert read_classes(catalog).names == tuple(NAMES) and f"classes.txt {note}" in catalog.counts["notes"]
    (source / "meta" / "classes.txt").unlink()
    assert read_classes(index(source, tmp_path / "d")).names == tuple(NAMES)


@pytest.mark.parametrize("form", ["txt", "json"])
def test_food_101_is_the_test_set_under_the_same_classes(tmp_path: Path, form: str) -> None:
    source = food(tmp_path / "food")
    food101(tmp_path / "more" / "food-101", form=form)
    for given_folder in (tmp_path / "more", tmp_path / "more" / "food-101"):
        catalog = index(source, tmp_path / f"{given_folder.name}.catalog", options={"test": str(given_folder)})
        rows = rows_of(catalog)
        assert rows["food-101/apple_pie/1005649.jpg"] == ("test", 0, None, None)
        assert rows["food-101/waffles/971.jpg"][:2] == ("test", 2) and len(rows) == 7
        files = read_columns(catalog, ["uid", "file"]).to_pylist()
        assert {r["uid"]: r["file"] for r in files}[PIE] == f"food/images/{PIE}" and catalog.root == tmp_path


@pytest.mark.parametrize("header", ["", "class_name\n"])
def test_what_was_said_of_held_out_classes_is_withheld(tmp_path: Path, header: str) -> None:
    source, columns = food(tmp_path / "food"), ["uid", "verified", "verification", "withheld"]
    (source / "meta" / "held_out.txt").write_text(f"{header}waffles\nhot_and_sour_soup\n")
    given_files = ("held_out.txt", str(source / "meta" / "held_out.txt"))
    for number, given_file in enumerate(given_files):
        catalog = index(source, tmp_path / str(number), options={"held_out": given_file})
        rows = {row.pop("uid"): tuple(row.values()) for row in read_columns(catalog, columns).to_pylist()}
        assert rows[SOUP] == (None, "val", "wrong") and rows[SOUP_2] == (None, None, None)
        assert rows[PIE] == (True, "train", None)
        assert "1 verification labels of 2 classes are withheld" in catalog.counts["notes"]


def test_a_list_of_held_out_classes_is_checked(tmp_path: Path) -> None:
    source = food(tmp_path / "food")
    for text, message in [
        ("wafles\n", "none of the 3 classes.* Did you mean 'waffles'"), ("waffles\nwaffles\n", "class 'waffles' stands twice"),
        ("class_name\n", "a header and no class"), ("", "is empty"),
    ]:  # fmt: skip
        (source / "meta" / "held_out.txt").write_text(text)
        with pytest.raises(ReweighError, match=message):
            index(source, tmp_path / "c", options={"held_out": "held_out.txt"})
    with pytest.raises(ReweighError, match=r"No nowhere\.txt in "):
        index(source, tmp_path / "c", options={"held_out": "nowhere.txt"})


def test_a_class_that_the_list_lacks_is_an_error_with_its_line(tmp_path: Path) -> None:
    source, test = food(tmp_path / "food"), food101(tmp_path / "food-101")
    (test / "meta" / "test.txt").write_text("apple_pie/1005649\nwafles/971\n")
    with pytest.raises(
        ReweighError, match=r"test.txt, line 2: 'wafles' is none of the 3 classes.* Did you mean 'waffles'"
    ):
        index(source, tmp_path / "c", options={"test": str(test)})
    (source / "meta" / "verified_val.tsv").write_text(f"{SOUP}\t2\n")
    with pytest.raises(ReweighError, match=r"verified_val\.tsv, line 1: verification label '2' is neither 0 nor 1"):
        index(source, tmp_path / "c")
    with pytest.raises(ReweighError, match=r"No meta/test\.txt and images/ in .*name the folder of Food-101"):
        index(source, tmp_path / "c", options={"test": str(source)})
    with pytest.raises(ReweighError, match=r"No folder nowhere \(option test\)"):
        index(source, tmp_path / "c", options={"test": "nowhere"})


def test_lists_without_headers_missing_images_and_paths_that_lead_out_are_met(tmp_path: Path) -> None:
    source = food(tmp_path / "food")
    (source / "meta" / "imagelist.tsv").write_text(f"{PIE}\n{SOUP}\n../waffles/x.jpg\n{SOUP_2}\n{SOUP}\n")
    (source / "meta" / "verified_train.tsv").write_text(f"{PIE_2}\t0\n{PIE}\t1\n{PIE}\n{PIE}\t0\n")
    (source / "images" / SOUP_2).unlink()
    catalog = index(source, tmp_path / "c")
    assert rows_of(catalog) == {
        PIE: ("train", 0, True, "train"), SOUP: ("train", 1, False, "val"), PIE_2: ("train", 0, False, "train"),
    }  # fmt: skip
    assert {reason: value["count"] for reason, value in catalog.counts["skipped"].items()} == {
        MISSING: 1, "no label in verified_train.tsv": 1, "path that leads out of the folder": 1, "stands twice in the source": 1,
    }  # fmt: skip
    assert any("1 lines of verified_train.tsv give a path another label" in text for text in catalog.counts["warnings"])


def test_a_half_downloaded_or_wrong_folder_is_told(tmp_path: Path) -> None:
    source = food(tmp_path / "food")
    with pytest.raises(ReweighError, match=r"No images/ and meta/ in .*meta: name the folder above it, .*food\."):
        index(source / "meta", tmp_path / "c", layout="food101n")
    with pytest.raises(ReweighError, match=r"food has it: name .*food"):
        index(tmp_path, tmp_path / "c", layout="food101n")
    for path in (source / "images").rglob("*.jpg"):
        path.unlink()
    with pytest.raises(ReweighError, match=r"5 of the 5 images of .* are not there, .*download complete"):
        index(source, tmp_path / "c")
    for name in ("imagelist.tsv", "verified_train.tsv"):
        (source / "meta" / name).unlink()
    picture(source / "images" / PIE, 1)
    assert recognise(source)[0] == "food101n"
    catalog = index(source, tmp_path / "c")
    assert catalog.n == 1 and "no meta/imagelist.tsv: images are those in images/" in catalog.counts["notes"]
    assert "no meta/verified_train.tsv" in catalog.counts["warnings"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["classes.txt", "imagelist.tsv", "verified_train.tsv"]),
    content=st.binary(max_size=60),
    test=st.one_of(
        st.binary(max_size=40), st.text(max_size=20).map(lambda t: json.dumps({"x": [f"waffles/{t}"]}).encode())
    ),
)
def test_any_bytes_give_a_catalog_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes, test: bytes
) -> None:
    place = tmp_path_factory.mktemp("any")
    source, other = food(place / "food"), food101(place / "food-101", form="json")
    (source / "meta" / name).write_bytes(content)
    (other / "meta" / "test.json").write_bytes(test)
    recognise(source)
    try:
        assert index(source, place / "c", layout="food101n", options={"test": str(other), "hash": False}).n
    except ReweighError as error:
        assert "\n" not in str(error)
