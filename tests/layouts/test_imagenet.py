"""ILSVRC-2012 in the ways that its archives are unpacked; labels are ranks of the sorted wnids."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from reweigh.catalog.tables import Catalog, read_classes, read_columns
from reweigh.errors import ReweighError
from reweigh.layouts.content import MISSING
from reweigh.layouts.imagenet_devkit import ANSWERS, read_devkit_classes
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise

# as in the devkit: numbers in another order than the wnids, an inner node, and two classes called crane
SYNSETS = [
    (1, "n03126707", "crane", "lifts and moves heavy objects", 0),
    (2, "n02012849", "crane", "large long-necked wading bird", 0),
    (3, "n01440764", "tench, Tinca tinca", "freshwater dace-like game fish", 0),
    (4, "n02512053", "fish", "any of various mostly cold-blooded aquatic vertebrates", 2),
]
WNIDS = ["n01440764", "n02012849", "n03126707"]


def image(path: Path, colour: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = io.BytesIO()
    Image.new("RGB", (8, 8), (colour, 40, 200 - colour)).save(made, "JPEG")
    path.write_bytes(made.getvalue())


def write_meta(path: Path, rows: list[tuple[Any, ...]] = SYNSETS) -> None:
    kinds: list[Any] = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    synsets = np.array([tuple(rows[i]) for i in range(len(rows))], dtype=kinds).reshape(-1, 1)
    savemat(path, {"synsets": synsets})


def imagenet(root: Path, *, val: str = "flat", devkit: bool = True, train: int = 3) -> Path:
    """Two training images a class and one validation image; the answers are the devkit's numbers."""
    for number, wnid in enumerate(WNIDS[:train]):
        for i in (7, 10026):
            image(root / "train" / wnid / f"{wnid}_{i}.JPEG", 20 * number + i % 10)
    names = [f"ILSVRC2012_val_{i:08d}.JPEG" for i in (1, 2, 3)]
    folders = {"flat": ["", "", ""], "wnid": ["n03126707", "n02012849", "n01440764"], "number": ["2", "1", "0"]}[val]
    for number, (folder, name) in enumerate(zip(folders, names, strict=True)):
        image(root / "val" / folder / name, 100 + number)
    if devkit:
        data = root / "ILSVRC2012_devkit_t12" / "data"
        data.mkdir(parents=True)
        write_meta(data / "meta.mat")
        (data / ANSWERS).write_text("1\n2\n3\n")
    return root


def labels(catalog: Catalog, split: str) -> dict[str, int]:
    rows = read_columns(catalog, ["uid", "split", "label"]).to_pylist()
    return {row["uid"]: row["label"] for row in rows if row["split"] == split}


def test_a_label_is_the_rank_of_the_wnid_and_the_flat_answers_are_translated(tmp_path: Path) -> None:
    source = imagenet(tmp_path / "imagenet")
    found = recognise(source)
    assert found[0] == "imagenet" and found[1].certainty is Certainty.CERTAIN
    catalog = index(source, tmp_path / "c")
    assert catalog.layout == "imagenet" and catalog.n == 9
    assert labels(catalog, "train")["train/n03126707/n03126707_7.JPEG"] == 2
    # ILSVRC2012_ID 1 is n03126707, of rank 2
    assert list(labels(catalog, "val").values()) == [2, 1, 0]
    assert "val: flat, with the devkit's answers" in catalog.counts["notes"]


def test_classes_have_the_devkits_words_and_a_name_of_two_classes_its_wnid(tmp_path: Path) -> None:
    classes = read_classes(index(imagenet(tmp_path / "imagenet"), tmp_path / "c"))
    assert classes.synsets == tuple(WNIDS)
    assert classes.names == ("tench", "crane (n02012849)", "crane (n03126707)")
    assert classes.words[0] == ("tench", "Tinca tinca")
    assert classes.descriptions[1] == "large long-necked wading bird"


def val_images(root: Path, *folders: str) -> None:
    for number, folder in enumerate(folders, 1):
        image(root / "val" / folder / f"ILSVRC2012_val_{number:08d}.JPEG", 10 * number)


