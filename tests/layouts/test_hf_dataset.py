"""Data sets of the library `datasets`, written here by pyarrow in the forms that `datasets` 5.2.0 writes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.layouts.webvision_miniature import jpeg

from reweigh.catalog.tables import Catalog, image_locations, read_classes, read_columns, read_labels
from reweigh.errors import ReweighError
from reweigh.images.reading import read_bytes
from reweigh.layouts import hf_dataset
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
FEATURES = {
    "image": {"_type": "Image"}, "label": {"names": ["1", "0", "eel"], "_type": "ClassLabel"}, "caption": {"dtype": "string", "_type": "Value"},
}  # fmt: skip
"""Class names that look like other classes' numbers."""


def table(n: int, *, first: int = 0, with_names: bool = True, label: Sequence[Any] | None = None) -> pa.Table:
    images = [{"bytes": jpeg(first + i, form="PNG" if i == 1 else "JPEG"), "path": None} for i in range(n)]
    labels = [i % 3 for i in range(n)] if label is None else list(label)
    made = pa.table(
        {"image": pa.array(images, IMAGE), "label": labels, "caption": [f"photo {first + i}" for i in range(n)]}
    )
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})} if with_names else None
    return made.replace_schema_metadata(metadata)


def save_arrow(folder: Path, parts: Sequence[pa.Table], *, batch: int = 2) -> None:
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{len(parts):05d}.arrow" for i in range(len(parts))]
    for name, part in zip(names, parts, strict=True):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, part.schema) as writer:
            writer.write_table(part, max_chunksize=batch)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))


def save_dict(folder: Path) -> Path:
    save_arrow(folder / "train", [table(5), table(2, first=5)])
    save_arrow(folder / "validation", [table(3, first=20)])
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation"]}))
    return folder


def rows_of(catalog: Catalog, name: str) -> dict[str, Any]:
    read = read_columns(catalog, list(dict.fromkeys(("uid", name))))
    return dict(zip(read["uid"].to_pylist(), read[name].to_pylist(), strict=True))


def test_a_saved_dict_becomes_files_classes_and_splits(tmp_path: Path) -> None:
    source = save_dict(tmp_path / "saved")
    assert recognise(source)[0] == "hf-dataset"
    assert recognise(source)[1].certainty == Certainty.CERTAIN
    catalog = index(source, tmp_path / "c")
    assert catalog.counts["splits"] == {"train": 7, "val": 3}
    assert read_classes(catalog).names == ("1", "0", "eel")
    assert rows_of(catalog, "label") == {
        **{f"train/{i:08d}": label for i, label in enumerate([0, 1, 2, 0, 1, 0, 1])}, **{f"val/{i:08d}": i for i in range(3)},
    }  # fmt: skip
    assert rows_of(catalog, "title")["train/00000006"] == "photo 6"
    files = rows_of(catalog, "file")
    assert files["train/00000001"] == "images/train/00000001.png"
    (location,) = image_locations(catalog, read_labels(catalog)[:1] * 0)
    assert read_bytes(location) == jpeg(0)
    assert not list(tmp_path.glob("*.partial"))


def test_parquet_files_are_split_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "saved" / "data").mkdir(parents=True)
    for name, made in {
        "train-00000-of-00002": table(3),
        "train-00001-of-00002": table(2, first=3),
        "test-00000-of-00001": table(1, first=9),
    }.items():
        pq.write_table(made, tmp_path / "saved" / "data" / f"{name}.parquet")
    catalog = index(tmp_path / "saved", tmp_path / "c")
    assert catalog.counts["splits"] == {"train": 5, "test": 1}
    one = index(tmp_path / "saved/data/train-00000-of-00002.parquet", tmp_path / "one")
    assert one.n == 3


def test_names_from_the_info_beside_it_and_labels_as_texts_or_absent(tmp_path: Path) -> None:
    save_arrow(tmp_path / "plain", [table(3, with_names=False)])
    assert read_classes(index(tmp_path / "plain", tmp_path / "a")).names == ("1", "0", "eel")
    save_arrow(tmp_path / "texts", [table(3, with_names=False, label=["dog", "cat", None])])
    (tmp_path / "texts" / "dataset_info.json").write_text("{}")
    catalog = index(tmp_path / "texts", tmp_path / "b")
    assert read_classes(catalog).names == ("cat", "dog")
    assert read_labels(catalog).tolist() == [1, 0, -1]
    save_arrow(tmp_path / "none", [table(3).drop_columns(["label"])])
    catalog = index(tmp_path / "none", tmp_path / "c")
    assert read_labels(catalog).tolist() == [-1, -1, -1]
    assert any("no image has one (--option label=COLUMN)" in warning for warning in catalog.counts["warnings"])


