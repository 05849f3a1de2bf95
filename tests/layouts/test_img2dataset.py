"""Output of img2dataset in its three forms, with failed rows, an interrupted shard and keys out of order."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.layouts.webvision_miniature import jpeg, write

from reweigh.catalog.tables import Catalog, image_locations, read_classes, read_columns
from reweigh.errors import ReweighError
from reweigh.images.reading import read_bytes
from reweigh.layouts.recognition import Certainty
from reweigh.layouts.table_of_layouts import index, recognise


def rows(shard: int) -> list[dict[str, Any]]:
    """In the order of completion, with two that failed."""
    status = ["success", "failed_to_download", "success", "failed_to_resize"]
    return [
        {
            "url": f"https://host{i % 2}.org/{shard}/{i}.jpg", "caption": "" if i == 2 else f"photo {i}", "class": ("dog", "cat")[i // 2],
            "words": ["a", "b"], "key": f"{shard:05d}{i:04d}", "status": status[i], "error_message": None, "width": 16, "exif": "{}",
        }
        for i in (2, 0, 3, 1)
    ]  # fmt: skip


def download(root: Path, form: str, shards: int = 2) -> Path:
    root.mkdir()
    for shard in range(shards):
        table = rows(shard)
        made = {row["key"]: jpeg(10 * shard + int(row["key"][-1])) for row in table if row["status"] == "success"}
        if form == "bytes":
            table = [row | {"jpg": made.get(row["key"])} for row in table]
        pq.write_table(pa.Table.from_pylist(table), root / f"{shard:05d}.parquet")
        write(root / f"{shard:05d}_stats.json", json.dumps({"count": 4}))
        if form == "files":
            for key, data in made.items():
                write(root / f"{shard:05d}" / f"{key}.jpg", data)
                write(root / f"{shard:05d}" / f"{key}.txt", "")
        if form == "tars":
            with tarfile.open(root / f"{shard:05d}.tar", "w") as tar:
                for key, data in made.items():
                    for ending, content in (("jpg", data), ("txt", b""), ("json", b"{}")):
                        info = tarfile.TarInfo(f"{key}.{ending}")
                        info.size = len(content)
                        tar.addfile(info, io.BytesIO(content))
    return root


def rows_of(catalog: Catalog, name: str) -> dict[str, Any]:
    read = read_columns(catalog, ["uid", name])
    return dict(zip(read["uid"].to_pylist(), read[name].to_pylist(), strict=True))


@pytest.mark.parametrize("form", ["files", "tars", "bytes"])
def test_every_form_gives_the_same_rows_and_bytes(tmp_path: Path, form: str) -> None:
    source = download(tmp_path / "d", form)
    assert recognise(source)[0] == "img2dataset"
    assert recognise(source)[1].certainty == Certainty.CERTAIN
    catalog = index(source, tmp_path / "c", options={"label": "class"})
    assert rows_of(catalog, "label") == {
        "00000/000000000.jpg": 1, "00000/000000002.jpg": 0, "00001/000010000.jpg": 1, "00001/000010002.jpg": 0,
    }  # fmt: skip
    assert read_classes(catalog).names == ("cat", "dog")
    assert rows_of(catalog, "title")["00000/000000000.jpg"] == "photo 0"
    assert rows_of(catalog, "title")["00000/000000002.jpg"] is None
    assert set(catalog.counts["sources"]) == {"host0.org"}
    assert rows_of(catalog, "url")["00001/000010002.jpg"] == "https://host0.org/1/2.jpg"
    assert catalog.counts["skipped"] == {
        "failed to download": {"count": 2, "examples": ["00000/000000001", "00001/000010001"]},
        "failed to resize": {"count": 2, "examples": ["00000/000000003", "00001/000010003"]},
    }
    for location, number in zip(image_locations(catalog, np.arange(4)), (0, 2, 10, 12), strict=True):
        assert read_bytes(location) == jpeg(number)
    assert f"2 shards, images as {form}" in catalog.counts["notes"]


def test_without_a_column_of_labels_no_image_has_one(tmp_path: Path) -> None:
    catalog = index(download(tmp_path / "d", "files", 1), tmp_path / "c")
    assert set(rows_of(catalog, "label").values()) == {-1}
    assert any(
        "--option label=COLUMN names a column that you gave it, of url, caption, class" in w
        for w in catalog.counts["warnings"]
    )
    with pytest.raises(ReweighError, match=r"no column 'clas' \(option label\); it has: .*Did you mean 'class'"):
        index(tmp_path / "d", tmp_path / "e", options={"label": "clas"})


def test_interrupted_shards_are_left_out_with_a_warning(tmp_path: Path) -> None:
    source = download(tmp_path / "d", "tars", 4)
    (source / "00001_stats.json").unlink()
    cut = source / "00002.parquet"
    cut.write_bytes(cut.read_bytes()[:-20])
    (source / "00003.parquet").unlink()
    catalog = index(source, tmp_path / "c")
    assert catalog.n == 2
    warnings = "\n".join(catalog.counts["warnings"])
    assert "shard 00001 was interrupted (no 00001_stats.json) and is left out" in warnings
    assert "shard 00002 was interrupted (00002.parquet is cut) and is left out" in warnings
    assert "1 tars have no Parquet file beside them and were left out: 00003.tar" in warnings


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No whole shard of img2dataset in .*: found no 00000.parquet"):
        index(tmp_path, tmp_path / "c", layout="img2dataset")
    source = download(tmp_path / "d", "tars", 1)
    (source / "00000.tar").unlink()
    with pytest.raises(ReweighError, match=r"has neither images in it, nor 00000.tar, nor the folder 00000/ beside it"):
        index(source, tmp_path / "c")
    source = download(tmp_path / "e", "files", 1)
    for path in (source / "00000").glob("*.jpg"):
        path.unlink()
    with pytest.raises(ReweighError, match=r"2 of the 2 images of .* are not there"):
        index(source, tmp_path / "c")


def test_a_key_that_is_a_path_is_refused(tmp_path: Path) -> None:
    source = download(tmp_path / "d", "bytes", 1)
    table = pq.read_table(source / "00000.parquet")
    keys = ["../../evil", *table["key"].to_pylist()[1:]]
    pq.write_table(
        table.set_column(table.schema.get_field_index("key"), "key", pa.array(keys)), source / "00000.parquet"
    )
    with pytest.raises(ReweighError, match=r"'../../evil' is no key of img2dataset"):
        index(source, tmp_path / "c")
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


@given(st.binary(max_size=80))
@example(b"PAR1PAR1")
@settings(max_examples=25, deadline=None)
def test_any_bytes_in_place_of_a_shard_are_told(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = download(Path(folder) / "d", "files")
        (source / "00001.parquet").write_bytes(data)
        catalog = index(source, Path(folder) / "c")
        assert catalog.n == 2
        assert any("00001 was interrupted" in warning for warning in catalog.counts["warnings"])


def test_columns_whose_type_changes_from_shard_to_shard_are_of_one_that_fits(tmp_path: Path) -> None:
    source = download(tmp_path / "d", "files", 3)
    values = ([None] * 4, [1, 2, 3, 4], ["x", "y", None, "z"])
    for shard, (mixed, number) in enumerate(zip(values, ([1, 2, 3, 4], [0.5] * 4, [None] * 4), strict=True)):
        table = pq.read_table(source / f"{shard:05d}.parquet")
        table = table.append_column("mixed", pa.array(mixed)).append_column("number", pa.array(number))
        pq.write_table(table, source / f"{shard:05d}.parquet")
    catalog = index(source, tmp_path / "c")
    assert {"1", "x", None} < set(rows_of(catalog, "mixed").values())
    assert {1.0, 0.5, None} <= set(rows_of(catalog, "number").values())


def test_a_shard_that_cannot_be_read_is_told_not_made_a_class(tmp_path: Path) -> None:
    source = download(tmp_path / "d", "files", 2)
    for path in source.glob("*.parquet"):
        path.write_bytes(b"")
    with pytest.raises(ReweighError, match=r"No whole shard of img2dataset in .*: found 2 shards, all interrupted"):
        index(source, tmp_path / "c")