def test_validation_alone_sorted_by_wnid_is_recognised(tmp_path: Path) -> None:
    val_images(tmp_path / "i", "n03126707", "n02012849", "n01440764")
    assert recognise(tmp_path / "i")[0] == "imagenet"
    catalog = index(tmp_path / "i", tmp_path / "c")
    assert list(labels(catalog, "val").values()) == [0, 1, 2] and read_classes(catalog).synsets == tuple(WNIDS)


def test_the_check_set_of_mini_webvision_has_the_first_of_the_sorted_wnids(tmp_path: Path) -> None:
    """As DivideMix keeps it, folders by number, and as ELR does, a list beside a flat folder with other images in it too."""
    val_images(tmp_path / "d", "0", "1", "2", "10")
    by_folder = index(tmp_path / "d", tmp_path / "c")
    assert read_classes(by_folder).synsets[:2] == ("n01440764", "n01443537") and by_folder.k == 11
    assert labels(by_folder, "val")["val/10/ILSVRC2012_val_00000004.JPEG"] == 10
    val_images(tmp_path / "e", "", "", "", "", "")
    (tmp_path / "e" / "imagenet_val.txt").write_text(
        "".join(f"ILSVRC2012_val_{i:08d}.JPEG {label}\n" for i, label in ((1, 0), (2, 1), (4, 10)))
    )
    by_list = index(tmp_path / "e", tmp_path / "f")
    assert labels(by_list, "val") == {
        f"val/ILSVRC2012_val_{i:08d}.JPEG": label for i, label in ((1, 0), (2, 1), (4, 10))
    }
    assert read_classes(by_list).synsets == read_classes(by_folder).synsets
    assert by_list.counts["skipped"]["val image that imagenet_val.txt does not list"]["count"] == 2
    (tmp_path / "e" / "imagenet_val.txt").write_text("ILSVRC2012_val_00000001.JPEG 1000\n")
    with pytest.raises(ReweighError, match=r"imagenet_val\.txt, line 1: label '1000' is none of the 1,000 classes"):
        index(tmp_path / "e", tmp_path / "g")


def test_validation_images_in_a_folder_of_another_name_are_read(tmp_path: Path) -> None:
    source = imagenet(tmp_path / "i", val="wnid")
    (source / "val").rename(source / "validation")
    assert {uid.split("/")[0] for uid in labels(index(source, tmp_path / "c"), "val")} == {"validation"}


def kaggle(root: Path) -> Path:
    """The archive of Kaggle's challenge: the table's rows in no order, boxes behind the class, and a mapping with words."""
    imagenet(root / "ILSVRC" / "Data" / "CLS-LOC", devkit=False)
    (root / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\nILSVRC2012_val_00000003,n01440764 85 1 499 272 n01440764 1 2 3 4 \n"
        "ILSVRC2012_val_00000001,n03126707 131 0 499 254 \nILSVRC2012_val_00000002,n02012849 9 9 9 9 \n"
    )
    (root / "LOC_synset_mapping.txt").write_text("n01440764 tench, Tinca tinca\nn02012849 crane\nn03126707 crane\n")
    return root


def test_kaggles_archive_is_read_whichever_of_its_folders_is_named(tmp_path: Path) -> None:
    root = kaggle(tmp_path / "kaggle")
    usual = index(imagenet(tmp_path / "imagenet"), tmp_path / "usual")
    for number, inside in enumerate(("", "ILSVRC", "ILSVRC/Data", "ILSVRC/Data/CLS-LOC")):
        found = recognise(root / inside)
        assert found[0] == "imagenet" and found[1].certainty is Certainty.CERTAIN
        catalog = index(root / inside, tmp_path / f"c{number}")
        assert labels(catalog, "val") == labels(usual, "val") and labels(catalog, "train") == labels(usual, "train")
        assert "val: flat, with the answers of LOC_val_solution.csv" in catalog.counts["notes"]
    assert read_classes(catalog).names == read_classes(usual).names
    assert read_classes(catalog).words[0] == ("tench", "Tinca tinca")


