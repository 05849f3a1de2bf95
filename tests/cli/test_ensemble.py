"""Predictions of several models and views put together, from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image
from typer.testing import CliRunner

from reweigh.cli.main import app
from reweigh.errors import ReweighError

RUNNER = CliRunner()
PIXELS = ["--set", "backbone.name=pixels", "--set", "evidence.n_folds=3", "--set", "threads=1", "--no-preview"]


def call(*words: object) -> str:
    made = RUNNER.invoke(app, [str(word) for word in words])
    if isinstance(made.exception, ReweighError):
        raise made.exception
    assert made.exit_code == 0, made.output
    return made.output


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of three grey levels and two runs of other sizes on it, their predictions stored."""
    place = tmp_path_factory.mktemp("ensemble")
    generator = np.random.default_rng(0)
    for label, level in enumerate((40, 110, 190)):
        folder = place / "photos" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(20):
            pixels = np.clip(level + 40 * generator.standard_normal((16, 20, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    call("index", place / "photos", "-o", place / "photos.catalog")
    for size in (4, 6):
        call(
            "run", place / "photos.catalog", "-o", place / f"run{size}", *PIXELS, "--set", f"backbone.input_size={size}"
        )
        call(
            "predict", place / f"run{size}", place / "photos.catalog", "-o", place / f"{size}.csv", "--probabilities", place / f"p{size}",
            "--views", "ten", "--scales", "1,1.2",
        )  # fmt: skip
    return place


def test_members_and_all_together_stand_in_one_table(place: Path, tmp_path: Path) -> None:
    said = call("ensemble", place / "p4", place / "p6", "--on", place / "photos.catalog", "-o", tmp_path / "e.csv")
    for name in ("p4: ", "p6: ", "all together: "):
        assert said.count(name) == 1, said
    table = pyarrow.csv.read_csv(tmp_path / "e.csv")
    right = sum(
        f.startswith(label) for f, label in zip(table["file"].to_pylist(), table["label"].to_pylist(), strict=True)
    )
    assert table.num_rows == 60 and right >= 50


def test_ten_views_are_one_prediction_an_image(place: Path) -> None:
    table = pyarrow.csv.read_csv(place / "4.csv")
    assert table.num_rows == 60
    total = sum(np.array(table[name].to_pylist()) for name in ("probability", "probability_2", "probability_3"))
    np.testing.assert_allclose(total, 1, atol=1e-4)


def test_an_image_that_one_model_could_not_read_has_no_label(place: Path, tmp_path: Path) -> None:
    p6 = shutil.copytree(place / "p6", tmp_path / "p6")
    table = pyarrow.parquet.read_table(p6 / "images.parquet")
    reasons = pa.array(["cut off", *table["unreadable"].to_pylist()[1:]], pa.string())
    pyarrow.parquet.write_table(table.set_column(1, "unreadable", reasons), p6 / "images.parquet")
    said = call("ensemble", place / "p4", p6, "--on", place / "photos.catalog", "-o", tmp_path / "e.csv")
    table = pyarrow.csv.read_csv(
        tmp_path / "e.csv", convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    )
    assert table["label"].to_pylist().index(None) == 0 and table["label"].null_count == 1
    assert table["unreadable"].to_pylist()[0] == "cut off"
    assert said.count(" 59 ") == 3, said


def test_evaluate_takes_views(place: Path) -> None:
    usual = call("evaluate", place / "run4", "--on", place / "photos.catalog")
    call("evaluate", place / "run4", "--on", place / "photos.catalog", "--views", "five")
    kept = {
        path: path.stat().st_mtime_ns for path in (place / "run4" / "evaluations").glob("*/features/*/features.npy")
    }
    ten = call("evaluate", place / "run4", "--on", place / "photos.catalog", "--views", "ten")
    assert "top-1" in usual and "top-1" in ten
    assert "of 10, " in ten and "of 10, " not in usual  # views
    stored = json.loads(next((place / "run4" / "evaluations").glob("*/metrics.json")).read_text())
    found = {
        path: path.stat().st_mtime_ns for path in (place / "run4" / "evaluations").glob("*/features/*/features.npy")
    }
    assert (len(kept), len(found)) == (5, 10) and kept.items() <= found.items()  # those of five are used again
    assert stored["views"] == {"name": "ten", "scales": [1.0], "number": 10}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ensemble", "p4"), "two or more"),
        (("ensemble", "p4", "photos"), "No stored predictions"),
        (("ensemble", "p4", "p6", "--weights", "1,x"), "numbers with commas"),
        (("ensemble", "p4", "p6", "--weights", "1"), "as many weights"),
        (("ensemble", "p4", "p6", "--submission", "s.txt"), "only 3"),
        (("predict", "run4", "photos", "--top-m", "2"), "name a folder"),
        (("predict", "run4", "photos", "--probabilities", "new", "--submission", "s.txt"), "only 3"),
        (("predict", "run4", "photos.catalog", "--submission", "s.txt"), "has none; --split val"),
        (("predict", "run4", "photos.catalog", "--split", "test"), "no images of split 'test'"),
        (("predict", "run4", "photos.catalog", "--split", "all"), "No split 'all'"),
        (("predict", "run4", "photos", "--probabilities", "p4"), "is there already"),
        (("predict", "run4", "photos", "--scales", "big"), "numbers with commas"),
        (("evaluate", "run4", "--views", "ten"), "need --on"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(place)
    before = sorted(p.name for p in place.iterdir())
    with pytest.raises(ReweighError, match=said):
        call(*words)
    assert sorted(p.name for p in place.iterdir()) == before
