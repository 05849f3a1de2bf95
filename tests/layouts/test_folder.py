"""A folder a class, in splits or not; what does not fit is counted or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from reweigh.catalog.tables import Catalog, read_classes, read_columns, read_uids
from reweigh.errors import ReweighError
from reweigh.layouts import indexing
from reweigh.layouts.table_of_layouts import index


def put(root: Path, *names: str) -> Path:
    """Files whose bytes are their names."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def rows_of(catalog: Catalog) -> list[tuple[str, str, int]]:
    return [(r["uid"], r["split"], r["label"]) for r in read_columns(catalog, ["uid", "split", "label"]).to_pylist()]


def test_a_folder_a_class_is_all_train(tmp_path: Path) -> None:
    catalog = index(put(tmp_path / "photos", "cat/1.jpg", "dog/2.PNG", "cat/deep/er/3.webp"), tmp_path / "c")
    assert rows_of(catalog) == [
        ("cat/1.jpg", "train", 0),
        ("cat/deep/er/3.webp", "train", 0),
        ("dog/2.PNG", "train", 1),
    ]
    assert catalog.layout == "folder" and read_classes(catalog).names == ("cat", "dog")


def test_split_folders_are_splits(tmp_path: Path) -> None:
    source = put(tmp_path / "photos", "Training/cat/1.jpg", "valid/cat/2.jpg", "test/cat/3.jpg", "Training/dog/4.jpg")
    catalog = index(source, tmp_path / "c")
    assert rows_of(catalog) == [
        ("Training/cat/1.jpg", "train", 0), ("Training/dog/4.jpg", "train", 1), ("test/cat/3.jpg", "test", 0), ("valid/cat/2.jpg", "val", 0),
    ]  # fmt: skip


def test_numbered_classes_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    catalog = index(put(tmp_path / "photos", "10/a.jpg", "2/b.jpg", "1/c.jpg"), tmp_path / "c")
    assert read_classes(catalog).names == ("1", "2", "10")


def test_a_class_named_like_a_wordnet_id_has_it_as_its_synset(tmp_path: Path) -> None:
    catalog = index(put(tmp_path / "photos", "n02123045/a.jpg", "other/b.jpg"), tmp_path / "c")
    assert read_classes(catalog).synsets == ("n02123045", None)


def test_litter_is_passed_over_and_the_rest_is_counted(tmp_path: Path) -> None:
    names = [
        "train/cat/1.jpg",
        "train/cat/._1.jpg",
        "train/.DS_Store",
        "train/.hidden/x.jpg",
        "train/cat/notes.txt",
        "train/stray.jpg",
    ]
    catalog = index(put(tmp_path / "photos", *names, "other/x.jpg"), tmp_path / "c")
    assert read_uids(catalog) == ["train/cat/1.jpg"]
    assert {reason: found["count"] for reason, found in catalog.counts["skipped"].items()} == {
        "not an image by its ending": 1,
        "not in a class folder": 1,
        "folder beside train that is no split": 1,
    }


def test_an_empty_file_is_skipped_and_counted(tmp_path: Path) -> None:
    put(tmp_path / "photos", "cat/1.jpg")
    (tmp_path / "photos" / "cat" / "0.jpg").write_bytes(b"")
    catalog = index(tmp_path / "photos", tmp_path / "c")
    assert catalog.counts["skipped"] == {"empty file": {"count": 1, "examples": ["cat/0.jpg"]}}


def test_a_name_that_is_no_unicode_is_skipped_and_counted(tmp_path: Path) -> None:
    put(tmp_path / "photos", "cat/1.jpg")
    (tmp_path / "photos" / "cat" / b"\xff.jpg".decode(errors="surrogateescape")).write_bytes(b"x")
    catalog = index(tmp_path / "photos", tmp_path / "c")
    assert catalog.counts["skipped"] == {"name is not valid Unicode": {"count": 1, "examples": ["cat/?.jpg"]}}