def test_kaggles_table_may_lie_elsewhere_and_lack_its_mapping(tmp_path: Path) -> None:
    root = kaggle(tmp_path / "kaggle")
    (root / "LOC_synset_mapping.txt").unlink()
    (tmp_path / "tables").mkdir()
    (root / "LOC_val_solution.csv").rename(tmp_path / "tables" / "LOC_val_solution.csv")
    source = root / "ILSVRC" / "Data" / "CLS-LOC"
    with pytest.raises(ReweighError, match=r"val is flat: .*or in Kaggle's LOC_val_solution.csv, which are not in"):
        index(source, tmp_path / "c")
    catalog = index(source, tmp_path / "c", options={"devkit": str(tmp_path / "tables")})
    assert list(labels(catalog, "val").values()) == [2, 1, 0]
    assert any(note.startswith("no LOC_synset_mapping.txt") for note in catalog.counts["notes"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("LOC_val_solution.csv", "a,b\n", r"LOC_val_solution\.csv, line 1: 'a,b' is no image"),
        ("LOC_val_solution.csv", "ILSVRC2012_val_00000001,n01440764\n" * 2, r"line 2: .* stands twice"),
        ("LOC_val_solution.csv", "ILSVRC2012_val_00000001,n01440764\n", r"00000002\.JPEG: .*no answer for it, only for 1 images"),
        ("LOC_synset_mapping.txt", "n01440764 tench\n", r"LOC_synset_mapping\.txt lacks n02012849, .*and 1 more"),
        ("LOC_synset_mapping.txt", "tench\n", r"line 1: 'tench' is no wnid and its words"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_kaggles_tables_is_said(tmp_path: Path, name: str, text: str, message: str) -> None:
    (kaggle(tmp_path / "kaggle") / name).write_text(text)
    with pytest.raises(ReweighError, match=message):
        index(tmp_path / "kaggle", tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("val", ["wnid", "number"])
def test_sorted_validation_images_need_no_devkit(tmp_path: Path, val: str) -> None:
    catalog = index(imagenet(tmp_path / "imagenet", val=val, devkit=False), tmp_path / "c", layout="imagenet")
    assert {name.rsplit("/", 1)[1]: label for name, label in labels(catalog, "val").items()} == {
        "ILSVRC2012_val_00000001.JPEG": 2, "ILSVRC2012_val_00000002.JPEG": 1, "ILSVRC2012_val_00000003.JPEG": 0,
    }  # fmt: skip
    assert any(note.startswith(f"val: folders by {val}") for note in catalog.counts["notes"])
    assert read_classes(catalog).names == tuple(WNIDS)


def test_folders_by_number_are_in_numeric_order(tmp_path: Path) -> None:
    wnids = [f"n{i:08d}" for i in range(12)]
    for number, wnid in enumerate(wnids):
        image(tmp_path / "i" / "train" / wnid / f"{wnid}_1.JPEG", number)
        image(tmp_path / "i" / "val" / str(number) / f"{number}.JPEG", 100 + number)
    catalog = index(tmp_path / "i", tmp_path / "c", layout="imagenet")
    assert labels(catalog, "val") == {f"val/{number}/{number}.JPEG": number for number in range(12)}
    image(tmp_path / "i" / "val" / "12" / "x.JPEG", 5)
    with pytest.raises(
        ReweighError, match=r"folders 0\.\.12, 13 of them; as ranks of the 12 sorted wnids they must be"
    ):
        index(tmp_path / "i", tmp_path / "d", layout="imagenet")


def test_classes_are_those_of_train_and_other_validation_images_are_counted(tmp_path: Path) -> None:
    catalog = index(imagenet(tmp_path / "imagenet", train=2), tmp_path / "c")
    assert catalog.k == 2 and labels(catalog, "val") == {
        "val/ILSVRC2012_val_00000002.JPEG": 1, "val/ILSVRC2012_val_00000003.JPEG": 0,
    }  # fmt: skip
    assert catalog.counts["skipped"]["val image of a class that train has no folder of"]["count"] == 1
    assert "train has 2 of the challenge's 3 classes: labels are ranks among these" in catalog.counts["notes"]


def test_test_images_have_no_label_and_strangers_are_counted(tmp_path: Path) -> None:
    source = imagenet(tmp_path / "imagenet")
    image(source / "test" / "ILSVRC2012_test_00000001.JPEG", 3)
    (source / "val" / "readme.txt").write_text("x")
    (source / "val" / "ILSVRC2012_val_00000002.JPEG").unlink()
    (source / "train" / "n01440764" / "notes.txt").write_text("x")
    catalog = index(source, tmp_path / "c")
    assert labels(catalog, "test") == {"test/ILSVRC2012_test_00000001.JPEG": -1}
    skipped = {reason: value["count"] for reason, value in catalog.counts["skipped"].items()}
    assert skipped["file in val not named like ILSVRC2012_val_00000001.JPEG"] == 1
    assert skipped["not an image by its ending"] == 1 and skipped[MISSING] == 1


def test_the_devkit_may_lie_elsewhere(tmp_path: Path) -> None:
    source = imagenet(tmp_path / "imagenet")
    (source / "ILSVRC2012_devkit_t12").rename(tmp_path / "kit")
    with pytest.raises(ReweighError, match=r"val is flat: .*--option devkit=FOLDER, or sort the images"):
        index(source, tmp_path / "c")
    catalog = index(source, tmp_path / "c", options={"devkit": str(tmp_path / "kit")})
    assert list(labels(catalog, "val").values()) == [2, 1, 0]
    with pytest.raises(ReweighError, match=rf"No {ANSWERS} in .*train or its folder data"):
        index(source, tmp_path / "d", options={"devkit": "train"})


def test_validation_images_alone_have_the_devkits_classes(tmp_path: Path) -> None:
    catalog = index(imagenet(tmp_path / "imagenet", train=0), tmp_path / "c")
    assert (
        catalog.n == 3 and catalog.k == 3 and "no train/: there are validation images only" in catalog.counts["notes"]
    )


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ("1\n2\n", r"00000003\.JPEG: .* has no answer for it, only for 2 images"),
        ("1\n4\n3\n", r"line 2: '4' is none of the 3 numbers of meta\.mat, 1\.\.3"),
        ("1\nx\n3\n", r"line 2: 'x' is none"),
        ("", "is empty"),
    ],
)
def test_answers_that_do_not_fit_are_refused(tmp_path: Path, answers: str, message: str) -> None:
    source = imagenet(tmp_path / "imagenet")
    (source / "ILSVRC2012_devkit_t12" / "data" / ANSWERS).write_text(answers)
    with pytest.raises(ReweighError, match=message):
        index(source, tmp_path / "c")


def test_wrong_and_packed_folders_say_what_to_do(tmp_path: Path) -> None:
    source = imagenet(tmp_path / "set" / "imagenet")
    with pytest.raises(ReweighError, match=r"No train/ or val/ in .*set: .*imagenet has one: name .*set/imagenet"):
        index(source.parent, tmp_path / "c", layout="imagenet")
    with pytest.raises(ReweighError, match=r"folders of classes itself: name the folder above it"):
        index(source / "train", tmp_path / "c", layout="imagenet")
    (tmp_path / "tars").mkdir()
    (tmp_path / "tars" / "ILSVRC2012_img_train.tar").write_bytes(b"")
    with pytest.raises(ReweighError, match=r"ILSVRC2012_img_train\.tar is not unpacked"):
        index(tmp_path / "tars", tmp_path / "c", layout="imagenet")
    (tmp_path / "half" / "train").mkdir(parents=True)
    (tmp_path / "half" / "train" / "n01440764.tar").write_bytes(b"")
    with pytest.raises(ReweighError, match=r"1 tars and no folder a class: unpack each into a folder of its name"):
        index(tmp_path / "half", tmp_path / "c", layout="imagenet")


def test_a_meta_of_other_fields_or_broken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No meta\.mat in"):
        read_devkit_classes(tmp_path)
    savemat(tmp_path / "meta.mat", {"synsets": np.array([(1,)], dtype=[("WNID", "O")])})
    with pytest.raises(
        ReweighError, match="looked for synsets with ILSVRC2012_ID, WNID, words, num_children; found WNID"
    ):
        read_devkit_classes(tmp_path)
    savemat(tmp_path / "meta.mat", {"other": np.arange(3)})
    with pytest.raises(ReweighError, match="has no array of records named synsets"):
        read_devkit_classes(tmp_path)
    write_meta(tmp_path / "meta.mat", [(1, "tench", "tench", "", 0)])
    with pytest.raises(ReweighError, match="'tench' with number 1 is no synset"):
        read_devkit_classes(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_are_classes_or_an_error_in_one_line(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "meta.mat"
    write_meta(path)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut] + data.draw(st.binary(max_size=40)) + whole[cut + data.draw(st.integers(0, 40)) :])
    try:
        assert read_devkit_classes(tmp_path)
    except ReweighError as error:
        assert "\n" not in str(error)
