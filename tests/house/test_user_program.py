"""The public names serve a user's own program, typed and run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROGRAM = Path(__file__).parent / "user_program.py"


def load_program():  # type: ignore[no-untyped-def]
    spec = importlib.util.spec_from_file_location("user_program", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_users_program_passes_the_strict_type_checker(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        "",
        "--cache-dir",
        str(tmp_path),
        "--follow-imports=silent",
    ]
    done = subprocess.run([*command, str(PROGRAM)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_features_of_anything_give_held_out_predictions() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 120).astype(np.int32)
    features = np.eye(3, dtype=np.float32)[labels] + 0.1 * generator.standard_normal((120, 3)).astype(np.float32)
    assert load_program().held_out_share(features, labels) > 0.95


def test_a_users_program_trains_and_predicts(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(level + 20 * generator.standard_normal((12, 12, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    model = load_program().train(tmp_path / "photos", tmp_path / "run")
    assert (model / "model.safetensors").is_file()
