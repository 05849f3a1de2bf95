"""`reweigh evaluate --detection` at the command line: one table a set, a file in the run, mistakes in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from reweigh.whole_files import read_json

from .conftest import PIXELS, Call, Photos, write_photos


@pytest.fixture
def checked(tmp_path: Path, reweigh: Call) -> Path:
    """A run on a table whose every answer is known."""
    write_photos(tmp_path / "photos", ("dark", "light"), n=20)
    files = [f"photos/{name}/{i:03d}.png" for name in ("dark", "light") for i in range(20)]
    truth = np.repeat(["dark", "light"], 20)
    labels = np.where(np.arange(40) % 7 == 3, np.where(truth == "dark", "light", "dark"), truth)
    table = pa.table({"file": files, "label": labels.tolist(), "verified_label": truth.tolist()})
    pyarrow.csv.write_csv(table, tmp_path / "labels.csv")
    said = reweigh("run", "labels.csv", "--recipe", "baseline", "-o", "run", *PIXELS)
    assert said.status == 0, said.err
    return tmp_path / "run"


def test_verdicts_are_measured_and_the_figures_lie_in_the_run(checked: Path, reweigh: Call) -> None:
    said = reweigh("evaluate", "run", "--detection")
    assert said.status == 0, said.err
    assert "Wrong labels, training images against checked labels" in said.out
    for name in ("F1", "class-averaged error", "precision at true rate", "argmax != label", "true noise rate"):
        assert name in said.out
    assert "note: " in said.err and "note: " not in said.out
    assert read_json(checked / "detection.json")["sets"]["training"]["verified_label"]["n"] > 30


def test_without_known_answers_it_is_one_line(reweigh: Call, finished: Path) -> None:
    assert "--detection needs a column" in reweigh("evaluate", "run", "--detection").error


def test_one_class_has_nothing_to_measure(reweigh: Call, photos: Photos) -> None:
    photos(classes=["dark"])
    assert reweigh("check", "photos", "-o", "run", *PIXELS).status == 0
    assert "has one class" in reweigh("evaluate", "run", "--detection").error


def test_a_run_that_was_only_checked_is_measured_on_its_training_images(checked: Path, reweigh: Call) -> None:
    said = reweigh("check", "labels.csv", "-o", "only", *PIXELS)
    assert said.status == 0, said.err
    assert reweigh("evaluate", "only", "--detection").status == 0
    sets = read_json(checked.parent / "only" / "detection.json")["sets"]
    assert list(sets["training"]["verified_label"]["methods"]) == ["verdicts", "argmax_not_label"]
    assert list(sets["set_aside"]["verified_label"]["methods"]) == ["verdicts"]


def test_other_data_does_not_go_with_it(reweigh: Call, photos: Photos, finished: Path) -> None:
    photos("other")
    assert "--on other cannot go with it" in reweigh("evaluate", "run", "--detection", "--on", "other").error
