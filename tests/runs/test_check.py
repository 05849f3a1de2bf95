"""`check`: nothing is trained, `run` goes on from it, a finished run keeps its model, a kill changes no byte."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from reweigh.errors import ReweighError
from reweigh.runs.check import check
from reweigh.runs.evaluated import evaluate_run
from reweigh.runs.opening import recipe_for
from reweigh.runs.page import write_page
from reweigh.runs.predicted import predict_images
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source

CHANGES = ["backbone.name=pixels", "backbone.input_size=6", "features.block_rows=64", "evidence.n_folds=3", "threads=1"]
RESULTS = ("metrics.json", "verdicts.json", "verdicts.parquet", "verdicts.csv", "weights.parquet")
DRIVER = """
import os, signal, sys
from pathlib import Path
from reweigh.runs.check import check
from reweigh.runs.recipe import read_recipe
from reweigh.runs.source import Source

data, output, stage, at, *changes = sys.argv[1:]
seen = []

def progress(name, done, total=None, note=""):
    if name == stage:
        seen.append(done)
        if len(seen) == int(at):
            os.kill(os.getpid(), signal.SIGKILL)

check(Source(path=Path(data)), read_recipe("auto", changes), output=Path(output), progress=progress)
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of noise about a grey level, 60 images each; a tenth of the labels wrong."""
    folder = tmp_path_factory.mktemp("checked") / "photos"
    generator = np.random.default_rng(0)
    for label, name in enumerate(("dark", "grey", "light")):
        (folder / name).mkdir(parents=True)
        for number in range(60):
            level = (40, 110, 190)[(label + (number % 10 == 0)) % 3]
            pixels = np.clip(level + 40 * generator.standard_normal((8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def checked(photos: Path) -> tuple[Path, list[str]]:
    """The folder of a check that nobody stopped, and the stages that reported progress."""
    seen: list[str] = []

    def progress(stage: str, done: int, total: int | None = None, note: str = "") -> None:
        seen.append(stage)

    check(Source(path=photos), read_recipe("auto", CHANGES), output=photos.parent / "run", progress=progress)
    return photos.parent / "run", seen


@pytest.fixture
def copied(checked: tuple[Path, list[str]], tmp_path: Path) -> Path:
    """A checked run that a test may change."""
    return Path(shutil.copytree(checked[0], tmp_path / "run"))


def results(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


def test_a_check_holds_figures_weights_verdicts_and_a_page_but_no_model(checked: tuple[Path, list[str]]) -> None:
    folder, _ = checked
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["is_trained"], metrics["test"], metrics["gain"]) == (False, None, None)
    assert metrics["held_out"]["agreement"]["n"] == metrics["data"]["training_images"] == 162
    assert metrics["weights"]["used"]
    whole = json.loads((folder / "verdicts.json").read_text())
    assert metrics["verdicts"] == {k: v for k, v in whole.items() if k not in ("classes", "confusions", "notes", "fit")}
    assert (folder / "report.html").is_file()
    assert not (folder / "model").exists()
    assert not (folder / "04-training").exists()


def test_every_labelled_image_has_a_row_in_the_table_and_the_wrong_ones_stand_first(
    checked: tuple[Path, list[str]],
) -> None:
    folder, _ = checked
    with (folder / "verdicts.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["review_order"]) for row in rows] == list(range(1, 181))
    assert {row["uid"] for row in rows} == set(pq.read_table(folder / "verdicts.parquet")["uid"].to_pylist())
    moved = {f"{name}/{number:03d}.png" for name in ("dark", "grey", "light") for number in range(0, 60, 10)}
    assert len(moved & {row["uid"] for row in rows[:18]}) >= 15


def test_run_goes_on_from_a_check_and_makes_nothing_twice(copied: Path, photos: Path) -> None:
    said: list[str] = []
    source = Source(path=photos)

    run(source, recipe_for(source, None, [], copied), output=copied, say=said.append)

    assert "unchanged, used again: 01-features, 02-evidence, 03-verdicts, 03-weights" in said
    metrics = json.loads((copied / "metrics.json").read_text())
    assert metrics["is_trained"]
    assert metrics["verdicts"]["judged"]["held_out"] == 162
    assert (copied / "model" / "config.json").is_file()


def test_a_check_of_a_finished_run_leaves_its_model_and_figures(copied: Path, photos: Path) -> None:
    source = Source(path=copied)
    run(source, recipe_for(source, None, [], None))
    before = {**results(copied), "model": (copied / "model" / "model.safetensors").read_bytes()}
    stages = json.loads((copied / "run.json").read_text())["stages"]
    (copied / "verdicts.csv").unlink()

    found = check(source, recipe_for(source, None, [], None))

    assert {**results(copied), "model": (copied / "model" / "model.safetensors").read_bytes()} == before
    assert json.loads((copied / "run.json").read_text())["stages"] == stages
    assert not any(step.startswith("reweigh run") for step in found.next_steps)
    with pytest.raises(ReweighError, match="holds a trained run with other settings, which this check would replace"):
        check(source, read_recipe("auto", [*CHANGES, "seed=1"]))
    assert {**results(copied), "model": (copied / "model" / "model.safetensors").read_bytes()} == before


def test_the_settings_of_a_run_are_kept_where_none_are_given(checked: tuple[Path, list[str]], photos: Path) -> None:
    folder, _ = checked
    kept = recipe_for(Source(path=photos), None, [], folder)
    assert (kept.backbone.name, kept.evidence.n_folds, kept.device) == ("pixels", 3, "auto")
    assert recipe_for(Source(path=photos), "baseline", [], folder).backbone.name != "pixels"
    assert recipe_for(Source(path=photos), None, ["seed=4"], folder).evidence.n_folds == 5
    assert recipe_for(Source(path=photos), None, [], folder / "nothing-here").weights.use == ("auto",)


def test_changes_of_a_run_start_from_its_own_settings(checked: tuple[Path, list[str]], photos: Path) -> None:
    folder, _ = checked
    for output in (None, folder / "another"):
        changed = recipe_for(Source(path=folder), None, ["seed=4"], output)
        assert (changed.seed, changed.backbone.name, changed.evidence.n_folds) == (4, "pixels", 3)
    assert recipe_for(Source(path=folder), "baseline", ["seed=4"], None).backbone.name != "pixels"
    for source in (Source(path=folder), Source(path=photos)):
        more = recipe_for(source, None, [], folder, ["backbone.input_size=4 seed=1", "seed=2"])
        assert more.models == ({"backbone": {"input_size": 4}, "seed": 1}, {"seed": 2})
        assert more.backbone.name == "pixels"


def test_a_table_that_a_person_edited_is_left_alone_until_the_verdicts_change(copied: Path) -> None:
    (copied / "verdicts.csv").write_text("my own notes")
    check(Source(path=copied), read_recipe("auto", CHANGES))
    assert (copied / "verdicts.csv").read_text() == "my own notes"


def test_commands_on_a_checked_run_say_what_is_missing(copied: Path, photos: Path, tmp_path: Path) -> None:
    told = f"{copied} was checked, not trained; go on with: reweigh run {copied}"
    with pytest.raises(ReweighError, match=told):
        predict_images(copied, photos, tmp_path / "p.csv")
    with pytest.raises(ReweighError, match=told):
        evaluate_run(copied, photos)
    assert "checked, not trained: there is no model to test yet" in evaluate_run(copied).notes
    assert write_page(copied, tmp_path / "page.html").is_file()


def test_rounds_are_checked_in_order_and_the_last_one_counts(photos: Path, tmp_path: Path) -> None:
    said: list[str] = []
    check(Source(path=photos), read_recipe("curriculum", CHANGES), output=tmp_path / "run", say=said.append)
    assert [line for line in said if line.startswith("round")] == ["round 1 of 3", "round 2 of 3", "round 3 of 3"]
    assert (tmp_path / "run" / "weights.parquet").read_bytes() == (
        tmp_path / "run" / "round-3" / "03-weights" / "weights.parquet"
    ).read_bytes()


def test_a_recipe_without_weights_has_verdicts_all_the_same(photos: Path, tmp_path: Path) -> None:
    found = check(Source(path=photos), read_recipe("baseline", CHANGES), output=tmp_path / "run")
    assert found.verdicts is not None
    assert not (tmp_path / "run" / "weights.parquet").exists()
    assert (tmp_path / "run" / "verdicts.csv").is_file()


def test_killed_again_and_again_ends_in_the_same_bytes(
    photos: Path, checked: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """Killed in held-out predictions and while the table is written, in one folder that lives through it."""
    folder, seen = checked
    output = tmp_path / "run"
    for stage, at in (("held-out", 2), ("verdicts.csv", 1)):
        assert seen.count(stage) >= at, f"progress was reported by {set(seen)} only"
        command = [sys.executable, "-c", DRIVER, str(photos), str(output), stage, str(at), *CHANGES]
        done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, (stage, done.stderr[-2000:])
        assert not (output / "metrics.json").exists()
    check(Source(path=photos), read_recipe("auto", CHANGES), output=output)
    assert results(output) == results(folder)
    assert not [p.name for p in output.iterdir() if p.name.endswith((".partial", ".work"))]
