"""The first look: a fair sample, before long work only, that changes nothing of the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reweigh.runs import preview
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source

CHANGES = ["backbone.name=pixels", "backbone.input_size=4", "evidence.n_folds=2", "threads=1"]


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=60), st.integers(1, 40), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_a_stratified_sample_is_as_even_as_the_classes_allow(labels: list[int], size: int, seed: int) -> None:
    values = np.array(labels, np.int32)
    rows = np.arange(len(values))
    sample = preview.stratified_sample(values, rows, size=size, seed=seed)
    assert np.array_equal(sample, preview.stratified_sample(values, rows, size=size, seed=seed))
    assert len(sample) == len(set(sample.tolist())) == min(size, int((values >= 0).sum()))
    assert (values[sample] >= 0).all()
    if len(sample):
        taken, there = (np.bincount(v, minlength=5) for v in (values[sample], values[values >= 0]))
        most = taken.max()
        assert all(t >= min(most - 1, n) for t, n in zip(taken, there, strict=True)), (
            "a class gave less although it had more"
        )


def test_durations_are_said_in_the_unit_of_a_person() -> None:
    assert [preview.duration(s) for s in (0.2, 42, 600, 7200)] == ["1 s", "42 s", "10 min", "2.0 h"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(30):
            pixels = np.clip(level + 20 * generator.standard_normal((6, 6, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def test_long_work_is_preceded_by_a_first_look_that_leaves_the_results_alone(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(Source(path=photos), read_recipe("baseline", CHANGES), output=tmp_path / "plain")
    monkeypatch.setattr(preview, "PREVIEW_SECONDS", 0.0)
    monkeypatch.setattr(preview, "PREVIEW_IMAGES", 20)
    said: list[str] = []
    run(Source(path=photos), read_recipe("baseline", CHANGES), output=tmp_path / "looked", say=said.append)
    looks = [line for line in said if line.startswith("preview: ")]
    assert any("of 20 labels agree with held-out predictions" in line for line in looks)
    assert any("least agreement: " in line for line in looks)
    assert (tmp_path / "looked" / "metrics.json").read_bytes() == (tmp_path / "plain" / "metrics.json").read_bytes()


def test_no_preview_says_nothing(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "PREVIEW_SECONDS", 0.0)
    monkeypatch.setattr(preview, "PREVIEW_IMAGES", 20)
    said: list[str] = []
    run(Source(path=photos), read_recipe("baseline", CHANGES), output=tmp_path / "run", preview=False, say=said.append)
    assert not [line for line in said if "preview" in line]