def test_rows_without_bytes_are_counted(tmp_path: Path) -> None:
    made = table(3)
    images = [*made["image"].to_pylist()[:2], {"bytes": None, "path": "x.jpg"}]
    save_arrow(tmp_path / "s", [made.set_column(0, "image", pa.array(images, IMAGE))])
    catalog = index(tmp_path / "s", tmp_path / "c")
    assert catalog.counts["skipped"] == {hf_dataset.PATH_ONLY: {"count": 1, "examples": ["train/00000002"]}}


def test_what_does_not_fit_is_said_and_nothing_is_left_behind(tmp_path: Path) -> None:
    source = save_dict(tmp_path / "saved")
    with pytest.raises(
        ReweighError,
        match=r"has no column 'lable' \(option label\); it has: image, label, caption\. Did you mean 'label'",
    ):
        index(source, tmp_path / "c", options={"label": "lable"})
    (source / "train" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(ReweighError, match=r"train lacks data-00001-of-00002.arrow, which state.json names"):
        index(source, tmp_path / "c")
    cut = save_dict(tmp_path / "cut") / "train" / "data-00000-of-00002.arrow"
    cut.write_bytes(cut.read_bytes()[:-900])
    with pytest.raises(
        ReweighError, match=r"data-00000-of-00002.arrow cannot be read as arrow: .*Is the download complete"
    ):
        index(tmp_path / "cut", tmp_path / "c")
    with pytest.raises(ReweighError, match=r"No data set in .*: looked for dataset_dict.json or state.json"):
        index(tmp_path, tmp_path / "c", layout="hf-dataset")
    (source / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "extra"]}))
    (source / "extra").mkdir()
    with pytest.raises(ReweighError, match=r"lacks|is no part that is known"):
        index(source, tmp_path / "c")
    assert not [p for p in tmp_path.iterdir() if p.name == "c" or "partial" in p.name]


def test_a_label_beyond_the_names_is_an_error(tmp_path: Path) -> None:
    save_arrow(tmp_path / "s", [table(3, label=[0, 1, 7])])
    with pytest.raises(ReweighError, match=r"label 7 of 'train/00000002' is out of range: the 3 classes are 0..2"):
        index(tmp_path / "s", tmp_path / "c")


def test_a_number_beyond_int32_in_place_of_a_label_is_an_error(tmp_path: Path) -> None:
    save_arrow(tmp_path / "s", [table(3, label=[0, 1, 1 << 48])])
    with pytest.raises(ReweighError, match=r"label 281474976710656 of 'train/00000002' is over 2,147,483,647"):
        index(tmp_path / "s", tmp_path / "c")


def test_wrong_offsets_in_an_arrow_file_are_told_before_anything_is_read_by_them(tmp_path: Path) -> None:
    save_arrow(tmp_path / "s", [table(2)])
    path = tmp_path / "s" / "data-00000-of-00001.arrow"
    whole, offsets = path.read_bytes(), b"\0\0\0\0\7\0\0\0\x0e\0\0\0"  # of captions "photo 0" and "photo 1"
    assert whole.count(offsets) == 1
    path.write_bytes(whole.replace(offsets, b"\0\0\0\0\xff\xff\xff\x7f\x0e\0\0\0"))
    with pytest.raises(ReweighError, match=r"arrow cannot be read as arrow: .*offset"):
        index(tmp_path / "s", tmp_path / "c")


