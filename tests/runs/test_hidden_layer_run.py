"""A whole run whose probe has a hidden layer: features are read once, and every command works from its model folder."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from reweigh.cli.main import app
from reweigh.errors import ReweighError
from reweigh.features.model_folder import load_model
from reweigh.runs import steps
from reweigh.runs.exports import for_onnx
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source

SETTINGS = [
    "backbone.name=pixels", "backbone.input_size=4", "evidence.n_folds=3", "threads=1", "precision=float32",
    "hidden_layer.width=24", "hidden_layer.epochs=10", "hidden_layer.learning_rate=0.1",
]  # fmt: skip
LACKING = [name for name in for_onnx.PACKAGES if importlib.util.find_spec(name) is None]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two colours under noise, 40 images each, a tenth of them in the wrong folder."""
    folder = tmp_path_factory.mktemp("hidden") / "photos"
    generator = np.random.default_rng(0)
    for label, name in enumerate(("green", "red")):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            colour = ((60, 150, 60), (150, 60, 60))[(label + (number % 10 == 0)) % 2]
            pixels = np.clip(colour + 30 * generator.standard_normal((16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def trained(photos: Path) -> Path:
    """Its features are extracted once: neither training nor figures read the images again."""
    with pytest.MonkeyPatch.context() as patch:
        calls = []
        real = steps.extract_rows
        patch.setattr(steps, "extract_rows", lambda *given: calls.append(1) or real(*given))
        run(Source(path=photos), read_recipe("auto", SETTINGS), output=photos.parent / "run")
    assert len(calls) == 1
    return photos.parent / "run"


def test_bags_are_told_on_the_page_and_in_the_card(photos: Path, tmp_path: Path) -> None:
    bags = [*SETTINGS, "hidden_layer.bags.size=2", "training.baseline=false"]
    run(Source(path=photos), read_recipe("auto", bags), output=tmp_path / "run")
    said = "bags of 2 images too, by attention; the last layer is that of single images"
    page, card = (tmp_path / "run" / "report.html").read_text(), (tmp_path / "run" / "model" / "README.md").read_text()
    assert said in page and said in card
    assert "Image saliency" in page and "Highest of 72 images" in page and "Lowest of 72 images" in page


def test_bags_that_a_linear_head_has_not_are_told(photos: Path, tmp_path: Path) -> None:
    settings = [change for change in SETTINGS if not change.startswith("hidden_layer")]
    made = run(
        Source(path=photos), read_recipe("balance", [*settings, "finetune.bags.size=2"]), output=tmp_path / "run"
    )
    assert any(note.startswith("no bags: a linear head on features has none") for note in made.notes)


def test_a_run_leaves_a_model_figures_of_it_and_of_the_one_without_weights(trained: Path) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["training"]["mode"] == "probe" and metrics["training"]["hidden"] == 24
    assert metrics["test"]["agreement"]["top_1"] >= 0.75 and metrics["baseline"] and metrics["gain"]
    model = load_model(trained / "model", device="cpu", precision="float32")
    assert model.weight.shape == (2, 24) and model.hidden is not None and model.hidden.weight.shape == (24, 48)
    assert "a hidden layer of 24 units" in (trained / "model" / "README.md").read_text(encoding="utf-8")
    assert "hidden layer of 24 units" in (trained / "report.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in (trained / "04-training").iterdir()) == [
        "baseline-log.jsonl", "baseline.safetensors", "log.jsonl", "model", "stage.json", "training.json",
    ]  # fmt: skip


def test_it_predicts_and_is_tested_by_the_commands_of_a_probe(trained: Path, photos: Path, tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["predict", str(trained), str(photos / "red"), "-o", str(tmp_path / "found.csv")])
    assert made.exit_code == 0, made.output
    found = (tmp_path / "found.csv").read_text().splitlines()
    assert len(found) == 41 and sum('.png","red",' in line for line in found) >= 30
    for more in ([], ["--on", str(photos)]):
        made = CliRunner().invoke(app, ["evaluate", str(trained), *more])
        assert made.exit_code == 0, made.output


@pytest.mark.skipif(bool(LACKING), reason=f"needs the extra onnx: {', '.join(LACKING)} not installed")
def test_it_becomes_one_onnx_file(trained: Path, tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["export", str(trained), "--to", "onnx", "-o", str(tmp_path / "model.onnx")])
    assert made.exit_code == 0, made.output
    assert (tmp_path / "model.onnx").is_file()


def test_another_width_keeps_evidence_and_weights(photos: Path, trained: Path) -> None:
    said: list[str] = []
    run(Source(path=photos), read_recipe("auto", [*SETTINGS, "hidden_layer.width=8"]), output=trained, say=said.append)
    assert "unchanged, used again: 01-features, 02-evidence, 03-verdicts, 03-weights" in said


def test_a_network_does_not_start_from_a_hidden_layer(photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "two.toml"
    second = 'training.mode = "finetune"\nhidden_layer.width = 0\nfinetune = {start = "previous", network = {name = "test_resnet"}}\n'
    recipe.write_text(f"[training]\nbaseline = false\n[[rounds]]\n[[rounds]]\n{second}")
    with pytest.raises(ReweighError, match="The round before ends in a hidden layer"):
        run(Source(path=photos), read_recipe(str(recipe), SETTINGS), output=tmp_path / "run")
