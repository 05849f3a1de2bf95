"""Files for cleanlab: rows that belong together, its own columns, and its functions run on them at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from reweigh.errors import ReweighError
from reweigh.evidence.held_out import load_held_out
from reweigh.runs.exports import for_cleanlab, judged_run
from reweigh.runs.exports.table_of_exports import export
from reweigh.whole_files import read_json

from .conftest import MakeRun, Row

ROWS = (
    Row(file="b.jpg", label=1, suggested=0), Row(file="a.jpg", label=0), Row(file="c.jpg", label=-1), Row(file="d.jpg", label=2, split="val"),
    Row(file="e.jpg", label=2, is_none=True), Row(file="f.jpg", label=0, is_unreadable=True), Row(file="g.jpg", label=2),
)  # fmt: skip


def test_row_i_is_the_same_image_in_every_file(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    made = export(run, "cleanlab", tmp_path / "out")

    issues = pq.read_table(tmp_path / "out/label_issues.parquet").to_pydict()
    labels, probabilities = np.load(tmp_path / "out/labels.npy"), np.load(tmp_path / "out/pred_probs.npy")
    assert list(issues)[:4] == ["is_label_issue", "label_quality", "given_label", "predicted_label"]
    assert issues["uid"] == ["a.jpg", "b.jpg", "e.jpg", "g.jpg"], "labelled training rows in the catalog's order"
    assert issues["given_label"] == labels.tolist() == [0, 1, 2, 2]
    assert issues["is_label_issue"] == [False, True, False, False]
    assert issues["label_quality"] == [0.75, 0.25, 0.75, 0.75]
    assert issues["suggested_label"] == [-1, 0, -1, -1]
    assert issues["none_of_the_classes"] == [False, False, True, False]
    assert (labels.dtype, probabilities.dtype) == (np.int64, np.float32)
    held_out = load_held_out(run / "02-evidence/held_out")
    kept = held_out.log_probabilities.read(0, 5)[held_out.labels >= 0]
    np.testing.assert_allclose(probabilities, np.exp(kept), atol=1e-6)
    assert issues["predicted_label"] == probabilities.argmax(axis=1).tolist()
    assert read_json(tmp_path / "out/class_names.json") == ["cat", "dog", "owl"]
    assert dict(made.lines)["images"] == "4 with held-out predictions, of 6 with a verdict"
    assert made.notes[0].startswith("2 images of val and test, copies and unreadable ones")


def test_cleanlab_takes_the_files_as_they_are(make_run: MakeRun, tmp_path: Path) -> None:
    cleanlab_filter = pytest.importorskip(
        "cleanlab.filter", reason="cleanlab itself reads the files, where it is installed"
    )
    pandas = pytest.importorskip("pandas")
    classification = pytest.importorskip("cleanlab.classification")
    linear = pytest.importorskip("sklearn.linear_model")
    run = make_run([Row(file=f"{i:03d}.jpg", label=i % 3, suggested=0 if i % 7 == 1 else None) for i in range(90)])
    export(run, "cleanlab", tmp_path / "out")

    labels = np.load(tmp_path / "out/labels.npy")
    probabilities = np.load(tmp_path / "out/pred_probs.npy", mmap_mode="r")
    found = cleanlab_filter.find_label_issues(labels=labels, pred_probs=probabilities)
    issues = pandas.read_parquet(tmp_path / "out/label_issues.parquet")

    assert found.shape == (90,)
    assert issues["is_label_issue"].dtype == bool
    model = classification.CleanLearning(linear.LogisticRegression())
    model.fit(np.asarray(probabilities), labels, label_issues=issues)
    assert len(model.get_label_issues()) == 90


def test_many_blocks_make_the_same_files_as_one(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(ROWS)
    export(run, "cleanlab", tmp_path / "whole")
    monkeypatch.setattr(judged_run, "BLOCK", 2)
    monkeypatch.setattr(for_cleanlab, "BYTES_AT_ONCE", 1)
    export(run, "cleanlab", tmp_path / "blocks")

    for name in ("labels.npy", "pred_probs.npy"):
        assert (tmp_path / "blocks" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    whole, blocks = (pq.read_table(tmp_path / name / "label_issues.parquet") for name in ("whole", "blocks"))
    assert blocks.equals(whole)


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(ROWS)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 4 * 3 * 4 - 1}))

    with pytest.raises(
        ReweighError, match=r"^pred_probs.npy takes 0.0 GiB \(4 images x 3 classes, as cleanlab wants them\)"
    ):
        export(run, "cleanlab", tmp_path / "out")

    assert not list(tmp_path.glob("out*"))


def test_predictions_without_verdicts_are_refused(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    rows = np.load(run / "02-evidence/held_out/rows.npy")
    rows[-1] = 3  # d.jpg is one of val: two predictions would be of one image
    np.save(run / "02-evidence/held_out/rows.npy", rows + 100)

    with pytest.raises(ReweighError, match=r"^4 held-out predictions of .* have no verdict"):
        export(run, "cleanlab", tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
