"""A catalog is written whole and the same each time, or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reweigh.catalog.findings import Findings
from reweigh.catalog.schema import IMAGE_SCHEMA
from reweigh.catalog.summary import summarize
from reweigh.catalog.tables import (
    Catalog,
    column_names,
    plain_classes,
    read_classes,
    read_columns,
    read_groups,
    read_labels,
)
from reweigh.catalog.truth import read_truth
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError


def batch(uids: list[str], labels: list[int], **columns: Any) -> pa.RecordBatch:
    """Rows of train whose file is their uid."""
    base = {"uid": uids, "split": ["train"] * len(uids), "file": uids, "label": pa.array(labels, pa.int32())}
    return pa.record_batch({**base, **columns})


def write(path: Path, *batches: pa.RecordBatch, k: int = 2, **more: Any) -> Catalog:
    classes = plain_classes([f"class_{i}" for i in range(k)])
    return write_catalog(path, iter(batches), classes, layout="test", options={}, root=path.parent, **more)


def left_out(names: list[str], reason: str, *warnings: str) -> Findings:
    findings = Findings(warnings=list(warnings))
    findings.skip(reason, names)
    return findings


def bytes_of(catalog: Catalog) -> Mapping[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(catalog.path.rglob("*")) if p.is_file()}


def test_rows_are_sorted_by_uid_and_have_all_columns_of_the_schema(tmp_path: Path) -> None:
    catalog = write(tmp_path / "c", batch(["b", "a"], [0, 1]), batch(["aa"], [-1]))
    assert read_columns(catalog, ["uid"])["uid"].to_pylist() == ["a", "aa", "b"]
    assert read_labels(catalog).tolist() == [1, -1, 0]
    assert pq.read_schema(catalog.path / "images.parquet").equals(IMAGE_SCHEMA)
    assert (catalog.n, catalog.k, catalog.root) == (3, 2, tmp_path)
    assert read_classes(catalog).words == (("class 0",), ("class 1",))


def test_the_order_and_the_size_of_batches_change_nothing(tmp_path: Path) -> None:
    one = write(tmp_path / "one", batch(["a", "b", "c"], [0, 1, 0], title=["x", None, "z"]))
    parts = [
        batch([u], [y], title=pa.array([t], pa.string())) for u, y, t in [("c", 0, "z"), ("a", 0, "x"), ("b", 1, None)]
    ]
    other = write(tmp_path / "other", *parts)
    assert bytes_of(one) == bytes_of(other)


def test_the_fingerprint_is_that_of_contents(tmp_path: Path) -> None:
    one = write(tmp_path / "one", batch(["a"], [0]))
    assert one.fingerprint == write(tmp_path / "two", batch(["a"], [0])).fingerprint
    others = [
        write(tmp_path / "label", batch(["a"], [1])),
        write(tmp_path / "name", batch(["b"], [0])),
        write(tmp_path / "classes", batch(["a"], [0]), k=3),
        write(tmp_path / "text", batch(["a"], [0], title=[""])),
        write(tmp_path / "truth", batch(["a"], [0], truth=pa.array([0], pa.int32())), with_truth=True),
    ]
    assert len({one.fingerprint, *(c.fingerprint for c in others)}) == 6


def test_unknown_columns_are_kept_after_ours(tmp_path: Path) -> None:
    catalog = write(tmp_path / "c", batch(["a", "b"], [0, 1], host=["x.org", None]))
    assert column_names(catalog) == [*IMAGE_SCHEMA.names, "host"]
    assert read_columns(catalog, ["host"])["host"].to_pylist() == ["x.org", None]


def test_texts_come_into_normal_form_and_are_counted_but_files_stay_as_on_disk(tmp_path: Path) -> None:
    decomposed, composed = "cafe\u0301", "café"
    tags = pa.array([[decomposed, "b"], None, []], pa.list_(pa.string()))
    catalog = write(
        tmp_path / "c", batch([decomposed, "d", "e"], [0, 1, 0], title=[decomposed, "plain", None], tags=tags)
    )
    found = read_columns(catalog, ["uid", "file", "title", "tags"]).to_pylist()
    assert found[0] == {"uid": composed, "file": decomposed, "title": composed, "tags": [composed, "b"]}
    assert [row["tags"] for row in found[1:]] == [None, []]
    assert catalog.counts["repaired_texts"] == 3


def test_equal_bytes_share_the_group_of_the_smallest_uid(tmp_path: Path) -> None:
    catalog = write(tmp_path / "c", batch(["d", "b", "c", "a"], [0, 0, 0, 0], content=["x", "x", "y", None]))
    assert read_columns(catalog, ["group"])["group"].to_pylist() == [None, "b", None, "b"]
    assert read_groups(catalog).tolist() == [0, 1, 2, 1]
    assert catalog.counts["duplicates"] == 1 and catalog.counts["warnings"] == ["1 of 2 classes have no image: class_1"]


def test_groups_of_the_source_and_equal_bytes_join_where_they_overlap(tmp_path: Path) -> None:
    # a and d: one product; d and c: equal bytes; b: a group of its own, which is none
    rows = batch(["a", "b", "c", "d"], [0, 1, 0, 0], content=["1", "2", "3", "3"], group=["p", "q", None, "p"])
    assert read_columns(write(tmp_path / "c", rows), ["group"])["group"].to_pylist() == ["a", None, "a", "a"]


def test_duplicates_with_different_labels_or_across_splits_are_warned_of(tmp_path: Path) -> None:
    rows = pa.record_batch(
        {
            "uid": ["a", "b", "c", "d", "e", "f"],
            "split": ["train", "train", "train", "test", "train", "train"],
            "file": ["a", "b", "c", "d", "e", "f"],
            "label": pa.array([0, 1, 1, 1, -1, 0], pa.int32()),
            "content": ["x", "x", "y", "y", "z", "z"],
        }
    )
    warnings = write(tmp_path / "c", rows).counts["warnings"]
    assert warnings == [
        "once the same image, byte for byte, stands under different labels: a = b",
        "once the same image, byte for byte, stands in train and in val or test: c = d",
    ]


def test_truth_lies_apart_from_the_images(tmp_path: Path) -> None:
    rows = batch(["b", "a", "c"], [0, 1, 0], truth=pa.array([1, None, -1], pa.int32()))
    catalog = write(tmp_path / "c", rows, with_truth=True)
    assert "truth" not in column_names(catalog)
    truth = read_truth(catalog)
    assert truth is not None and truth.tolist() == [-2, 1, -1]
    assert read_truth(write(tmp_path / "none", batch(["a"], [0]))) is None


def test_a_hierarchy_is_written_where_there_is_one(tmp_path: Path) -> None:
    catalog = write(tmp_path / "c", batch(["a"], [0]), hierarchy=[("class_0", "thing"), ("class_1", "thing")])
    assert pq.read_table(catalog.path / "hierarchy.parquet").to_pylist()[1] == {"child": "class_1", "parent": "thing"}


def test_a_uid_twice_is_an_error_that_names_it_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"uid 'a/1.jpg' stands twice; every image needs its own"):
        write(tmp_path / "c", batch(["a/1.jpg"], [0]), batch(["a/1.jpg"], [1]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("label", "column"), [(2, "label"), (-2, "label"), (5, "verified_label")])
def test_a_label_out_of_range_is_an_error_that_names_the_image(tmp_path: Path, label: int, column: str) -> None:
    rows = batch(["x", "y"], [0, 0])
    rows = pa.record_batch({**{n: rows.column(n) for n in rows.schema.names}, column: pa.array([0, label], pa.int32())})
    with pytest.raises(
        ReweighError, match=f"^{column} {label} of 'y' is out of range: the 2 classes are 0..1, and -1 is none"
    ):
        write(tmp_path / "c", rows)


def test_no_row_is_an_error_that_says_what_was_skipped(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No image to index: .* gave no row\. Skipped: 2 missing file, e\.g\. a\."):
        write(tmp_path / "c", findings=left_out(["a", "b"], "missing file"))


def test_no_class_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match="a catalog needs at least one"):
        write(tmp_path / "c", batch(["a"], [-1]), k=0)


def test_a_catalog_is_never_rewritten_in_place(tmp_path: Path) -> None:
    write(tmp_path / "c", batch(["a"], [0]))
    with pytest.raises(ReweighError, match="exists; a catalog is never rewritten in place"):
        write(tmp_path / "c", batch(["a"], [0]))


def test_what_an_earlier_killed_process_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "c.partial" / "spill").mkdir(parents=True)
    (tmp_path / "c.partial" / "spill" / "run-00000.arrow").write_bytes(b"half")
    write(tmp_path / "c", batch(["a"], [0]))
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == ["catalog.json", "classes.parquet", "images.parquet"]


def test_an_error_of_the_source_comes_through_and_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Any:
        yield batch(["a"], [0])
        raise ReweighError("the source ends here")

    with pytest.raises(ReweighError, match="the source ends here"):
        write_catalog(tmp_path / "c", broken(), plain_classes(["a"]), layout="test", options={}, root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_progress_says_rows_a_second(tmp_path: Path) -> None:
    seen = []
    write(tmp_path / "c", batch(["a", "b"], [0, 1]), batch(["c"], [1]), progress=lambda *call: seen.append(call))
    assert [call[:3] for call in seen] == [("index", 2, None), ("index", 3, None)]
    assert re.fullmatch(r"[\d,]+ rows/s", seen[-1][3])


def test_the_summary_names_sizes_text_sources_and_warnings(tmp_path: Path) -> None:
    rows = batch(["a", "b", "c", "d"], [0, 0, 1, -1], title=["x", None, "", "y"], source=["web", "web", None, "shop"])
    lines = dict(
        summarize(write(tmp_path / "c", rows, k=3, findings=left_out(["e.jpg"], "empty file", "mind the gap")))
    )
    assert lines["images"] == "4 (train 4)"
    assert lines["classes"] == "3, of 0 to 2 images, median 1"
    assert lines["without a label"] == "1"
    assert lines["text beside images"] == "title 50%"
    assert lines["sources"] == "web 2, shop 1"
    assert lines["skipped: empty file"] == "1, e.g. e.jpg"
    assert lines["WARNING"] == "1 of 3 classes have no image: class_2"


def test_a_million_sources_do_not_fill_the_record(tmp_path: Path) -> None:
    n = 1500
    rows = batch([f"{i:05d}" for i in range(n)], [0] * n, source=[f"host{i}" for i in range(n)])
    catalog = write(tmp_path / "c", rows)
    assert len(catalog.counts["sources"]) <= 1001 and sum(catalog.counts["sources"].values()) == n
    assert "and 99" in dict(summarize(catalog))["sources"]


def test_of_rows_of_one_uid_the_first_counts_where_the_reader_says_so(tmp_path: Path) -> None:
    findings = Findings()
    parts = [batch(["a", "b", "a"], [0, 1, 0]), batch(["b", "a", "c"], [0, 1, 1])]
    catalog = write(tmp_path / "c", *parts, findings=findings, is_twice_skipped=True)
    assert read_columns(catalog, ["uid"])["uid"].to_pylist() == ["a", "b", "c"]
    assert read_labels(catalog).tolist() == [0, 1, 1]
    assert catalog.counts["skipped"] == {
        "stands twice in the source": {"count": 1, "examples": ["a"]},
        "stands twice, with another label (the first counts)": {"count": 2, "examples": ["a", "b"]},
    }
    assert catalog.counts["duplicates"] == 0


def test_of_names_that_are_left_out_a_few_are_kept(tmp_path: Path) -> None:
    catalog = write(tmp_path / "c", batch(["a"], [0]), findings=left_out([str(i) for i in range(9)], "missing file"))
    assert catalog.counts["skipped"] == {"missing file": {"count": 9, "examples": ["0", "1", "2", "3", "4"]}}
