"""Whole runs whose network is trained on the images: what they leave, in which folder, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from reweigh.cli.main import app
from reweigh.errors import ReweighError
from reweigh.features.model_folder import load_model
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source

SETTINGS = [
    "backbone.name=pixels", "backbone.input_size=4", "evidence.n_folds=3", "threads=1", "precision=float32",
    "finetune.network.name=test_resnet", "finetune.network.input_size=32", "finetune.start=random", "finetune.batch=24",
    "finetune.learning_rate=1.0", "finetune.epochs=4", "finetune.augmentation.crop=padded",
]  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two colours under noise, 40 images each, a tenth of them in the wrong folder."""
    folder = tmp_path_factory.mktemp("finetuned") / "photos"
    generator = np.random.default_rng(0)
    for label, name in enumerate(("green", "red")):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            colour = ((60, 150, 60), (150, 60, 60))[(label + (number % 10 == 0)) % 2]
            pixels = np.clip(colour + 30 * generator.standard_normal((32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def finetuned(photos: Path) -> Path:
    run(Source(path=photos), read_recipe("finetune", SETTINGS), output=photos.parent / "run")
    return photos.parent / "run"


def test_a_run_leaves_models_logs_figures_and_a_page(finetuned: Path) -> None:
    metrics = json.loads((finetuned / "metrics.json").read_text())
    assert metrics["training"]["mode"] == "finetune" and metrics["training"]["weighted"]
    assert metrics["test"]["agreement"]["top_1"] >= 0.75
    for name in ("model", "04-training/baseline"):
        assert load_model(finetuned / name, device="cpu", precision="float32").weight.shape == (2, 96)
    for name in ("log.jsonl", "baseline-log.jsonl"):
        assert (finetuned / "04-training" / name).read_text().count("done_steps") >= 1
    assert "test_resnet" in (finetuned / "report.html").read_text(encoding="utf-8")


def test_it_predicts_and_is_tested_by_the_commands_of_a_probe(finetuned: Path, photos: Path, tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["predict", str(finetuned), str(photos / "red"), "-o", str(tmp_path / "found.csv")])
    assert made.exit_code == 0, made.output
    found = (tmp_path / "found.csv").read_text().splitlines()
    assert len(found) == 41 and sum('.png","red",' in line for line in found) >= 30
    assert CliRunner().invoke(app, ["evaluate", str(finetuned)]).exit_code == 0


def test_a_second_round_goes_on_from_the_network_of_the_first(photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "two.toml"
    second = 'finetune.start = "previous"\nfinetune.learning_rate = 1e-9'
    recipe.write_text(f'[training]\nmode = "finetune"\nbaseline = false\n[[rounds]]\n[[rounds]]\n{second}\n')
    run(Source(path=photos), read_recipe(str(recipe), SETTINGS), output=tmp_path / "run")
    first, second = (
        load_model(tmp_path / "run" / name / "model", device="cpu", precision="float32")
        for name in ("04-training", "round-2/04-training")
    )
    np.testing.assert_allclose(second.weight, first.weight, atol=1e-5)


def test_the_first_round_has_no_network_to_go_on_from(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match="the first round has none"):
        run(
            Source(path=photos),
            read_recipe("finetune", [*SETTINGS, "finetune.start=previous"]),
            output=tmp_path / "run",
        )


def test_a_training_that_another_recipe_left_unfinished_is_not_thrown_away(photos: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop_in_training(stage: str, done: int, total: int | None = None, note: str = "") -> None:
        if stage == "training" and done > 2:
            raise Stop

    source, output = Source(path=photos), tmp_path / "run"
    slow = [*SETTINGS, "training.baseline=false", "finetune.log_steps=1", "finetune.checkpoint_steps=1"]
    with pytest.raises(Stop):
        run(source, read_recipe("finetune", slow), output=output, progress=stop_in_training)
    with pytest.raises(ReweighError, match="--redo training"):
        run(source, read_recipe("finetune", [*slow, "finetune.learning_rate=0.5"]), output=output)
    made = run(source, read_recipe("finetune", [*slow, "finetune.learning_rate=0.5"]), output=output, redo="training")
    assert made.metrics["training"]["learning_rate"] == 0.5 * 24 / 256
