"""Held-out predictions by networks: a network that has seen a label flatters it, one that has not does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reweigh.errors import ReweighError
from reweigh.evidence.settings import EvidenceSettings
from reweigh.runs.plan import plan_run
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source

SETTINGS = [
    "backbone.name=pixels", "backbone.input_size=4", "evidence.n_folds=3", "threads=1", "precision=float32",
    "finetune.network.name=test_resnet", "finetune.network.input_size=32", "finetune.start=random", "finetune.batch=16",
    "finetune.learning_rate=1.0", "finetune.augmentation.crop=center", "finetune.augmentation.flip=0.0", "finetune.epochs=25",
]  # fmt: skip


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of pure noise in two classes: there is nothing to learn but the labels themselves."""
    folder = tmp_path_factory.mktemp("noise") / "photos"
    generator = np.random.default_rng(0)
    for name in ("one", "two"):
        (folder / name).mkdir(parents=True)
        for number in range(36):
            Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(
                folder / name / f"{number}.png"
            )
    return folder


def agreement(noise: Path, output: Path, *changes: str) -> float:
    """Share of training labels that are the most probable class of the held-out predictions."""
    metrics = run(Source(path=noise), read_recipe("baseline", [*SETTINGS, *changes]), output=output).metrics
    return float(metrics["held_out"]["agreement"]["top_1"])


def test_folds_of_networks_do_not_flatter_and_a_network_that_saw_the_labels_does(noise: Path, tmp_path: Path) -> None:
    by_folds = agreement(noise, tmp_path / "folds", "evidence.cross_fit=folds")
    by_heart = agreement(noise, tmp_path / "early", "evidence.cross_fit=early", "evidence.cross_fit_epochs=25")
    assert by_heart > 0.85, by_heart
    assert by_folds < 0.7, by_folds


def test_the_plan_says_what_the_networks_cost(noise: Path, tmp_path: Path) -> None:
    recipe = read_recipe("baseline", [*SETTINGS, "evidence.cross_fit=folds", "evidence.cross_fit_epochs=2"])
    made = plan_run(Source(path=noise), recipe, output=tmp_path / "run")
    assert made.training_seconds > 0
    assert "3 networks of 2 epochs for evidence.cross_fit" in dict(made.lines())["training"]


def test_other_networks_make_the_predictions_anew(noise: Path, tmp_path: Path) -> None:
    quick = ["evidence.cross_fit=early", "evidence.cross_fit_epochs=1"]
    agreement(noise, tmp_path / "run", *quick)
    stage = tmp_path / "run" / "02-evidence" / "held_out" / "stage.json"
    before = json.loads(stage.read_text())["hash"]
    agreement(noise, tmp_path / "run", *quick, "finetune.learning_rate=0.5")
    assert json.loads(stage.read_text())["hash"] != before
    agreement(noise, tmp_path / "run", *quick, "finetune.learning_rate=0.5", "finetune.log_steps=3")
    assert json.loads(stage.read_text())["reads"]["cross_fit"]["cross_fit"] == "early"


def test_a_number_of_epochs_below_zero_is_refused() -> None:
    with pytest.raises(ReweighError, match="cross_fit_epochs must be 0"):
        EvidenceSettings(cross_fit="folds", cross_fit_epochs=-1)
