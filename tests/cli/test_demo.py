"""`reweigh demo`: quick, without a download, and clearly better than the labels it learnt from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from reweigh.runs.demo import run_demo

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


def test_the_demo_gains_from_its_weights_over_five_seeds(tmp_path: Path) -> None:
    """Other wrong labels, sizes and test images each time: the mean gain is many standard errors away from nothing."""
    gains, shares = [], []
    for seed in range(5):
        metrics = run_demo(tmp_path / f"demo-{seed}", seed=seed).metrics
        gains.append(metrics["gain"]["truth"]["class_averaged"])
        shares.append(metrics["held_out"]["agreement"]["top_1"])
        assert metrics["gain"]["truth"]["class_averaged_interval"][0] > 0
        assert metrics["weights"]["quality"]["against"]["truth"]["scores"]["credibility"]["figures"]["auroc"] > 0.9
    low = np.mean(gains) - 2.776 * np.std(gains, ddof=1) / np.sqrt(
        5
    )  # the two-sided 95 % point of t with 4 degrees of freedom
    assert low > 0.04, gains
    assert max(shares) < 0.75  # about 40 % of the labels are wrong, and no prediction can agree with those


def test_the_demo_done_again_makes_nothing_anew_and_another_seed_is_refused(reweigh: Call, tmp_path: Path) -> None:
    first = reweigh("demo", "-o", "demo")
    before = files_below(tmp_path)

    again = reweigh("demo", "-o", "demo")

    assert again.out == first.out
    assert files_below(tmp_path) == before
    assert (
        "unchanged, used again: 01-features, 02-evidence, 03-verdicts, 03-weights, 04-training, 05-metrics" in again.err
    )
    assert "give another -o" in reweigh("demo", "-o", "demo", "--seed", 1).error
