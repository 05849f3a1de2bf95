"""The further models of a run are predicted with, measured and put together like the run's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest
from PIL import Image

from reweigh.errors import ReweighError
from reweigh.features.model_folder import load_model
from reweigh.runs.ensembles import put_together
from reweigh.runs.evaluated import evaluate_run
from reweigh.runs.predicted import Asked, predict_images
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source
from reweigh.runs.trained_model import run_and_number, trained_model
from reweigh.whole_files import read_json

RECIPE = """
threads = 1
[backbone]
name = "pixels"
input_size = 6
[evidence]
n_folds = 3
[weights]
use = ["class_balance"]
[[models]]
backbone.input_size = 4
[[models]]
probe.l2 = 1.0
precision = "auto"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`photos` of three grey levels, and `run` with two further models."""
    place = tmp_path_factory.mktemp("models")
    generator = np.random.default_rng(0)
    for label, level in enumerate((60, 110, 160)):
        (place / "photos" / f"class{label}").mkdir(parents=True)
        for number in range(20):
            pixels = np.clip(level + 60 * generator.standard_normal((9, 12, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / "photos" / f"class{label}" / f"{number:02d}.png")
    (place / "recipe.toml").write_text(RECIPE)
    run(Source(path=place / "photos"), read_recipe(str(place / "recipe.toml"), []), output=place / "run")
    return place


def test_a_further_model_is_predicted_with_and_the_three_make_an_ensemble(place: Path, tmp_path: Path) -> None:
    paths = [place / "run", place / "run" / "models" / "1", place / "run" / "models" / "2"]
    for number, path in enumerate(paths):
        asked = Asked(probabilities=tmp_path / f"p{number}")
        predict_images(path, place / "photos", tmp_path / f"{number}.csv", asked)
    shown = [pyarrow.csv.read_csv(tmp_path / f"{number}.csv")["probability"].to_numpy() for number in range(3)]
    assert not np.allclose(shown[0], shown[1]) and not np.allclose(shown[0], shown[2])
    put_together([tmp_path / f"p{number}" for number in range(3)], tmp_path / "all.csv")
    assert pyarrow.csv.read_csv(tmp_path / "all.csv").num_rows == 60


def test_its_settings_are_its_own_and_what_is_resolved_is_the_runs(place: Path) -> None:
    run_folder = place / "run"
    first, second = (trained_model(run_folder / "models" / str(number)) for number in (1, 2))
    assert (first.recipe.backbone.input_size, second.recipe.backbone.input_size) == (4, 6)
    assert second.recipe.probe.l2 == 1.0
    assert second.recipe.precision == trained_model(run_folder).recipe.precision != "auto"
    views = [
        load_model(one.place / "model", device="cpu", precision="float32").backbone.view for one in (first, second)
    ]
    assert [view.size for view in views] == [4, 6]


def test_its_figures_stand_in_the_runs_table_and_alone(place: Path) -> None:
    stored = read_json(place / "run" / "metrics.json")["models"]
    own = evaluate_run(place / "run" / "models" / "1")
    assert own.metrics["test"] == stored[0]["test"]
    names = [line[0] for line in evaluate_run(place / "run").lines]
    assert [name for name in names if name.startswith("model ")] == [
        "model 1, pixels: agreement",
        "model 2, pixels: agreement",
    ]
    elsewhere = evaluate_run(place / "run" / "models" / "1", place / "photos")
    assert elsewhere.metrics["test"]["agreement"]["n"] == 60
    assert (place / "run" / "models" / "1" / "evaluations").is_dir()


def test_the_path_may_be_relative_to_anywhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place / "run" / "models")
    run_folder, number = run_and_number(Path("1"))
    assert (run_folder.resolve(), number) == ((place / "run").resolve(), 1)
    monkeypatch.chdir(place / "run")
    run_folder, number = run_and_number(Path("models/2"))
    assert (run_folder.resolve(), number) == ((place / "run").resolve(), 2)


def test_a_model_that_is_not_there_is_said_in_one_line(place: Path, tmp_path: Path) -> None:
    for act in (trained_model, evaluate_run):
        with pytest.raises(ReweighError, match="2 further models"):
            act(place / "run" / "models" / "3")  # type: ignore[operator]
    (tmp_path / "models" / "1").mkdir(parents=True)
    with pytest.raises(ReweighError, match="is not a run"):
        trained_model(tmp_path / "models" / "1")