@given(st.binary(max_size=60))
@example(b'{"splits": ["../../etc"]}')
@example(b'{"splits": [1]}')
@example(b"[" * 5000)
@settings(max_examples=30, deadline=None)
def test_any_dictionary_of_splits_is_an_error_in_one_line(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "s"
        source.mkdir()
        (source / "dataset_dict.json").write_bytes(data)
        with pytest.raises(ReweighError) as error:
            index(source, Path(folder) / "c")
        assert "\n" not in str(error.value)


def test_images_with_paths_of_their_own_are_named_by_them_and_keep_their_names_when_a_row_comes_in_front(
    tmp_path: Path,
) -> None:
    def named(folder: Path, names: list[str]) -> Catalog:
        made = table(len(names), label=[0] * len(names))
        images = [{"bytes": name.encode(), "path": name} for name in names]
        save_arrow(folder / "s", [made.set_column(0, "image", pa.array(images, IMAGE))])
        return index(folder / "s", folder / "c")

    assert list(rows_of(named(tmp_path / "1", ["a.jpg", "b/c.png"]), "uid")) == ["train/a.jpg", "train/b/c.png"]
    assert "train/b/c.png" in rows_of(named(tmp_path / "2", ["0.jpg", "a.jpg", "b/c.png"]), "uid")
    for number, names in enumerate((["a.jpg", "a.jpg"], ["a.jpg", "../b.jpg"], ["/x/a.jpg", "b.jpg"])):
        catalog = named(tmp_path / f"no{number}", names)
        assert list(rows_of(catalog, "uid")) == ["train/00000000", "train/00000001"]
        assert any("images are named by their rows" in note for note in catalog.counts["notes"])


def test_plain_bytes_are_images_where_the_column_is_named(tmp_path: Path) -> None:
    made = pa.table({"photo": pa.array([jpeg(0), jpeg(1)]), "label": ["cat", "dog"]})
    (tmp_path / "s").mkdir()
    pq.write_table(made, tmp_path / "s" / "train-0.parquet")
    with pytest.raises(
        ReweighError,
        match=r"no column of images \(bytes, path\); it has: photo, label\. Say which one: --option image=photo",
    ):
        index(tmp_path / "s", tmp_path / "c", layout="hf-dataset")
    assert index(tmp_path / "s", tmp_path / "c", layout="hf-dataset", options={"image": "photo"}).n == 2
    with pytest.raises(ReweighError, match=r"column 'label' holds string, not images"):
        index(tmp_path / "s", tmp_path / "d", layout="hf-dataset", options={"image": "label"})


def test_the_hubs_own_parquet_a_folder_deeper_and_unknown_splits(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / "s" / "default" / name).mkdir(parents=True)
        pq.write_table(table(2, first=ord(name[0])), tmp_path / "s" / "default" / name / "0000.parquet")
    assert index(tmp_path / "s", tmp_path / "c").counts["splits"] == {"train": 2, "test": 2}
    source = save_dict(tmp_path / "d")
    (source / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation", "unsupervised"]}))
    catalog = index(source, tmp_path / "e")
    assert catalog.counts["splits"] == {"train": 7, "val": 3}
    assert any(
        "split 'unsupervised' is no part that is known and was left out" in w for w in catalog.counts["warnings"]
    )


def test_several_labels_an_image_are_told(tmp_path: Path) -> None:
    made = table(2, with_names=False).set_column(1, "label", pa.array([[0, 1], [2]]))
    (tmp_path / "s").mkdir()
    pq.write_table(made, tmp_path / "s" / "train-0.parquet")
    with pytest.raises(ReweighError, match=r"column 'label' holds list<.*>, not one label an image"):
        index(tmp_path / "s", tmp_path / "c")


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (["a"], "b", r"Column 'more' is list<.*: string> in .*train-0.* and string in .*train-1"),
        (b"\xff", "b", r"Column 'more' is binary in .* and string in .*; files of one set must agree"),
    ],
)
def test_shards_whose_columns_cannot_be_put_together_are_named(
    tmp_path: Path, one: object, other: object, said: str
) -> None:
    (tmp_path / "s").mkdir()
    for number, value in enumerate((one, other)):
        pq.write_table(table(1).append_column("more", pa.array([value])), tmp_path / "s" / f"train-{number}.parquet")
    with pytest.raises(ReweighError, match=said):
        index(tmp_path / "s", tmp_path / "c", layout="hf-dataset")


def test_bytes_of_two_widths_are_bytes(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for number, kind in enumerate((pa.binary(), pa.large_binary())):
        images = pa.array([jpeg(number)], kind)
        pq.write_table(pa.table({"photo": images, "label": [number]}), tmp_path / "s" / f"train-{number}.parquet")
    catalog = index(tmp_path / "s", tmp_path / "c", layout="hf-dataset", options={"image": "photo"})
    assert [read_bytes(place) for place in image_locations(catalog, np.arange(2))] == [jpeg(0), jpeg(1)]
