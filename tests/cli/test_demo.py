"""`reweigh demo`: quick, without a download, and clearly better than the labels it learnt from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import Call, files_below, half_written


def test_the_demo_takes_under_a_minute_imports_included(tmp_path: Path) -> None:
    began = time.monotonic()

    done = subprocess.run(
        [sys.executable, "-m", "reweigh", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )

    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 60
    assert f"report: {Path('reweigh-demo') / 'report.html'}" in done.stdout
    assert (tmp_path / "reweigh-demo" / "report.html").is_file()
    assert not half_written(tmp_path)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_demo_is_right_far_more_often_than_its_labels(reweigh: Call, tmp_path: Path, seed: int) -> None:
    said = reweigh("demo", "-o", "demo", "--seed", seed)

    assert said.status == 0, said.err
    metrics = json.loads((tmp_path / "demo" / "metrics.json").read_text())
    held_out, test = metrics["held_out"], metrics["test"]
    agreement, accuracy = held_out["agreement"]["top_1"], held_out["accuracy"]["truth"]["top_1"]
    assert 0.55 < agreement < 0.75  # about 30 % of the labels are wrong, and no prediction can agree with those
    assert accuracy > 0.85
    assert test["accuracy"]["truth"]["top_1"] > 0.85
    assert "accuracy, known truth" in said.out


def test_the_demo_done_again_makes_nothing_anew_and_another_seed_is_refused(reweigh: Call, tmp_path: Path) -> None:
    first = reweigh("demo", "-o", "demo")
    before = files_below(tmp_path)

    again = reweigh("demo", "-o", "demo")

    assert again.out == first.out
    assert files_below(tmp_path) == before
    assert "unchanged, used again: 01-features, 02-evidence, 04-training, 05-metrics" in again.err
    assert "give another -o" in reweigh("demo", "-o", "demo", "--seed", 1).error
