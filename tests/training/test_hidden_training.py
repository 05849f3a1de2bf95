"""A hidden layer trained on stored features: weights as they should act, exact resume, bags, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from reweigh.catalog.tables import plain_classes
from reweigh.errors import ReweighError
from reweigh.features.backbones import load_backbone, resolve_backbone
from reweigh.features.matrix import ArrayFeatures
from reweigh.features.model_folder import TENSORS, Model, load_model, logits
from reweigh.features.settings import BackboneSettings
from reweigh.probes.linear import predict
from reweigh.probes.settings import ProbeSettings
from reweigh.runs.recipe import read_recipe
from reweigh.training.hidden_settings import HiddenLayerSettings
from reweigh.training.hidden_training import train_hidden_layer
from reweigh.training.inputs import TrainingInputs
from reweigh.training.probe_training import read_baseline
from reweigh.training.settings import BagSettings
from reweigh.training.stored_rows import Standardiser, folded, hidden_classifier, stored_rows
from reweigh.training.training_log import read_log

N, D = 60, 12


def inputs(**changes: Any) -> TrainingInputs:
    """Three classes on a ring, so that no line parts the middle one from the others."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, N)
    values = generator.standard_normal((N, D)).astype(np.float32)
    values[:, 0] = np.where(labels == 1, 3 * np.sign(values[:, 0]), 0.3 * values[:, 0])
    backbone = resolve_backbone(BackboneSettings(name="pixels", input_size=2), device="cpu")
    layer = {"width": 32, "epochs": 2, "batch": 8, "dropout": 0.0, "learning_rate": 0.1, **changes.pop("layer", {})}
    plain = TrainingInputs(
        features=ArrayFeatures(5 * values + 2), rows=np.arange(N), labels=labels, targets=labels, weights=None, l2=0.1, probe=ProbeSettings(),
        backbone=load_backbone(backbone, device="cpu", precision="float32"), classes=plain_classes(["near", "far"]),
        uids=lambda rows: [f"image {row}" for row in rows], hidden_layer=HiddenLayerSettings(**layer),
    )  # fmt: skip
    return replace(plain, **changes)


def trained(folder: Path, given: TrainingInputs, **options: Any) -> tuple[dict[str, Any], Model]:
    (folder / "made").mkdir(parents=True, exist_ok=True)
    facts = train_hidden_layer(given, folder / "made", folder / "work", key="a", **options)
    return facts, load_model(folder / "made" / "model", device="cpu", precision="float32")


def tensors_of(folder: Path) -> bytes:
    return (folder / "made" / "model" / TENSORS).read_bytes()


def test_it_learns_what_no_line_can_part(tmp_path: Path) -> None:
    given = inputs(layer={"epochs": 40, "learning_rate": 0.5})
    facts, model = trained(tmp_path, given)
    found = np.concatenate(list(predict(model, given.features, given.rows)))
    assert (found.argmax(axis=1) == given.labels).mean() > 0.95
    assert facts == {
        "mode": "probe", "hidden": 32, "rows": N, "batch": 8, "wanted_batch": 8, "epochs": 40, "steps": 320, "weighted": False,
        "learning_rate": 0.5 * 8 / 256,
    }  # fmt: skip
    assert read_log(tmp_path / "made")[-1]["done_steps"] == 320


def test_mean_and_deviation_by_hand_and_a_feature_that_does_not_vary_is_left_out() -> None:
    """0, 2, 4 with weights 1, 1, 2: mean 2.5, variance (6.25 + .25 + 4.5) / 4 = 2.75; the row of weight 0 leaves no trace."""
    values = np.array([[0, 7], [2, 7], [4, 7], [99, 9]], np.float32)
    stored = stored_rows(ArrayFeatures(values), np.arange(4), np.array([1, 1, 2, 0.0]), width=3)
    np.testing.assert_allclose(stored.mean, [2.5, 7])
    np.testing.assert_allclose(stored.scale, [2.75**-0.5, 0], rtol=1e-6)


def test_folded_the_layer_reads_features_as_they_are_stored() -> None:
    given = inputs()
    stored = stored_rows(given.features, given.rows, None, width=32)
    classifier = hidden_classifier(stored, k=2, dropout=0.0, seed=0, bags=BagSettings()).eval()
    values = given.features.read(given.rows)
    with torch.inference_mode():
        expected = classifier(Standardiser(stored)(torch.from_numpy(values)))[0].numpy()
    weight, bias = (value.detach().numpy() for value in (classifier.head.weight, classifier.head.bias))
    model = Model(
        backbone=given.backbone, weight=weight, bias=bias, class_names=("near", "far"), synsets=(None, None),
        hidden=folded(stored, classifier.state_dict()),
    )  # fmt: skip
    np.testing.assert_allclose(logits(model, values), expected, atol=1e-5)


def test_weight_zero_equals_the_image_removed_and_all_weights_times_seven_change_nothing(tmp_path: Path) -> None:
    weights = np.where(np.arange(N) < 40, 1.0, 0.0)
    trained(tmp_path / "weighed", inputs(weights=weights))
    trained(tmp_path / "seven", inputs(weights=7 * weights))
    few = inputs()
    trained(tmp_path / "few", replace(few, rows=few.rows[:40], labels=few.labels[:40], targets=few.targets[:40]))
    assert tensors_of(tmp_path / "weighed") == tensors_of(tmp_path / "few") == tensors_of(tmp_path / "seven")


