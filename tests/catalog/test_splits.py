"""What is tested on is never trained on, and a row's place depends on its group and the seed alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.catalog.splits import draw, resolve_splits
from reweigh.catalog.tables import Catalog, plain_classes, read_groups, read_labels, read_uids
from reweigh.catalog.writing import write_catalog


def catalog_of(
    path: Path, labels: list[int], split: list[str] | None = None, group: list[str | None] | None = None
) -> Catalog:
    uids = [f"{i:04d}" for i in range(len(labels))]
    rows = {
        "uid": uids, "split": split or ["train"] * len(labels), "file": uids, "label": pa.array(labels, pa.int32()),
        "group": pa.array(group or [None] * len(labels), pa.string()),
    }  # fmt: skip
    k = max(max(labels) + 1, 1)
    classes = plain_classes([str(i) for i in range(k)])
    return write_catalog(path, [pa.record_batch(rows)], classes, layout="test", options={}, root=path.parent)


def test_labelled_test_rows_are_the_test_and_val_is_neither(tmp_path: Path) -> None:
    split = ["train", "train", "val", "test", "test", "train"]
    splits = resolve_splits(catalog_of(tmp_path / "c", [0, 1, 1, 0, -1, -1], split), test_fraction=0.5, seed=0)
    assert (splits.train.tolist(), splits.test.tolist(), splits.source) == ([0, 1, 5], [3], "test")


def test_val_is_the_test_where_no_test_row_has_a_label(tmp_path: Path) -> None:
    splits = resolve_splits(catalog_of(tmp_path / "c", [0, 0, -1], ["train", "val", "test"]), test_fraction=0.5, seed=0)
    assert (splits.train.tolist(), splits.test.tolist(), splits.source) == ([0], [1], "val")


def test_without_either_a_tenth_of_each_class_is_set_aside(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path / "c", [i % 3 for i in range(300)])
    splits = resolve_splits(catalog, test_fraction=0.1, seed=0)
    assert splits.source == "set aside"
    assert np.bincount(read_labels(catalog)[splits.test]).tolist() == [10, 10, 10]
    assert sorted([*splits.train.tolist(), *splits.test.tolist()]) == list(range(300))
    again = resolve_splits(catalog, test_fraction=0.1, seed=0)
    other = resolve_splits(catalog, test_fraction=0.1, seed=1)
    assert again.test.tolist() == splits.test.tolist() != other.test.tolist()


def test_the_draw_does_not_depend_on_other_rows(tmp_path: Path) -> None:
    uids = [f"{i}.jpg" for i in range(50)]
    assert draw(uids, seed=3)[10:20].tolist() == draw(uids[10:20], seed=3).tolist()


@given(
    labels=st.lists(st.integers(-1, 3), min_size=2, max_size=60).filter(lambda v: max(v) >= 0),
    group=st.data(),
    fraction=st.sampled_from([0.1, 0.5, 0.9]),
)
@settings(max_examples=40, deadline=None)
def test_groups_stay_together_and_every_class_keeps_a_training_row(
    tmp_path_factory: object, labels: list[int], group: st.DataObject, fraction: float
) -> None:
    import tempfile

    groups = group.draw(
        st.lists(st.one_of(st.none(), st.sampled_from("abcde")), min_size=len(labels), max_size=len(labels))
    )
    with tempfile.TemporaryDirectory() as folder:
        catalog = catalog_of(Path(folder) / "c", labels, group=groups)
        splits = resolve_splits(catalog, test_fraction=fraction, seed=1)
        numbers, given = read_groups(catalog), read_labels(catalog)
    assert not set(numbers[splits.train]) & set(numbers[splits.test])
    assert (given[splits.test] >= 0).all()
    assert set(given[given >= 0]) == set(given[splits.train][given[splits.train] >= 0])


def test_uids_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path / "c", [0] * 10)
    assert read_uids(catalog, np.array([7, 0, 7])) == ["0007", "0000", "0007"]