def test_classes_of_one_name_in_several_forms_are_told(tmp_path: Path) -> None:
    for name in ("Dog", "dog", "hot dog", "hot_dog", "cafe\u0301", "caf\u00e9", "cat"):
        put(tmp_path / "photos", f"{name}/{len(name)}-{name[0]}.jpg")
    (warning,) = [w for w in index(tmp_path / "photos", tmp_path / "c").counts["warnings"] if "several forms" in w]
    assert (
        warning.startswith("3 names of classes stand in several forms: Dog and dog; ")
        and "hot dog and hot_dog" in warning
    )


def test_a_link_to_a_folder_above_does_not_go_round_for_ever(tmp_path: Path) -> None:
    put(tmp_path / "photos", "cat/1.jpg")
    (tmp_path / "photos" / "cat" / "again").symlink_to(tmp_path / "photos" / "cat")
    assert read_uids(index(tmp_path / "photos", tmp_path / "c")) == ["cat/1.jpg"]


def test_catalogs_and_runs_inside_are_no_classes(tmp_path: Path) -> None:
    source = put(tmp_path / "photos", "cat/1.jpg", "reweigh-run/run.json", "reweigh-run/x.jpg")
    index(source, source / "own.catalog")
    assert read_classes(index(source, tmp_path / "c")).names == ("cat",)


def test_exact_copies_share_a_group_and_are_counted(tmp_path: Path) -> None:
    put(tmp_path / "photos", "train/cat/1.jpg", "test/dog/2.jpg", "train/dog/3.jpg")
    (tmp_path / "photos" / "test" / "dog" / "2.jpg").write_bytes(b"train/cat/1.jpg")
    catalog = index(tmp_path / "photos", tmp_path / "c")
    assert catalog.counts["duplicates"] == 1
    assert [w.split(":")[0] for w in catalog.counts["warnings"]] == [
        "once the same image, byte for byte, stands under different labels",
        "once the same image, byte for byte, stands in train and in val or test",
    ]
    without = index(tmp_path / "photos", tmp_path / "unread", options={"hash": False})
    assert without.counts["duplicates"] == 0 and read_columns(without, ["content"])["content"].null_count == 3


def test_indexing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = put(tmp_path / "photos", *(f"{c}/{i}.jpg" for c in "abc" for i in range(30)))
    one, two = index(source, tmp_path / "one"), index(source, tmp_path / "two")
    assert [p.read_bytes() for p in sorted(one.path.iterdir())] == [p.read_bytes() for p in sorted(two.path.iterdir())]


def test_a_class_without_images_is_warned_of(tmp_path: Path) -> None:
    (put(tmp_path / "photos", "cat/1.jpg") / "dog").mkdir()
    catalog = index(tmp_path / "photos", tmp_path / "c")
    assert catalog.k == 2 and catalog.counts["warnings"] == ["1 of 2 classes have no image: dog"]


def test_a_class_of_the_test_alone_is_warned_of(tmp_path: Path) -> None:
    catalog = index(put(tmp_path / "photos", "train/cat/1.jpg", "test/cat/2.jpg", "test/dog/3.jpg"), tmp_path / "c")
    assert catalog.counts["warnings"] == ["1 of 2 classes have no training image: dog"]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(
        ReweighError, match="photos is empty: looked for a folder a class with images in it; found nothing"
    ):
        index(tmp_path / "photos", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_class_folders_without_images_are_an_error(tmp_path: Path) -> None:
    put(tmp_path / "photos", "cat/._1.jpg", "dog/readme.txt")
    with pytest.raises(
        ReweighError, match=r"No images in .*photos: its 2 class folders \(cat, dog\) hold none that can be read"
    ):
        index(tmp_path / "photos", tmp_path / "c")


def test_images_without_class_folders_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        ReweighError, match="has 2 images but no folder a class; sort them into folders, or give a table"
    ):
        index(put(tmp_path / "photos", "1.jpg", "2.jpg"), tmp_path / "c")


def test_a_folder_of_a_table_names_the_table(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"has no folder a class, but tables \(labels.csv\): name the table itself"):
        index(put(tmp_path / "photos", "labels.csv"), tmp_path / "c")


