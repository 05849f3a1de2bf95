"""What can be judged of which labels, said before any image is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from reweigh.catalog.splits import resolve_splits
from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError
from reweigh.runs.judgeable import lone_class, needed_for, weak_classes


def catalog_of(folder: Path, labels: list[int], groups: list[str] | None = None) -> Catalog:
    uids = [f"{number}.jpg" for number in range(len(labels))]
    batch = pa.record_batch(
        {
            "uid": uids, "split": ["train"] * len(uids), "file": uids, "label": pa.array(labels, pa.int32()),
            **({"group": groups} if groups else {}),
        }
    )  # fmt: skip
    return write_catalog(
        folder / "c.catalog",
        [batch],
        plain_classes(("cat", "dog")),
        layout="table",
        options={},
        root=folder,
    )


def lone(catalog: Catalog) -> int | None:
    return lone_class(catalog, resolve_splits(catalog, test_fraction=0.0, seed=0))


def test_labels_of_two_classes_can_be_compared(tmp_path: Path) -> None:
    assert lone(catalog_of(tmp_path, [0, 1, -1])) is None


def test_all_labels_equal_is_a_lone_class_even_where_there_are_more_names(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, [1, 1, -1])
    assert lone(catalog) == 1
    assert "all labels are 'dog'" in needed_for(catalog, 1)
    assert "another class" in needed_for(catalog, 1)


def test_no_label_at_all_is_an_error_that_says_how_to_give_some(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"None of the 2 images .* has a label; .* folder a class"):
        lone(catalog_of(tmp_path, [-1, -1]))


def test_one_group_of_everything_is_an_error_that_names_the_column(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"All 4 labelled images .* in one group \(column group\)"):
        lone(catalog_of(tmp_path, [0, 1, 0, 1], groups=["a"] * 4))


def test_classes_of_few_images_are_named_smallest_first() -> None:
    labels = np.array([0] * 5 + [1] * 4 + [2] + [-1] * 9, np.int32)
    said = weak_classes(labels, ["five", "four", "one", "none"])
    assert said == "2 classes have fewer than 5 images to learn from and can only be judged weakly: one (1), four (4)"
    assert weak_classes(labels[:5], ["five", "four"]) is None
