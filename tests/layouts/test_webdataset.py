"""WebDataset's tars, with the traps that their names hold."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.layouts.webvision_miniature import jpeg, write

from reweigh.catalog.tables import Catalog, image_locations, read_classes, read_columns
from reweigh.errors import ReweighError
from reweigh.images.reading import read_bytes
from reweigh.layouts import webdataset
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise


def make_tar(path: Path, members: list[tuple[str, bytes]], mode: str = "w") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def shards(root: Path) -> Path:
    text = json.dumps({"caption": "a red fox", "tags": ["fox", 3], "rank": "2", "query": "fox"}).encode()
    make_tar(root / "train-000000.tar", [
        ("a/b.jpg", jpeg(1)), ("a/b.cls", b"1"), ("a/b.json", text), ("c.PNG", jpeg(2, form="PNG")), ("c.cls", b"0"), ("c.txt", "dé\n".encode()),
    ])  # fmt: skip
    make_tar(root / "val-000000.tar", [("c.jpg", jpeg(3)), ("c.cls", b"0")])
    write(root / "classes.txt", "cat\nfox\n")
    return root


def rows_of(catalog: Catalog, name: str) -> dict[str, Any]:
    read = read_columns(catalog, ["uid", name])
    return dict(zip(read["uid"].to_pylist(), read[name].to_pylist(), strict=True))


def test_samples_become_rows_that_point_into_the_tars(tmp_path: Path) -> None:
    source = shards(tmp_path / "s")
    assert recognise(source)[0] == "webdataset"
    assert recognise(source)[1].certainty == Certainty.CERTAIN
    catalog = index(source, tmp_path / "c")
    assert rows_of(catalog, "label") == {
        "train-000000.tar/a/b.jpg": 1,
        "train-000000.tar/c.PNG": 0,
        "val-000000.tar/c.jpg": 0,
    }
    assert read_classes(catalog).names == ("cat", "fox")
    assert rows_of(catalog, "split")["val-000000.tar/c.jpg"] == "val"
    assert rows_of(catalog, "title") == {
        "train-000000.tar/a/b.jpg": "a red fox",
        "train-000000.tar/c.PNG": "dé",
        "val-000000.tar/c.jpg": None,
    }
    assert rows_of(catalog, "tags")["train-000000.tar/a/b.jpg"] == ["fox", "3"]
    assert rows_of(catalog, "rank")["train-000000.tar/a/b.jpg"] == 2
    assert [read_bytes(p) for p in image_locations(catalog, np.arange(3))] == [jpeg(1), jpeg(2, form="PNG"), jpeg(3)]
    one = index(source / "train-000000.tar", tmp_path / "one")
    assert one.n == 2


def test_labels_from_json_and_as_names(tmp_path: Path) -> None:
    make_tar(
        tmp_path / "s/0.tar",
        [("a.jpg", jpeg(1)), ("a.json", b'{"label": "dog"}'), ("b.jpg", jpeg(2)), ("b.json", b'{"label": "ape"}')],
    )
    catalog = index(tmp_path / "s", tmp_path / "c")
    assert rows_of(catalog, "label") == {"0.tar/a.jpg": 1, "0.tar/b.jpg": 0}
    make_tar(tmp_path / "t/0.tar", [("a.jpg", jpeg(1)), ("a.txt", b"x")])
    catalog = index(tmp_path / "t", tmp_path / "d")
    assert rows_of(catalog, "label") == {"0.tar/a.jpg": -1}
    assert any("no sample has a label" in warning for warning in catalog.counts["warnings"])


def test_odd_members_are_counted_or_put_together(tmp_path: Path) -> None:
    make_tar(tmp_path / "s/0.tar", [
        ("a.jpg", jpeg(1)), ("b.jpg", jpeg(2)), ("a.cls", b"1"), ("b.cls", b"0"), ("b.cls", b"1"), ("2.0 track.jpg", jpeg(3)), ("README", b"x"),
        ("dir/._x.jpg", b"mac"), ("__meta__", b"x"), ("d.cls", b"0"), ("a.seg.png", b"mask"), ("e.jpg", jpeg(4)), ("e.cls", b"0"), ("e.json", b"[" * 900),
    ])  # fmt: skip
    catalog = index(tmp_path / "s", tmp_path / "c")
    assert rows_of(catalog, "label") == {"0.tar/a.jpg": 1, "0.tar/b.jpg": 0, "0.tar/e.jpg": 0}
    skipped = {reason: found["examples"] for reason, found in catalog.counts["skipped"].items()}
    assert skipped == {
        "member whose name is cut at a dot before its ending (webdataset takes what comes before as the key)": ["0.tar/2.0 track.jpg"],
        "field that a sample has twice (the first counts)": ["0.tar/b.cls"], "member without an ending": ["0.tar/README"],
        "sample without an image": ["0.tar/d"], "json that cannot be read": ["0.tar/e"],
    }  # fmt: skip
    assert any(w.startswith("2 samples have members that are not side by side") for w in catalog.counts["warnings"])


def test_labels_of_json_in_every_form_and_names_that_are_cut_or_no_text(tmp_path: Path) -> None:
    labels = ["7.0", "[7]", '"seven"', "[7, 8]", "true", "2.5", "null"]
    members = [(f"{n}.jpg", jpeg(n)) for n in range(len(labels))]
    members += [(f"{n}.json", f'{{"label": {label}}}'.encode()) for n, label in enumerate(labels)]
    members += [("dr.smith.jpg", jpeg(8)), ("dr.smith.cls", b"1"), ("caf\udce9.jpg", jpeg(9))]
    make_tar(tmp_path / "s/0.tar", sorted(members))
    catalog = index(tmp_path / "s", tmp_path / "c")
    assert list(rows_of(catalog, "label").values()) == [0, 0, 1, -1, -1, -1, -1]
    assert read_classes(catalog).names == ("7", "seven")
    skipped = {reason: (found["count"], found["examples"]) for reason, found in catalog.counts["skipped"].items()}
    assert skipped == {
        webdataset.UNCLEAR: (3, ["0.tar/3", "0.tar/4", "0.tar/5"]), webdataset.CUT: (1, ["0.tar/dr.smith.jpg"]),
        "name is not valid Unicode": (1, ["caf?.jpg"]),
    }  # fmt: skip


def test_text_that_is_not_utf_8_is_read_as_latin_1_and_counted(tmp_path: Path) -> None:
    make_tar(
        tmp_path / "s/0.tar",
        [("a.jpg", jpeg(1)), ("a.cls", "café".encode("latin-1")), ("a.txt", b"\xef\xbb\xbfa cup")],
    )
    catalog = index(tmp_path / "s", tmp_path / "c")
    assert read_classes(catalog).names == ("café",) and rows_of(catalog, "title") == {"0.tar/a.jpg": "a cup"}
    assert "1 cls or txt are not UTF-8 and were read as latin-1" in catalog.counts["warnings"]


@pytest.mark.parametrize(("window", "labels"), [(5, [0] * 5), (2, [-1] * 5)])
def test_samples_far_apart_come_in_pieces_and_memory_has_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int, labels: list[int]
) -> None:
    monkeypatch.setattr(webdataset, "WINDOW", window)
    members = [(f"{n}.jpg", jpeg(n)) for n in range(5)] + [(f"{n}.cls", b"0") for n in range(5)]
    make_tar(tmp_path / "s/0.tar", members)
    catalog = index(tmp_path / "s", tmp_path / "c", layout="webdataset")
    assert list(rows_of(catalog, "label").values()) == labels
    assert catalog.counts["skipped"].get("sample without an image", {}).get("count", 0) == labels.count(-1)


def test_a_label_that_no_class_has_names_the_sample(tmp_path: Path) -> None:
    source = shards(tmp_path / "s")
    make_tar(source / "train-000001.tar", [("z.jpg", jpeg(9)), ("z.cls", b"7")])
    with pytest.raises(ReweighError, match=r"cls '7' of 'train-000001.tar/z.jpg' is no class; labels are 0..1"):
        index(source, tmp_path / "c")


def test_compressed_cut_and_missing_tars_are_told(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No tar in .*: looked for shards such as train-000000.tar"):
        index(tmp_path, tmp_path / "c", layout="webdataset")
    make_tar(tmp_path / "z/0.tar.gz", [("a.jpg", jpeg(1))], "w:gz")
    with pytest.raises(ReweighError, match=r"0.tar.gz is compressed with gzip.*Unpack it first"):
        index(tmp_path / "z", tmp_path / "c", layout="webdataset")
    source = shards(tmp_path / "s")
    path = source / "val-000000.tar"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ReweighError, match=r"val-000000.tar: member 'c.jpg' claims|not a whole tar"):
        index(source, tmp_path / "c")
    make_tar(source / "val-000000.tar", [("../x.jpg", jpeg(1)), ("../x.cls", b"1")])
    with pytest.raises(ReweighError, match=r"member '../x.jpg' leaves the tar's own folder"):
        index(source, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_text_too_large_to_be_one_is_counted(tmp_path: Path) -> None:
    source = tmp_path / "s"
    make_tar(source / "0.tar", [("a.jpg", jpeg(1)), ("a.cls", b"0"), ("a.txt", b"x" * (webdataset.LARGEST + 1))])
    catalog = index(source, tmp_path / "c", layout="webdataset")
    assert catalog.counts["skipped"]["cls, json or txt over 1,048,576 bytes"]["examples"] == ["0.tar/a.txt"]


@pytest.mark.parametrize(
    "data", [b"", b"x" * 700, gzip.compress(b"x" * 2000, mtime=0)], ids=["empty", "no tar", "gzip"]
)
def test_a_tar_that_cannot_be_read_is_told_by_its_reader(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "train-0000.tar").write_bytes(data)
    with pytest.raises(ReweighError, match=r"train-0000\.tar is"):
        index(tmp_path / "s", tmp_path / "c")
    for name in ("cat", "dog"):
        (tmp_path / "s" / name).mkdir()
        (tmp_path / "s" / name / "1.jpg").write_bytes(jpeg(ord(name[0])))
    assert index(tmp_path / "s", tmp_path / "c").n == 2, "beside folders of images it is some tar"


names = st.text("ab._/0 ", min_size=1, max_size=6).map(lambda base: f"{base.strip('/') or 'x'}.jpg")


@given(st.lists(st.tuples(names, st.sampled_from([b"x", b"0", b'{"label": 1}'])), max_size=5), st.binary(max_size=40))
@example([], b"\xff")
@settings(max_examples=30, deadline=None)
def test_any_members_are_a_catalog_or_an_error_in_one_line(members: list[tuple[str, bytes]], cls: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        make_tar(Path(folder) / "s/0.tar", [("ok.jpg", jpeg(1)), ("ok.cls", cls), *members])
        try:
            assert index(Path(folder) / "s", Path(folder) / "c", layout="webdataset").n >= 1
        except ReweighError as error:
            assert "\n" not in str(error)
