"""Label targets in whole runs: in both ways of training, beside a baseline on the labels, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from reweigh.errors import ReweighError
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source

SETTINGS = ["backbone.name=pixels", "backbone.input_size=4", "evidence.n_folds=3", "threads=1", "precision=float32", "probe.l2=0.1"]  # fmt: skip
PER_ROW = ["targets.policy=per_row", "targets.weights=balance"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two colours under noise, 40 images each, a quarter of them in the wrong folder."""
    folder = tmp_path_factory.mktemp("targets") / "photos"
    generator = np.random.default_rng(0)
    for label, name in enumerate(("green", "red")):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            colour = ((60, 150, 60), (150, 60, 60))[(label + (number % 4 == 0)) % 2]
            pixels = np.clip(colour + 30 * generator.standard_normal((16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")
    return folder


def test_wrong_labels_are_taught_the_other_class(photos: Path, tmp_path: Path) -> None:
    said: list[str] = []
    made = run(
        Source(path=photos), read_recipe("auto", [*SETTINGS, *PER_ROW]), output=tmp_path / "run", say=said.append
    )
    table = pq.read_table(tmp_path / "run" / "03-targets" / "targets.parquet").to_pydict()
    is_wrong = np.array([int(Path(uid).stem) % 4 == 0 for uid in table["uid"]])
    label = np.array([uid.startswith("red") for uid in table["uid"]])
    taught_other = np.array(table["target"]) != label
    assert (taught_other == is_wrong).mean() > 0.9
    assert made.metrics["targets"]["other_class_share"] == pytest.approx(taught_other.mean())
    assert made.metrics["baseline"] is not None
    assert any("targets per_row of weighted predictions" in note for note in made.notes)
    assert "targets per_row of weighted predictions" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_changed_targets_train_anew_and_unchanged_ones_do_not(photos: Path, tmp_path: Path) -> None:
    for changes, word in ((PER_ROW, None), (PER_ROW, "04-training"), ([PER_ROW[0]], "03-targets")):
        said: list[str] = []
        run(Source(path=photos), read_recipe("auto", [*SETTINGS, *changes]), output=tmp_path / "run", say=said.append)
        reused = " ".join(line for line in said if line.startswith("unchanged"))
        assert word is None or word in reused
    assert "04-training" not in reused, "other weights beside the same targets"


def test_a_network_learns_from_targets_too(photos: Path, tmp_path: Path) -> None:
    network = [
        "training.mode=finetune", "finetune.network.name=test_resnet", "finetune.network.input_size=32", "finetune.start=random",
        "finetune.batch=24", "finetune.learning_rate=1.0", "finetune.epochs=3", "finetune.augmentation.crop=padded",
    ]  # fmt: skip
    made = run(Source(path=photos), read_recipe("auto", [*SETTINGS, *PER_ROW, *network]), output=tmp_path / "run")
    assert made.metrics["training"]["weighted"] and (tmp_path / "run" / "04-training" / "baseline").is_dir()


@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        ("baseline", ["targets.policy=per_row"], "no weigher that gives one"),
        ("balance", ["targets.policy=per_row"], "no weigher that gives one"),
        ("baseline", ["targets.policy=bootstrap"], 'targets.source = "weighted" needs weights'),
        ("baseline", ["targets.policy=bootstrap", "targets.source=held_out", "targets.weights=none"], "this recipe has none"),
        (
            "urnet_paper",
            ["targets.policy=per_row", "finetune.network.name=backbone"],
            "and cluster_weight, image_text make a weight of any size instead",
        ),
        (
            "auto",
            ["targets.policy=bootstrap", "targets.source=current", "training.mode=finetune", "finetune.network.name=test_resnet", "finetune.start=random"],
            "finetune.loss",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_any_work(recipe: str, changes: list[str], said: str) -> None:
    with pytest.raises(ReweighError, match=said):
        read_recipe(recipe, [*SETTINGS, *changes])


def test_what_cannot_be_is_said_of_a_round_too(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text('[[rounds]]\n[[rounds]]\ntargets.policy = "per_row"\n')
    with pytest.raises(ReweighError, match=r"rounds, number 2: targets.policy = .*no weigher that gives one"):
        read_recipe(str(tmp_path / "two.toml"))
