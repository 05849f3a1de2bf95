"""The truth is read by uid, and a uid of another catalog is refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reweigh.catalog.schema import TRUTH_SCHEMA
from reweigh.catalog.tables import plain_classes
from reweigh.catalog.truth import read_truth
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
