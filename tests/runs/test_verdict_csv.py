"""verdicts.csv: read back it says what verdicts.parquet says, in the order to look at, and runs nothing in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.catalog.tables import Catalog, plain_classes
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError
from reweigh.runs import verdict_csv
from reweigh.runs.verdict_csv import harmless, write_verdicts_csv

NAMES = ("cat", "=SUM(A1)", "Kälte")


def catalog_of(folder: Path, labels: Sequence[int], **columns: Sequence[object]) -> Catalog:
    n = len(labels)
    uids = [f"{number:05d}.jpg" for number in range(n)]
    batch = pa.record_batch(
        {
            "uid": uids, "split": ["train" if i % 3 else "test" for i in range(n)], "file": uids, "label": pa.array(labels, pa.int32()),
            **columns,
        }
    )  # fmt: skip
    return write_catalog(folder / "c.catalog", [batch], plain_classes(NAMES), layout="table", options={}, root=folder)


def write_verdicts(path: Path, labels: Sequence[int], order: Sequence[int], reason: str = "looks right") -> Path:
    """One row for each labelled image; those with an odd place in the order are flagged."""
    rows = [i for i, label in enumerate(labels) if label >= 0]
    is_wrong = np.array([place % 2 == 1 for place in order])
    table = pa.table(
        {
            "uid": [f"{i:05d}.jpg" for i in rows],
            "label": pa.array([labels[i] for i in rows], pa.int32()),
            "probability_right": pa.array([None if place == len(order) else 1 / 3 for place in order], pa.float32()),
            "wrong": is_wrong,
            "suggested_label": pa.array(np.full(len(rows), 2, np.int32), mask=~is_wrong),
            "probability_suggested": pa.array(np.full(len(rows), 0.91239, np.float32), mask=~is_wrong),
            "also_plausible": pa.array([None] * len(rows), pa.int32()),
            "none_of_the_classes": np.zeros(len(rows), bool),
            "review_order": pa.array(order, pa.int32()),
            "reason": [reason] * len(rows),
        }
    )
    pq.write_table(table, path)
    return path


def read_back(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_classes_are_named_and_the_first_row_is_the_one_to_look_at_first(tmp_path: Path) -> None:
    labels = [0, -1, 2, 0]
    catalog = catalog_of(tmp_path, labels)
    write_verdicts_csv(write_verdicts(tmp_path / "v.parquet", labels, [2, 3, 1]), catalog, tmp_path / "v.csv")

    rows = read_back(tmp_path / "v.csv")

    assert [row["uid"] for row in rows] == ["00003.jpg", "00000.jpg", "00002.jpg"]
    assert rows[0] == {
        "uid": "00003.jpg", "split": "test", "label": "cat", "wrong": "true", "probability_right": "0.3333", "suggested_label": "Kälte",
        "probability_suggested": "0.9124", "also_plausible": "", "none_of_the_classes": "false", "review_order": "1",
        "reason": "looks right",
    }  # fmt: skip
    assert (rows[1]["suggested_label"], rows[1]["probability_suggested"]) == ("", "")
    assert rows[2]["probability_right"] == "", "an unreadable image has no probability"
    assert (tmp_path / "v.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.catalog", "v.csv", "v.parquet"]


def test_source_query_and_rank_are_there_where_the_catalog_has_them(tmp_path: Path) -> None:
    columns = {"source": ["a", None], "rank": pa.array([None, 7], pa.int32())}
    catalog = catalog_of(tmp_path, [0, 1], **columns)
    write_verdicts_csv(write_verdicts(tmp_path / "v.parquet", [0, 1], [1, 2]), catalog, tmp_path / "v.csv")

    rows = read_back(tmp_path / "v.csv")

    assert [(row["source"], row["rank"]) for row in rows] == [("a", ""), ("", "7")]
    assert "query" not in rows[0]


def test_many_blocks_make_the_same_file_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(0).integers(-1, 3, 500).tolist()
    order = (np.random.default_rng(1).permutation(sum(label >= 0 for label in labels)) + 1).tolist()
    catalog, verdicts = catalog_of(tmp_path, labels), write_verdicts(tmp_path / "v.parquet", labels, order)
    write_verdicts_csv(verdicts, catalog, tmp_path / "whole.csv")
    monkeypatch.setattr(verdict_csv, "BLOCK", 7)
    (tmp_path / "blocks.csv.work").mkdir()  # left by a killed process
    (tmp_path / "blocks.csv.work" / "0.arrow").write_bytes(b"half a file")

    write_verdicts_csv(verdicts, catalog, tmp_path / "blocks.csv")

    assert (tmp_path / "blocks.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert [int(row["review_order"]) for row in read_back(tmp_path / "blocks.csv")] == sorted(order)
    assert not (tmp_path / "blocks.csv.work").exists()


def test_a_name_that_a_spreadsheet_would_run_is_made_harmless(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, [1])
    verdicts = write_verdicts(
        tmp_path / "v.parquet", [1], [1], reason='@HYPERLINK("http://x", "y")\nsecond line, "quoted"'
    )
    write_verdicts_csv(verdicts, catalog, tmp_path / "v.csv")

    row = read_back(tmp_path / "v.csv")[0]

    assert row["label"] == "'=SUM(A1)"
    assert row["reason"] == '\'@HYPERLINK("http://x", "y")\nsecond line, "quoted"'


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=6) | st.sampled_from(["=1", "+1", "-1", "@a", "\t=1", "\r", " =1", "＝1", "a=1", ""])))
def test_no_text_starts_a_formula_and_no_text_is_lost(texts: list[str]) -> None:
    texts = [text for text in texts if text.isprintable() or text.strip(" \t\r\n").isprintable()]
    made = harmless(pa.array(texts, pa.string())).to_pylist()
    for before, after in zip(texts, made, strict=True):
        assert after in (before, f"'{before}")
        assert after.lstrip(" \t\r\n")[:1] not in tuple("=+-@＝＋－＠")
        assert after[:1] not in ("\t", "\r", "\n")


def test_verdicts_on_other_data_are_refused(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, [0, 1, 1])
    verdicts = write_verdicts(tmp_path / "v.parquet", [0, 1], [1, 2])

    with pytest.raises(ReweighError, match="has 3 labelled images, the verdicts are on 2; they belong to other data"):
        write_verdicts_csv(verdicts, catalog, tmp_path / "v.csv")

    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.catalog", "v.parquet"]


def test_pandas_reads_numbers_as_numbers(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="a second reader of the file, where it is installed")
    labels = [0, 1, 2, 2]
    catalog = catalog_of(tmp_path, labels)
    write_verdicts_csv(write_verdicts(tmp_path / "v.parquet", labels, [4, 2, 3, 1]), catalog, tmp_path / "v.csv")

    table = pandas.read_csv(tmp_path / "v.csv")

    assert table["wrong"].tolist() == [True, False, True, False]
    assert table["review_order"].tolist() == [1, 2, 3, 4]
    assert table["probability_right"].dtype.kind == "f"
