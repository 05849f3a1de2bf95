"""The trained head: the settings reach its fit, and what it found is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reweigh.catalog.tables import plain_classes
from reweigh.errors import ReweighError
from reweigh.features.backbones import load_backbone, resolve_backbone
from reweigh.features.matrix import ArrayFeatures
from reweigh.features.model_folder import load_model
from reweigh.features.settings import BackboneSettings
from reweigh.probes.settings import ProbeSettings
from reweigh.training.inputs import TrainingInputs
from reweigh.training.probe_training import read_baseline, train_probe


def inputs(values: np.ndarray, labels: np.ndarray, *, probe: ProbeSettings) -> TrainingInputs:
    settings = resolve_backbone(BackboneSettings(name="pixels", input_size=2), device="cpu")
    return TrainingInputs(
        features=ArrayFeatures(values), rows=np.arange(len(values)), labels=labels, targets=labels, weights=None, l2=0.1, probe=probe,
        backbone=load_backbone(settings, device="cpu", precision="float32"), classes=plain_classes(["a", "b"]),
        uids=lambda rows: [f"image {row}" for row in rows],
    )  # fmt: skip


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 60)
    return (generator.standard_normal((60, 12)) + labels[:, None]).astype(np.float32), labels


def test_the_model_that_is_written_is_the_one_that_was_fitted(
    data: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    trained = train_probe(inputs(*data, probe=ProbeSettings()), tmp_path, tmp_path, key="")
    model = load_model(tmp_path / "model", device="cpu", precision="float32")
    assert trained == {"mode": "probe", "rows": 60, "l2": 0.1, "weighted": False, "is_converged": True}
    assert model.class_names == ("a", "b")
    predicted = (data[0] @ model.weight.T + model.bias).argmax(axis=1)
    assert (predicted == data[1]).mean() > 0.8


def test_the_limit_of_steps_reaches_the_fit_and_is_reported(
    data: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    trained = train_probe(
        inputs(*data, probe=ProbeSettings(max_iterations=1, tolerance=1e-9)), tmp_path, tmp_path, key=""
    )
    assert trained["is_converged"] is False


def test_a_feature_that_is_nan_names_its_image(data: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    data[0][7, 3] = np.nan
    with pytest.raises(ReweighError, match="image 7"):
        train_probe(inputs(*data, probe=ProbeSettings()), tmp_path, tmp_path, key="")


def test_with_weights_the_head_without_them_is_kept_for_comparison(
    data: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """A head fitted without weights is the baseline, whatever the weights; weight 0 is the row removed."""
    weights = np.where(np.arange(60) < 30, 1.0, 0.0)
    given = replace(inputs(*data, probe=ProbeSettings()), weights=weights, with_baseline=True)
    trained = train_probe(given, tmp_path / "weighed", tmp_path, key="")
    train_probe(inputs(*data, probe=ProbeSettings()), tmp_path / "plain", tmp_path, key="")
    train_probe(inputs(data[0][:30], data[1][:30], probe=ProbeSettings()), tmp_path / "half", tmp_path, key="")
    assert trained["rows"] == 30
    plain, half, weighed = (
        load_model(tmp_path / place / "model", device="cpu", precision="float32")
        for place in ("plain", "half", "weighed")
    )
    baseline = read_baseline(tmp_path / "weighed")
    assert baseline is not None
    np.testing.assert_allclose(baseline.weight, plain.weight, atol=1e-6)
    np.testing.assert_allclose(weighed.weight, half.weight, atol=1e-4)
    assert read_baseline(tmp_path / "plain") is None
