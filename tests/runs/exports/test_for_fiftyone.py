"""A data set for FiftyOne: the form that its importer reads, by hand and, where it is installed, by the importer itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reweigh.runs.exports import for_fiftyone, judged_run
from reweigh.runs.exports.for_fiftyone import FIELDS
from reweigh.runs.exports.table_of_exports import export

from .conftest import MakeRun, Row

ROWS = (
    Row(file="cat/1.jpg", also=2), Row(file="cat/2.jpg", suggested=1, split="test"), Row(file='cat/3 "é".jpg', is_none=True),
    Row(file="dog/4.jpg", label=1, is_unreadable=True), Row(file="dog/5.jpg", label=1, is_unreadable=True), Row(file="x.jpg", label=-1),
)  # fmt: skip


def samples_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "samples.json").read_text())["samples"]


def test_labels_suggestions_tags_and_order_stand_in_fields_of_each_sample(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    (tmp_path / "photos/dog/5.jpg").unlink()
    made = export(run, "fiftyone", tmp_path / "out")

    samples = samples_of(tmp_path / "out")
    assert [sample["uid"] for sample in samples] == ["cat/1.jpg", "cat/2.jpg", 'cat/3 "é".jpg', "dog/4.jpg"]
    assert samples[1] == {
        "filepath": str(tmp_path / "photos/cat/2.jpg"), "tags": ["test", "wrong"],
        "ground_truth": {"_cls": "Classification", "label": "cat"},
        "predictions": {"_cls": "Classification", "label": "dog", "confidence": 0.5}, "also_plausible": None, "wrong": True,
        "none_of_the_classes": False, "probability_right": 0.25, "review_order": 1, "reason": "looks like its label", "uid": "cat/2.jpg",
    }  # fmt: skip
    assert samples[0]["also_plausible"] == {"_cls": "Classification", "label": "owl"}
    assert samples[0]["predictions"] is None
    assert samples[2]["tags"] == ["train", "none_of_the_classes"]
    assert samples[3]["probability_right"] is None
    assert all(Path(sample["filepath"]).is_file() for sample in samples)
    assert made.notes == ("1 unreadable images that are not there are left out",)


def test_metadata_name_every_field_and_class_and_no_version(make_run: MakeRun, tmp_path: Path) -> None:
    export(make_run(ROWS), "fiftyone", tmp_path / "out")

    metadata = json.loads((tmp_path / "out/metadata.json").read_text())
    assert metadata["info"]["default_classes"] == ["cat", "dog", "owl"]
    assert set(metadata["sample_fields"]) == set(samples_of(tmp_path / "out")[0])
    assert "version" not in metadata, "with one, the importer would take the file for a dump of its own database"


def test_images_in_tars_are_written_beside_by_the_thousand(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(for_fiftyone, "IMAGES_A_FOLDER", 2)
    rows = [Row(file=f"{name}/1.jpg", in_tar=True) for name in "abc"] + [Row(file="plain.jpg")]
    made = export(make_run(rows), "fiftyone", tmp_path / "out")

    paths = [sample["filepath"] for sample in samples_of(tmp_path / "out")]
    assert paths[0] == "data/000000/1.jpg"
    assert paths[1].startswith("data/000000/1-")
    assert paths[2:] == ["data/000001/1.jpg", str(tmp_path / "photos/plain.jpg")]
    assert [(tmp_path / "out" / path).read_bytes() for path in paths] == [row.content for row in rows]
    assert dict(made.lines)["images"] == "4, 3 of them written out of tars, the others by their path"


def test_many_blocks_make_the_same_data_set_as_one(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run([*ROWS, Row(file="y.jpg", in_tar=True)])
    export(run, "fiftyone", tmp_path / "whole")
    monkeypatch.setattr(judged_run, "BLOCK", 1)
    export(run, "fiftyone", tmp_path / "blocks")

    assert samples_of(tmp_path / "blocks") == samples_of(tmp_path / "whole")


def test_fiftyone_itself_imports_it(make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIFTYONE_DISABLE_SERVICES", "1")  # the importer needs no database, only the data set does
    monkeypatch.setenv("FIFTYONE_DO_NOT_TRACK", "1")
    importers = pytest.importorskip("fiftyone.utils.data", reason="fiftyone is not installed")
    export(make_run([*ROWS, Row(file="y.jpg", in_tar=True)]), "fiftyone", tmp_path / "out")

    importer = importers.FiftyOneDatasetImporter(str(tmp_path / "out"))
    assert importer._is_legacy_format_data()
    with importer._to_legacy_importer() as read:
        samples = list(read)

    assert set(FIELDS) <= set(samples[0].field_names)
    assert samples[1].ground_truth.label == "cat"
    assert (samples[1].predictions.label, samples[1].predictions.confidence) == ("dog", 0.5)
    assert samples[1].tags == ["test", "wrong"]
    assert all(Path(sample.filepath).is_file() for sample in samples)
