"""Mini-ImageNet with controlled noise: lists of a level, images wherever users put them, and what is known of right labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reweigh.catalog.tables import Catalog, read_classes, read_columns, read_uids
from reweigh.catalog.truth import read_truth
from reweigh.errors import ReweighError
from reweigh.layouts.content import MISSING
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise

FINCH, FINCH_2, DOG = "n0153282900000005.jpg", "n0153282900000017.jpg", "n0209924400000001.jpg"
WEB_RIGHT, WEB_WRONG, WEB_UNKNOWN = "5922767e5677aef4.jpg", "00aa11bb22cc33dd.jpg", "ffffffffffffffff.jpg"
VAL = "ILSVRC2012_val_00012345"
SPLITS = {
    "red_noise_nl_0.4": [(FINCH, 0), (WEB_RIGHT, 0), (WEB_WRONG, 99), (WEB_UNKNOWN, 99), (DOG, 99)],
    "blue_noise_nl_0.4": [(FINCH, 0), (FINCH_2, 99), (DOG, 99)],
    "clean_validation": [(f"{VAL}.jpg", 7)],
}
ANNOTATED = [
    [{"image/id": WEB_RIGHT[:-4], "image/uri": "http://x", "image/class/label": 0, "image/class/label/is_clean": 1}],
    [
        {"image/id": WEB_WRONG[:-4], "image/uri": "http://x", "image/class/label": 3, "image/class/label/is_clean": 1},
        {"image/id": WEB_WRONG[:-4], "image/uri": "http://x", "image/class/label": 99, "image/class/label/is_clean": 0},
    ],
    [{"image/id": "x"}],
]  # fmt: skip


def cnwl(root: Path, *, images: str = "all_images", val: str = "validation", annotated: bool = True) -> Path:
    """Two lists and clean_validation; images in folders whose names may have {label} and {split}."""
    split = root / "split"
    split.mkdir(parents=True)
    for name, rows in SPLITS.items():
        (split / name).write_text("".join(f"{image} {label}\n" for image, label in rows))
        for number, (image, label) in enumerate(rows):
            folder = root / (val if name == "clean_validation" else images).format(label=label, split=name)
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (int(image[-8:-4], 16) % 251, number, 9)).save(
                folder / image.replace(f"{VAL}.jpg", f"{VAL}.JPEG")
            )
    (root / "class_name.txt").write_text("\n".join(f"class {number}" for number in range(100)))
    if annotated:
        (root / "mini-imagenet-annotations.json").write_text(json.dumps({"data": ANNOTATED}))
    return root


def rows_of(catalog: Catalog) -> dict[str, tuple[Any, ...]]:
    names = ["uid", "split", "label", "source", "verified"]
    return {row.pop("uid"): tuple(row.values()) for row in read_columns(catalog, names).to_pylist()}


def truth_of(catalog: Catalog) -> dict[str, int]:
    truth = read_truth(catalog)
    assert truth is not None
    return dict(zip(read_uids(catalog), truth.tolist(), strict=True))


@pytest.mark.parametrize(
    ("images", "val"),
    [("all_images", "validation"), ("noisy_images", "validation/{label}"), ("training/{split}/{label}", "validation_all"),
     ("", "clean_validation/{label}")],
)  # fmt: skip
def test_a_red_list_says_which_labels_are_right_wherever_images_lie(tmp_path: Path, images: str, val: str) -> None:
    source = cnwl(tmp_path / "cnwl", images=images, val=val)
    assert recognise(source)[0] == "cnwl" and recognise(source)[1].certainty is Certainty.CERTAIN
    catalog = index(source, tmp_path / "c", options={"split": "red_noise_nl_0.4"})
    assert rows_of(catalog) == {
        FINCH: ("train", 0, "imagenet", True), DOG: ("train", 99, "imagenet", True), WEB_RIGHT: ("train", 0, "web", True),
        WEB_WRONG: ("train", 99, "web", False), WEB_UNKNOWN: ("train", 99, "web", None), f"{VAL}.jpg": ("val", 7, "imagenet", None),
    }  # fmt: skip
    assert truth_of(catalog) == dict.fromkeys(rows_of(catalog), -2) | {f"{VAL}.jpg": 7}
    assert "web images are right or wrong as mini-imagenet-annotations.json says" in catalog.counts["notes"]
    no_annotation = "1 web images have no annotation: whether their labels are right is not known"
    assert no_annotation in catalog.counts["warnings"]
    reason = "entry of mini-imagenet-annotations.json without id, label and is_clean"
    assert catalog.counts["skipped"][reason]["count"] == 1


def test_told_by_name_every_web_image_counts_as_wrong(tmp_path: Path) -> None:
    source = cnwl(tmp_path / "cnwl")
    catalog = index(source, tmp_path / "c", options={"split": "red_noise_nl_0.4", "noise": "name"})
    assert [rows_of(catalog)[name][3] for name in (FINCH, WEB_RIGHT, WEB_WRONG, WEB_UNKNOWN)] == [
        True,
        False,
        False,
        False,
    ]
    assert "web images are told by their names, and all of them count as wrong" in catalog.counts["notes"]
    (source / "mini-imagenet-annotations.json").unlink()
    again = index(source, tmp_path / "d", options={"split": "red_noise_nl_0.4"})
    assert rows_of(again) == rows_of(catalog)
    with pytest.raises(ReweighError, match=r"No mini-imagenet-annotations\.json in .*noise=name tells web images"):
        index(source, tmp_path / "e", options={"split": "red_noise_nl_0.4", "noise": "annotations"})
    with pytest.raises(ReweighError, match="No way to tell noise named 'names'"):
        index(source, tmp_path / "e", options={"split": "red_noise_nl_0.4", "noise": "names"})


def test_the_truth_of_a_blue_list_is_the_class_in_the_name(tmp_path: Path) -> None:
    source = cnwl(tmp_path / "cnwl")
    catalog = index(source, tmp_path / "c", options={"split": "blue_noise_nl_0.4"})
    assert truth_of(catalog) == {FINCH: 0, FINCH_2: 0, DOG: 99, f"{VAL}.jpg": 7}
    assert {row[3] for row in rows_of(catalog).values()} == {None}
    assert "ImageNet's classes by red_noise_nl_0.4" in catalog.counts["notes"]
    assert read_classes(catalog).synsets[0] == "n01532829" and read_classes(catalog).names[0] == "class 0"
    (source / "split" / "blue_noise_nl_0.0").write_text(f"{FINCH} 1\n")
    again = index(source, tmp_path / "d", options={"split": "blue_noise_nl_0.4"})
    assert truth_of(again)[FINCH_2] == 1 and truth_of(again)[DOG] == -2
    (source / "split" / "blue_noise_nl_0.0").write_text(f"{FINCH} 1\n{FINCH_2} 2\n")
    again = index(source, tmp_path / "e", options={"split": "blue_noise_nl_0.4"})
    assert truth_of(again)[FINCH] == -2
    sentence = "blue_noise_nl_0.0 gives n01532829 more than one label: ImageNet's classes are not known"
    assert sentence in again.counts["warnings"]


def test_the_list_is_named_as_its_file_is(tmp_path: Path) -> None:
    source = cnwl(tmp_path / "cnwl")
    with pytest.raises(
        ReweighError, match=r"has 2 lists: say which, such as --option split=blue_noise_nl_0\.4; there are"
    ):
        index(source, tmp_path / "c")
    with pytest.raises(
        ReweighError, match=r"No list of noise named 'red_noise_nl_0\.40'.*Did you mean 'red_noise_nl_0\.4'"
    ):
        index(source, tmp_path / "c", options={"split": "red_noise_nl_0.40"})
    (source / "split" / "blue_noise_nl_0.4").unlink()
    (source / "split" / "clean_validation").unlink()
    catalog = index(source, tmp_path / "c")
    assert catalog.n == 5 and "no clean_validation" in catalog.counts["warnings"]


def test_placeholders_missing_images_and_bad_lines_are_counted(tmp_path: Path) -> None:
    source = cnwl(tmp_path / "cnwl")
    (source / "all_images" / WEB_WRONG).write_bytes(b"")
    (source / "all_images" / WEB_RIGHT).unlink()
    with (source / "split" / "red_noise_nl_0.4").open("a") as file:
        file.write(f"{DOG} 3\r\nlonely.jpg\n../x.jpg 3\n")
    catalog = index(source, tmp_path / "c", options={"split": "red_noise_nl_0.4"})
    skipped = {reason: value["count"] for reason, value in catalog.counts["skipped"].items() if "entry" not in reason}
    assert skipped == {
        "empty file": 1, MISSING: 1, "no label in red_noise_nl_0.4": 1, "path that leads out of the folder": 1,
        "stands twice, with another label (the first counts)": 1,
    }  # fmt: skip
    (source / "split" / "red_noise_nl_0.4").write_text(f"{WEB_RIGHT} 100\n")
    with pytest.raises(
        ReweighError, match=r"red_noise_nl_0\.4, line 1: label '100' is none of the 100 classes, 0\.\.99"
    ):
        index(source, tmp_path / "d", options={"split": "red_noise_nl_0.4"})


def test_the_published_tree_has_its_lists_in_mini_imagenet(tmp_path: Path) -> None:
    source = tmp_path / "dataset_no_images"
    cnwl(source / "mini-imagenet", annotated=False)
    (source / "mini-imagenet-annotations.json").write_text(json.dumps({"data": ANNOTATED}))
    (source / "mini-imagenet" / "all_images").rename(source / "noisy_images")
    (source / "mini-imagenet" / "class_name.txt").write_text("\n".join(["n01532829 house finch"] * 100))
    catalog = index(source, tmp_path / "c", options={"split": "red_noise_nl_0.4"})
    assert catalog.n == 6 and rows_of(catalog)[WEB_WRONG][3] is False
    assert read_classes(catalog).names[0] == "house finch" and read_classes(catalog).synsets[5] == "n01532829"
    with pytest.raises(ReweighError, match="one level down: dataset_no_images is cnwl"):
        index(tmp_path, tmp_path / "d")
    with pytest.raises(ReweighError, match="dataset_no_images has it: name"):
        index(tmp_path, tmp_path / "d", layout="cnwl")
    with pytest.raises(ReweighError, match="holds the lists alone: name the folder above it"):
        index(source / "mini-imagenet" / "split", tmp_path / "d", layout="cnwl")


def test_images_elsewhere_are_named_by_the_option(tmp_path: Path) -> None:
    source = cnwl(tmp_path / "cnwl")
    (tmp_path / "photos").mkdir()
    for name in ("all_images", "validation"):
        (source / name).rename(tmp_path / "photos" / name)
    with pytest.raises(ReweighError, match=r"6 of the 6 images .* are not there.*elsewhere: --option images=FOLDER"):
        index(source, tmp_path / "c", options={"split": "red_noise_nl_0.4"})
    options = {"split": "red_noise_nl_0.4", "images": str(tmp_path / "photos")}
    assert index(source, tmp_path / "c", options=options).n == 6


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.one_of(st.binary(max_size=60), st.text(f"{FINCH} 09\n.{{}}", max_size=40).map(str.encode)),
    data=st.one_of(st.binary(max_size=40), st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda i: st.lists(i, max_size=3) | st.dictionaries(st.sampled_from(sorted(ANNOTATED[0][0])), i, max_size=4), max_leaves=6,
    ).map(lambda value: json.dumps({"data": [value]}).encode())),
)  # fmt: skip
def test_any_bytes_give_a_catalog_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, rows: bytes, data: bytes
) -> None:
    place = tmp_path_factory.mktemp("any")
    source = place / "cnwl"
    (source / "split").mkdir(parents=True)
    (source / FINCH).write_bytes(b"x")
    (source / "split" / "red_noise_nl_0.4").write_bytes(f"{FINCH} 0\n".encode() + rows)
    (source / "mini-imagenet-annotations.json").write_bytes(data)
    recognise(source)
    try:
        assert index(source, place / "c").n >= 1
    except ReweighError as error:
        assert "\n" not in str(error)


def test_how_noise_is_told_is_asked_of_red_lists_only(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"option noise says how web images are told; blue_noise_nl_0\.4 has none"):
        index(cnwl(tmp_path / "cnwl"), tmp_path / "c", options={"split": "blue_noise_nl_0.4", "noise": "name"})
