"""Hugging Face's ImageFolder with metadata."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.layouts.webvision_miniature import jpeg, write

from reweigh.catalog.tables import Catalog, read_classes, read_columns
from reweigh.errors import ReweighError
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise

CSV = 'file_name,label,text\n0001.jpg,tench,"a tench, caught"\nsub/0002.jpg,goldfish,\n'


def rows_of(catalog: Catalog, name: str) -> dict[str, Any]:
    read = read_columns(catalog, list(dict.fromkeys(("uid", name))))
    return dict(zip(read["uid"].to_pylist(), read[name].to_pylist(), strict=True))


def photos(root: Path) -> Path:
    """Two splits, one metadata each; a photo that none of them names."""
    for number, name in enumerate(("train/0001.jpg", "train/sub/0002.jpg", "train/unnamed.jpg", "validation/0003.jpg")):
        write(root / name, jpeg(number))
    write(root / "train/metadata.csv", CSV)
    write(root / "validation/metadata.csv", "file_name,label,text\r\n0003.jpg,tench,x\r\n")
    return root


def test_metadata_says_labels_text_and_split(tmp_path: Path) -> None:
    source = photos(tmp_path / "p")
    assert recognise(source)[0] == "imagefolder"
    assert recognise(source)[1].certainty == Certainty.CERTAIN
    catalog = index(source, tmp_path / "c")
    assert rows_of(catalog, "label") == {"train/0001.jpg": 1, "train/sub/0002.jpg": 0, "validation/0003.jpg": 1}
    assert read_classes(catalog).names == ("goldfish", "tench")
    assert rows_of(catalog, "split")["validation/0003.jpg"] == "val"
    assert rows_of(catalog, "title")["train/0001.jpg"] == "a tench, caught"
    assert catalog.counts["skipped"] == {
        "image that no metadata names": {"count": 1, "examples": ["train/unnamed.jpg"]}
    }


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_other_kinds_and_another_name_of_the_label(tmp_path: Path, kind: str) -> None:
    rows = [
        {"image_file_name": "a.jpg", "kind": "cat", "stars": 3},
        {"image_file_name": "b.jpg", "kind": "dog", "stars": 4},
    ]
    for number, row in enumerate(rows):
        write(tmp_path / "p" / str(row["image_file_name"]), jpeg(number))
    if kind == "jsonl":
        write(tmp_path / "p/metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p/metadata.parquet")
    catalog = index(tmp_path / "p", tmp_path / "c", options={"label": "kind"})
    assert rows_of(catalog, "label") == {"a.jpg": 0, "b.jpg": 1}
    assert rows_of(catalog, "stars") == {"a.jpg": 3, "b.jpg": 4}
    without = index(tmp_path / "p", tmp_path / "d")
    assert set(rows_of(without, "label").values()) == {-1}
    assert any("folders' names are no labels where there is metadata" in w for w in without.counts["warnings"])
    with pytest.raises(ReweighError, match=r"has no column 'kid' \(option label\).*Did you mean 'kind'"):
        index(tmp_path / "p", tmp_path / "e", options={"label": "kid"})


def test_paths_that_leave_the_folder_are_refused_and_missing_ones_counted(tmp_path: Path) -> None:
    source = photos(tmp_path / "p")
    odd = "".join(
        f"{name},tench,\n"
        for name in ("../validation/0003.jpg", "/etc/passwd", "http://x/y.jpg", "gone.jpg", "0001.jpg")
    )
    write(source / "train/metadata.csv", CSV + odd)
    skipped = index(source, tmp_path / "c").counts["skipped"]
    assert skipped["path that leaves the folder of its metadata"]["count"] == 3
    assert skipped["missing file"] == {"count": 1, "examples": ["train/gone.jpg"]}
    assert skipped["stands twice in the source"] == {"count": 1, "examples": ["train/0001.jpg"]}


def test_metadata_that_does_not_fit_is_said(tmp_path: Path) -> None:
    source = photos(tmp_path / "p")
    write(source / "validation/metadata.csv", "file_name,kind\n0003.jpg,tench\n")
    with pytest.raises(
        ReweighError, match=r"has the columns file_name, kind, .* file_name, label, text; they must be equal"
    ):
        index(source, tmp_path / "c")
    (source / "validation/metadata.csv").rename(source / "validation/metadata.jsonl")
    with pytest.raises(ReweighError, match=r"has metadata of several kinds, .csv, .jsonl"):
        index(source, tmp_path / "c", layout="imagefolder")
    (source / "validation/metadata.jsonl").unlink()
    write(source / "train/metadata.csv", "file_names,label\nx,y\n")
    with pytest.raises(ReweighError, match=r"has lists of files \(file_names\); one image a row"):
        index(source, tmp_path / "c", layout="imagefolder")
    (source / "train/metadata.csv").unlink()
    with pytest.raises(
        ReweighError, match=r"No metadata.csv, .jsonl or .parquet in .*; without them it is the layout folder"
    ):
        index(source, tmp_path / "c", layout="imagefolder")


def test_a_line_that_is_no_utf8_is_repaired_and_counted(tmp_path: Path) -> None:
    source = photos(tmp_path / "p")
    (source / "train/metadata.csv").write_bytes(CSV.replace("caught", "caf\xe9").encode("latin-1"))
    catalog = index(source, tmp_path / "c")
    assert rows_of(catalog, "title")["train/0001.jpg"] == "a tench, café"
    assert any("not UTF-8 and were read as latin-1" in warning for warning in catalog.counts["warnings"])


@given(st.binary(max_size=60))
@example(b"\x00.jpg,a,b\n")
@example(b'"a,b\n')
@settings(max_examples=30, deadline=None)
def test_any_metadata_is_a_catalog_or_an_error_in_one_line(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = photos(Path(folder) / "p")
        (source / "train/metadata.csv").write_bytes(CSV.encode() + data)
        try:
            assert index(source, Path(folder) / "c").n >= 2
        except ReweighError as error:
            assert "\n" not in str(error)


def test_splits_of_a_metadata_file_at_the_root_are_those_of_the_images_folders(tmp_path: Path) -> None:
    names = ["train/0.jpg", "more/test/1.jpg", "validation/2.jpg", "3.jpg", "test_tube_4.jpg"]
    for number, name in enumerate(names):
        write(tmp_path / "p" / name, jpeg(number))
    write(tmp_path / "p/metadata.csv", "file_name,label\n" + "".join(f"{name},cat\n" for name in names))
    assert list(rows_of(index(tmp_path / "p", tmp_path / "c"), "split").values()) == [
        "train",
        "test",
        "train",
        "train",
        "val",
    ]
    assert sorted(rows_of(index(tmp_path / "p", tmp_path / "d"), "uid")) == sorted(names)


def test_files_that_are_all_named_by_their_split_are_of_it(tmp_path: Path) -> None:
    for number, name in enumerate(("train_0.jpg", "test-1.jpg", "validation.2.jpg")):
        write(tmp_path / "p" / name, jpeg(number))
    write(tmp_path / "p/metadata.csv", "file_name,label\ntrain_0.jpg,a\ntest-1.jpg,b\nvalidation.2.jpg,a\n")
    assert rows_of(index(tmp_path / "p", tmp_path / "c"), "split") == {
        "test-1.jpg": "test",
        "train_0.jpg": "train",
        "validation.2.jpg": "val",
    }


def test_names_of_a_part_of_the_files_say_no_split_wherever_the_blocks_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"cat_{n}.jpg" for n in range(3)] + [f"test_tube_{n}.jpg" for n in range(3)]
    for number, name in enumerate(names):
        write(tmp_path / "p" / name, jpeg(number))
    write(tmp_path / "p/metadata.csv", "file_name,label\n" + "".join(f"{name},a\n" for name in names))
    monkeypatch.setattr("reweigh.layouts.table_files.BLOCK_BYTES", 40)
    assert set(rows_of(index(tmp_path / "p", tmp_path / "c"), "split").values()) == {"train"}


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00"])
def test_metadata_that_cannot_be_read_does_not_make_classes_of_folders(tmp_path: Path, data: bytes) -> None:
    write(tmp_path / "p/cat/0.jpg", jpeg(0))
    write(tmp_path / "p/metadata.csv", data)
    assert recognise(tmp_path / "p")[0] == "imagefolder"
    with pytest.raises(ReweighError, match=r"metadata\.csv"):
        index(tmp_path / "p", tmp_path / "c")


def test_several_labels_an_image_are_told(tmp_path: Path) -> None:
    write(tmp_path / "p/0.jpg", jpeg(0))
    write(tmp_path / "p/metadata.jsonl", '{"file_name": "0.jpg", "label": ["cat", "dog"]}\n')
    with pytest.raises(ReweighError, match=r"column 'label' holds list<.*>, not one label an image"):
        index(tmp_path / "p", tmp_path / "c")
