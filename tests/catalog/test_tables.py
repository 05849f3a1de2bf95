"""A catalog is opened, or refused in one line, and read in blocks of any rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from reweigh.catalog import writing
from reweigh.catalog.tables import (
    Catalog,
    ImageLocation,
    image_locations,
    is_catalog,
    open_catalog,
    plain_classes,
    read_columns,
    read_uids,
)
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """Ten rows in row groups of three."""
    monkeypatch.setattr(writing, "GROUP_ROWS", 3)
    uids = [f"{i}.jpg" for i in range(10)]
    rows = {
        "uid": uids, "split": ["train"] * 10, "file": ["a.tar"] * 5 + uids[5:], "label": pa.array([0] * 10, pa.int32()),
        "offset": pa.array([512 * i for i in range(5)] + [None] * 5, pa.int64()),
        "length": pa.array([*range(5)] + [None] * 5, pa.int64()),
    }  # fmt: skip
    batch = pa.record_batch(rows)
    return write_catalog(tmp_path / "c", [batch], plain_classes(["x"]), layout="test", options={"a": 1}, root=tmp_path)


@pytest.mark.parametrize("rows", [[], [4], [9, 0, 3, 3, 8], list(range(10))])
def test_rows_are_read_in_the_order_asked_for(catalog: Catalog, rows: list[int]) -> None:
    assert read_uids(catalog, np.array(rows, np.int64)) == [f"{i}.jpg" for i in rows]


def test_images_are_files_or_ranges_of_a_tar(catalog: Catalog) -> None:
    found = image_locations(catalog, np.array([7, 2]))
    assert found == [ImageLocation(catalog.root / "7.jpg"), ImageLocation(catalog.root / "a.tar", 1024, 2)]


def test_a_row_that_is_not_there_is_an_error(catalog: Catalog) -> None:
    with pytest.raises(ReweighError, match=r"Rows of .* are 0\.\.9; asked for 10"):
        read_uids(catalog, np.array([10]))


def test_a_column_that_is_not_there_is_an_error_with_the_nearest_name(catalog: Catalog) -> None:
    with pytest.raises(ReweighError, match=r"has no column 'titel'; .* Did you mean 'title'"):
        read_columns(catalog, ["titel"])


def test_a_folder_without_a_catalog_is_refused(tmp_path: Path) -> None:
    assert not is_catalog(tmp_path)
    with pytest.raises(
        ReweighError, match=r"No catalog at .*: looked for catalog\.json and images\.parquet\. Make one with"
    ):
        open_catalog(tmp_path)


def test_a_newer_format_is_refused(catalog: Catalog) -> None:
    record = json.loads((catalog.path / "catalog.json").read_text())
    (catalog.path / "catalog.json").write_text(json.dumps({**record, "format": 99}))
    with pytest.raises(ReweighError, match="has catalog format 99; this reweigh reads up to 1"):
        open_catalog(catalog.path)


def test_a_catalog_opened_again_is_the_same(catalog: Catalog) -> None:
    assert open_catalog(catalog.path) == catalog


def test_images_of_the_catalogs_own_move_with_it(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "1.png").write_bytes(b"x")
    batch = pa.record_batch(
        {"uid": ["1"], "split": ["train"], "file": ["images/1.png"], "label": pa.array([0], pa.int32())}
    )
    write_catalog(
        tmp_path / "c",
        [batch],
        plain_classes(["x"]),
        layout="t",
        options={},
        root=None,
        beside={"images": tmp_path / "made"},
    )
    (tmp_path / "c").rename(tmp_path / "moved")
    (place,) = image_locations(open_catalog(tmp_path / "moved"), np.array([0]))
    assert place.path.read_bytes() == b"x" and place.path == tmp_path / "moved" / "images" / "1.png"
