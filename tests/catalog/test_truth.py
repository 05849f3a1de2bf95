"""The truth is read by uid, and a uid of another catalog is refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reweigh.catalog.schema import TRUTH_SCHEMA
from reweigh.catalog.tables import column_names, plain_classes
from reweigh.catalog.truth import read_kinds, read_truth
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError


def test_truth_of_another_catalog_is_refused(tmp_path: Path) -> None:
    batch = pa.record_batch({"uid": ["a"], "split": ["train"], "file": ["a"], "label": pa.array([0], pa.int32())})
    catalog = write_catalog(tmp_path / "c", [batch], plain_classes(["x"]), layout="t", options={}, root=tmp_path)
    pq.write_table(
        pa.table({"uid": ["zebra"], "truth": pa.array([0], pa.int32())}, schema=TRUTH_SCHEMA),
        catalog.path / "truth.parquet",
    )
    with pytest.raises(ReweighError, match="names 'zebra', which is not in"):
        read_truth(catalog)


def test_kinds_of_labels_stand_beside_the_truth(tmp_path: Path) -> None:
    columns = {
        "uid": ["b", "a", "c"],
        "split": ["train"] * 3,
        "file": ["b", "a", "c"],
        "label": pa.array([0, 1, 1], pa.int32()),
    }
    known = {"truth": pa.array([0, 0, None], pa.int32()), "kind": ["right", "near", None]}
    batch, classes = pa.record_batch(columns | known), plain_classes(["x", "y"])
    catalog = write_catalog(
        tmp_path / "c", [batch], classes, layout="t", options={}, root=tmp_path, with_truth=True, with_kinds=True
    )
    assert read_kinds(catalog) == ["near", "right", ""] and "kind" not in column_names(catalog)
    truth = read_truth(catalog)
    assert truth is not None and truth.tolist() == [0, 0, -2]


def test_a_truth_without_kinds_says_so(tmp_path: Path) -> None:
    columns = {
        "uid": ["a"],
        "split": ["train"],
        "file": ["a"],
        "label": pa.array([0], pa.int32()),
        "truth": pa.array([0], pa.int32()),
    }
    batch = pa.record_batch(columns | {"kind": ["the source's own"]})
    catalog = write_catalog(
        tmp_path / "c", [batch], plain_classes(["x"]), layout="t", options={}, root=tmp_path, with_truth=True
    )
    assert read_kinds(catalog) is None and "kind" in column_names(catalog)
