"""What a run will cost is said of all its parts, and costs nothing that stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reweigh.runs.plan import plan_run
from reweigh.runs.recipe import read_recipe
from reweigh.runs.source import Source

SMALL = ["backbone.name=pixels", "backbone.input_size=6", "evidence.n_folds=3", "threads=1"]
NETWORK = [
    "training.mode=finetune",
    "finetune.network.name=test_resnet",
    "finetune.network.input_size=32",
    "finetune.start=random",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 and 27 images: no multiple of three, and fewer than a batch after some are set aside."""
    folder = tmp_path_factory.mktemp("plan") / "photos"
    generator = np.random.default_rng(0)
    for name, n in (("a", 23), ("b", 27)):
        (folder / name).mkdir(parents=True)
        for number in range(n):
            Image.fromarray(generator.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("more", [[], ["finetune.micro_batch=10"], ["finetune.batch=14"]])
def test_bags_of_any_size_are_planned(photos: Path, tmp_path: Path, size: int, more: list[str]) -> None:
    changes = [*SMALL, *NETWORK, f"finetune.bags.size={size}", "finetune.epochs=2", *more]
    made = plan_run(Source(path=photos), read_recipe("balance", changes), output=tmp_path / "run")
    assert made.training_seconds > 0
    assert made.trainings == ("test_resnet at 32 pixels, 2 epochs, once without weights and once with them",)
    assert not (tmp_path / "run").exists()


def test_a_hidden_layer_costs_something_and_a_linear_head_is_not_worth_a_line(photos: Path, tmp_path: Path) -> None:
    source, output = Source(path=photos), tmp_path / "run"
    plain = plan_run(source, read_recipe("balance", SMALL), output=output)
    assert (plain.training_seconds, plain.trainings) == (0, ()) and "training" not in dict(plain.lines())
    changes = [*SMALL, "hidden_layer.width=32", "hidden_layer.bags.size=3"]
    made = plan_run(source, read_recipe("baseline", changes), output=output)
    assert made.trainings == ("a hidden layer of 32, 10 epochs",) and made.training_seconds > 0


def test_image_text_matching_is_counted_once_a_round(photos: Path, tmp_path: Path) -> None:
    changes = [*SMALL, "weights.use=image_text", "weights.image_text.steps=1000", "weights.image_text.n_folds=4"]
    made = plan_run(Source(path=photos), read_recipe("balance", changes), output=tmp_path / "run", is_trained=False)
    assert made.trainings == ("image-text matching",)
    one_image = 6 * 6 * 3 * 256 + 256 * 128 + 128 * 2
    assert made.training_seconds == pytest.approx(3.5e-10 * 4 * 1000 * 256 * one_image)


def test_rounds_models_and_targets_add_up(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text(
        'weights.use = ["auto"]\ntargets.policy = "bootstrap"\nhidden_layer.width = 8\n'
        "[[rounds]]\n[[rounds]]\nweights.sharpness = 2.0\n[[models]]\nseed = 1\n[[models]]\nbackbone.input_size = 4\n"
    )
    source, recipe = Source(path=photos), read_recipe(str(tmp_path / "all.toml"), SMALL)
    made = plan_run(source, recipe, output=tmp_path / "run")
    # two rounds on one set of held-out predictions, one of the targets for each, and one set for each model
    one = plan_run(source, read_recipe("auto", SMALL), output=tmp_path / "run")
    assert made.evidence_bytes == 5 * one.evidence_bytes
    assert made.trainings == ("a hidden layer of 8, 10 epochs, once without weights and once with them (4 times)",)
    assert made.feature_bytes == 2 * 50 * 3 * (6 * 6 + 4 * 4) and len(made.backbones) == 2
    assert made.seconds == made.extraction_seconds + made.probe_seconds + made.training_seconds
    assert list(dict(made.lines()))[-2:] == ["training", "in all"]


def test_a_check_trains_nothing(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text("[[models]]\nbackbone.input_size = 4\n")
    made = plan_run(
        Source(path=photos), read_recipe(str(tmp_path / "two.toml"), [*SMALL, *NETWORK]), output=tmp_path / "run", is_trained=False
    )  # fmt: skip
    assert made.trainings == () and len(made.backbones) == 1
