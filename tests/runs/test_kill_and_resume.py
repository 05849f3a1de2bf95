"""A run that is killed at any point and started again ends in the bytes of an unbroken one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source
from reweigh.training.training_log import read_log

CHANGES = ["backbone.name=pixels", "backbone.input_size=6", "features.block_rows=64", "evidence.n_folds=3", "threads=1"]
NETWORK = [
    "training.mode=finetune", "finetune.network.name=test_resnet", "finetune.network.input_size=32", "finetune.start=random",
    "finetune.epochs=2", "finetune.batch=128", "finetune.log_steps=1", "finetune.checkpoint_steps=1", "precision=float32",
    "finetune.averaging=0.9",
]  # fmt: skip
DRIVER = """
import os, signal, sys
from pathlib import Path
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source

data, output, stage, at, *changes = sys.argv[1:]
seen = []

def progress(name, done, total=None, note=""):
    if name == stage:
        seen.append(done)
        if len(seen) == int(at):
            os.kill(os.getpid(), signal.SIGKILL)  # between two steps of the work, as a power cut would

run(Source(path=Path(data)), read_recipe("auto", changes), output=Path(output), progress=progress)
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of noise about a grey level, 130 images each; a tenth of the labels wrong."""
    folder = tmp_path_factory.mktemp("killed") / "photos"
    generator = np.random.default_rng(0)
    for label, name in enumerate(("dark", "grey", "light")):
        (folder / name).mkdir(parents=True)
        for number in range(130):
            level = (40, 110, 190)[(label + (number % 10 == 0)) % 3]
            pixels = np.clip(level + 40 * generator.standard_normal((8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def unbroken(photos: Path) -> tuple[bytes, list[str]]:
    """metrics.json of a run that nobody stopped, and the stages that reported progress."""
    seen: list[str] = []

    def progress(stage: str, done: int, total: int | None = None, note: str = "") -> None:
        seen.append(stage)

    output = photos.parent / "unbroken"
    run(Source(path=photos), read_recipe("auto", CHANGES), output=output, progress=progress)
    return (output / "metrics.json").read_bytes(), seen


def killed(photos: Path, output: Path, stage: str, at: int, changes: Sequence[str] = CHANGES) -> int:
    command = [sys.executable, "-c", DRIVER, str(photos), str(output), stage, str(at), *changes]
    return subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True).returncode


def test_killed_again_and_again_ends_in_the_same_bytes(
    photos: Path, unbroken: tuple[bytes, list[str]], tmp_path: Path
) -> None:
    """Each stage in turn is killed at a middle report, the longest at its first and last too, in one folder that lives through it all."""
    metrics, seen = unbroken
    output = tmp_path / "run"
    stages = list(dict.fromkeys(seen))
    assert len(stages) >= 3, f"progress was reported by {stages} only"
    kills = 0
    for stage in stages:
        count = seen.count(stage)
        is_longest = count == max(map(seen.count, stages))
        for at in sorted({1, (count + 1) // 2, count} if is_longest else {(count + 1) // 2}):
            code = killed(photos, output, stage, at)
            kills += code == -signal.SIGKILL
            assert code in (-signal.SIGKILL, 0), f"killed in {stage} at report {at}, the next run failed with {code}"
            assert not (output / "report.html").exists() or code == 0 or stage == stages[-1]
    assert kills >= 4
    run(Source(path=photos), read_recipe("auto", CHANGES), output=output)
    assert (output / "metrics.json").read_bytes() == metrics
    assert not [p.name for p in output.iterdir() if p.name.endswith((".partial", ".work"))]


def test_a_finished_run_does_nothing_twice_and_redo_does(photos: Path, unbroken: tuple[bytes, list[str]]) -> None:
    output = photos.parent / "unbroken"
    said: list[str] = []
    run(Source(path=photos), read_recipe("auto", CHANGES), output=output, say=said.append)
    assert "unchanged, used again: 01-features, 02-evidence, 03-verdicts, 03-weights, 04-training, 05-metrics" in said
    said.clear()
    run(Source(path=output), read_recipe("auto", CHANGES), redo="training", say=said.append)
    assert "unchanged, used again: 01-features, 02-evidence, 03-verdicts, 03-weights, 05-metrics" in said
    assert (output / "metrics.json").read_bytes() == unbroken[0]


def test_a_killed_training_on_images_ends_in_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    """Killed in the middle of the network without weights, then of that with them."""
    changes = [*CHANGES, *NETWORK]
    once, again = tmp_path / "once", tmp_path / "again"
    run(Source(path=photos), read_recipe("auto", changes), output=once)
    for stage, at in (("baseline", 3), ("training", 4)):
        assert killed(photos, again, stage, at, changes) == -signal.SIGKILL, stage
    run(Source(path=photos), read_recipe("auto", changes), output=again)
    for name in ("metrics.json", "model/model.safetensors", "04-training/baseline/model.safetensors"):
        assert (again / name).read_bytes() == (once / name).read_bytes(), name
    steps = [line["done_steps"] for line in read_log(again / "04-training")]
    assert steps == sorted(set(steps)) and len(steps) == len(read_log(once / "04-training"))