@pytest.mark.parametrize(("at", "stage"), [(11, "baseline"), (6, "training"), (16, "training")])
def test_killed_and_resumed_it_ends_in_the_same_bytes(at: int, stage: str, tmp_path: Path) -> None:
    layer = {"dropout": 0.5, "averaging": 0.9, "checkpoint_steps": 3, "bags": BagSettings(size=2)}
    weights = np.random.default_rng(1).uniform(0, 2, N)
    given = inputs(weights=weights, with_baseline=True, layer=layer)
    trained(tmp_path / "whole", given)

    def stop(name: str, done: int, total: int | None = None, note: str = "") -> None:
        if (done, name) == (at, stage):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", given, progress=stop)
    trained(tmp_path / "cut", given)
    for name in ("model/model.safetensors", "baseline.safetensors", "saliency.parquet"):
        assert (tmp_path / "cut/made" / name).read_bytes() == (tmp_path / "whole/made" / name).read_bytes(), name


def test_with_weights_the_same_without_them_is_kept_for_comparison(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).uniform(0, 2, N)
    trained(tmp_path / "weighed", inputs(weights=weights, with_baseline=True))
    _, plain = trained(tmp_path / "plain", inputs(with_baseline=True))
    baseline = read_baseline(tmp_path / "weighed" / "made")
    assert baseline is not None and baseline.hidden is not None and plain.hidden is not None
    np.testing.assert_array_equal(baseline.weight, plain.weight)
    np.testing.assert_array_equal(baseline.hidden.weight, plain.hidden.weight)
    assert read_baseline(tmp_path / "plain" / "made") is None
    assert (tmp_path / "weighed" / "made" / "baseline-log.jsonl").is_file()


@pytest.mark.parametrize(
    ("weights", "last"), [(None, "bag"), (np.ones(N), "bag"), (np.arange(N) % 2 + 1.0, "instance")]
)
@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_bags_say_how_much_each_image_speaks_and_which_layer_classifies(
    pooling: str, weights: np.ndarray | None, last: str, tmp_path: Path
) -> None:
    given = inputs(weights=weights, layer={"bags": BagSettings(size=2, pooling=pooling), "epochs": 6})  # type: ignore[arg-type]
    facts, _ = trained(tmp_path, given)
    assert facts["bags"] == {"size": 2, "pooling": pooling, "last_layer": last}
    table = pq.read_table(tmp_path / "made" / "saliency.parquet")
    assert table["uid"].to_pylist() == [f"image {row}" for row in range(N)]
    found = table["saliency"].to_numpy()
    assert np.mean(found) == pytest.approx(1, abs=0.15)  # six epochs of bags of two: every image was in one
    told = facts["saliency"]
    assert (told["n"], told["missing"], sum(told["counts"])) == (N, 0, N)
    assert told["highest"][0] == [int(found.argmax()), pytest.approx(found.max(), abs=1e-4)]
    assert told["lowest"][0][1] == pytest.approx(found.min(), abs=1e-4) and len(told["lowest"]) == 6
    assert (np.std(found) < 1e-6) == (pooling == "mean")


def test_what_is_compared_has_the_same_last_layer(tmp_path: Path) -> None:
    """The layer of single images beside weights: also of the training without them, which alone would end in that of bags."""
    weights = np.random.default_rng(1).uniform(0, 2, N)
    bags = {"bags": BagSettings(size=2)}
    trained(tmp_path / "weighed", inputs(weights=weights, with_baseline=True, layer=bags))
    _, plain = trained(tmp_path / "plain", inputs(layer={"bags": BagSettings(size=2, test="instance")}))
    baseline = read_baseline(tmp_path / "weighed" / "made")
    assert baseline is not None
    np.testing.assert_array_equal(baseline.weight, plain.weight)


def test_soft_targets_of_one_class_are_the_labels(tmp_path: Path) -> None:
    given = inputs()
    trained(tmp_path / "hard", given)
    trained(tmp_path / "soft", replace(given, targets=np.eye(2, dtype=np.float32)[given.labels]))
    one, other = (load_model(tmp_path / n / "made/model", device="cpu", precision="float32") for n in ("hard", "soft"))
    np.testing.assert_allclose(one.weight, other.weight, atol=1e-4)


def test_a_feature_that_is_nan_names_its_image(tmp_path: Path) -> None:
    given = inputs()
    given.features.values[7, 3] = np.nan  # type: ignore[attr-defined]
    with pytest.raises(ReweighError, match="image 7"):
        trained(tmp_path, given)


def test_a_loss_that_is_not_finite_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"not finite.*hidden_layer\.learning_rate \(1e\+30\) is too high\.$"):
        trained(tmp_path, inputs(layer={"learning_rate": 1e30}))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["hidden_layer.width=-1"], r"hidden_layer\.width must be 0 \(none\) or more, found -1"),
        (["hidden_layer.width=8", "hidden_layer.dropout=1"], r"hidden_layer\.dropout must be 0 or more and below 1"),
        (["hidden_layer.bags.size=3"], r"hidden_layer\.bags need a hidden layer: set hidden_layer\.width"),
        (["hidden_layer.width=8", "hidden_layer.bags.size=1"], r"hidden_layer\.bags\.size, must be 0"),
        (["hidden_layer.width=8", "hidden_layer.augmentation.mixup=1"], r"No setting hidden_layer\.augmentation"),
        (["hidden_layer.width=8", "training.mode=finetune"], "a finetuned network has layers enough"),
        (["hidden_layer.width=8", "finetune.bags.size=3"], r"finetune\.bags .* not by a hidden layer: set hidden_layer\.bags"),
        (["hidden_layer.width=8", "finetune.compile=true"], r"finetune\.compile .* a hidden layer has no such setting"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ReweighError, match=said):
        read_recipe("auto", overrides)