@pytest.mark.parametrize("split", ["val", "test"])
def test_tiny_imagenets_unsorted_split_is_refused(tmp_path: Path, split: str) -> None:
    source = put(
        tmp_path / "tiny", "train/n01/images/n01_0.JPEG", "train/n02/images/n02_0.JPEG", f"{split}/images/x_0.JPEG"
    )
    with pytest.raises(
        ReweighError,
        match=rf"{split} has the class folders images, of which .*train has none .*not sorted into classes",
    ):
        index(source, tmp_path / "c")


def test_two_folders_of_one_split_are_refused(tmp_path: Path) -> None:
    source = put(tmp_path / "photos", "train/cat/1.jpg", "val/cat/2.jpg", "valid/cat/3.jpg")
    with pytest.raises(ReweighError, match="has val and valid, both of which mean val"):
        index(source, tmp_path / "c")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    put(tmp_path, "x.jpg")
    with pytest.raises(ReweighError, match="is a file; the layout folder reads a folder"):
        index(tmp_path / "x.jpg", tmp_path / "c", layout="folder")


def test_links_that_lead_nowhere_are_no_classes_and_no_images(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(make(tmp_path / "p" / "cat") / "1.png")
    (tmp_path / "p" / "loop").symlink_to(tmp_path / "p" / "loop")
    (tmp_path / "p" / "cat" / "loop").symlink_to(tmp_path / "p" / "cat" / "loop")
    (tmp_path / "p" / "cat" / "gone.png").symlink_to(tmp_path / "none.png")
    catalog = index(tmp_path / "p", tmp_path / "c")
    assert catalog.n == 1 and catalog.k == 1
    assert {reason: found["count"] for reason, found in catalog.counts["skipped"].items()} == {
        "missing file": 1, "not an image by its ending": 1,
    }  # fmt: skip


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_a_folder_of_files_that_cannot_be_used_is_given_up_and_nothing_of_the_rest_is_lost_unsaid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "EARLY", 20)
    monkeypatch.setattr(indexing, "BLOCK", 10)
    for name in ("empty", "full"):
        (tmp_path / "p" / name).mkdir(parents=True)
        for number in range(40):
            (tmp_path / "p" / name / f"{number:02d}.jpg").write_bytes(name.encode() if name == "full" else b"")
    with pytest.raises(
        ReweighError, match=r"20 of the first 20 images of .*p cannot be used \(empty file\), e\.g\. empty/00\.jpg"
    ):
        index(tmp_path / "p", tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("is_hashed", [True, False])
def test_links_that_lead_out_are_counted_or_refused_and_others_are_nothing_special(
    tmp_path: Path, is_hashed: bool
) -> None:
    source = put(tmp_path / "p", "cat/1.jpg", "dog/2.jpg")
    put(tmp_path / "disk", "3.jpg", "4.jpg", "secret")
    (source / "dog" / "inside.jpg").symlink_to(source / "cat" / "1.jpg")
    (source / "bird").symlink_to(tmp_path / "disk")
    if is_hashed:
        (source / "cat" / "key.jpg").symlink_to(tmp_path / "disk" / "secret")
    n_out = 3 if is_hashed else 2
    catalog = index(source, tmp_path / "c", options={"hash": is_hashed})
    assert catalog.n == 3 + n_out
    assert (
        f"{n_out} images are reached by links that lead out of the folder (--option links=refuse leaves them out)"
        in catalog.counts["warnings"]
    )
    refused = index(source, tmp_path / "d", options={"hash": is_hashed, "links": "refuse"})
    assert {uid for uid, _, _ in rows_of(refused)} == {"cat/1.jpg", "dog/2.jpg", "dog/inside.jpg"}
    assert refused.counts["skipped"]["reached by a link that leads out of the folder"]["count"] == n_out
    with pytest.raises(ReweighError, match="No value of the option links named 'no'"):
        index(source, tmp_path / "e", options={"links": "no"})


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(put(tmp_path / "p", "cat/1.jpg", "dog/2.jpg"))
    assert index(tmp_path / "link", tmp_path / "c").counts["warnings"] == []
