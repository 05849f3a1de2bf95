"""A hidden layer between features and the last layer: by hand, and as a model folder holds it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reweigh.errors import ReweighError
from reweigh.features.backbones import Backbone, load_backbone, resolve_backbone
from reweigh.features.hidden_layer import HiddenLayer, behind
from reweigh.features.model_folder import CONFIG, TENSORS, load_model, logits, write_model
from reweigh.features.networks import create_network, wrap
from reweigh.features.settings import BackboneSettings
from reweigh.whole_files import write_json

NAMES, SYNSETS = ("tench", "crane", "crane 2"), ("n01440764", None, None)
H = 5


def test_by_hand() -> None:
    """(1, 2) through rows (1, 0), (0, -1), (1, 1) and biases (0, 1, -4): 1, -1, -1, of which the first is above 0."""
    hidden = HiddenLayer(weight=np.array([[1, 0], [0, -1], [1, 1]], np.float32), bias=np.array([0, 1, -4], np.float32))
    features = np.array([[1, 2]], np.float32)
    np.testing.assert_array_equal(behind(hidden, features), [[1, 0, 0]])
    assert behind(None, features) is features


def backbone_of(name: str) -> Backbone:
    settings = resolve_backbone(
        BackboneSettings(name=name, input_size=32 if name != "pixels" else 4), device="cpu", is_pretrained=False
    )
    if name == "pixels":
        return load_backbone(settings, device="cpu", precision="float32")
    return wrap(*create_network(settings, is_pretrained=False), settings, device="cpu", precision="float32")


def layers(d: int) -> tuple[HiddenLayer, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    hidden = HiddenLayer(weight=rng.normal(size=(H, d)).astype(np.float32), bias=rng.normal(size=H).astype(np.float32))
    return hidden, rng.normal(size=(3, H)).astype(np.float32), rng.normal(size=3).astype(np.float32)


def written(folder: Path, name: str = "pixels") -> Backbone:
    backbone = backbone_of(name)
    hidden, weight, bias = layers(backbone.d)
    state = None if backbone.module is None else dict(backbone.module.state_dict())
    write_model(folder, backbone, weight, bias, class_names=NAMES, synsets=SYNSETS, state=state, hidden=hidden)
    return backbone


@pytest.mark.parametrize("name", ["pixels", "test_resnet"])
def test_the_folder_gives_the_logits_that_torch_gives(name: str, tmp_path: Path) -> None:
    backbone = written(tmp_path, name)
    side = backbone.view.size
    images = torch.randint(0, 256, (4, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    hidden, weight, bias = layers(backbone.d)
    linear, head = torch.nn.Linear(backbone.d, H), torch.nn.Linear(H, 3)
    values = {"weight": hidden.weight, "bias": hidden.bias}
    linear.load_state_dict({key: torch.from_numpy(value) for key, value in values.items()})
    head.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    features = backbone.forward(images).clone()
    expected = torch.nn.Sequential(linear, torch.nn.ReLU(), head)(features).detach().numpy()
    model = load_model(tmp_path, device="cpu", precision="float32")
    found = logits(model, model.backbone.forward(images).numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert model.class_names == NAMES


def test_config_says_width_and_activation_and_only_such_a_folder_is_of_format_2(tmp_path: Path) -> None:
    backbone = written(tmp_path / "hidden")
    config = json.loads((tmp_path / "hidden" / CONFIG).read_text())["reweigh"]
    assert config["format"] == 2 and config["head"] == "separate"
    assert config["hidden"] == {"width": H, "activation": "relu"}
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(3, backbone.d)).astype(np.float32)
    write_model(tmp_path / "linear", backbone, weight, np.zeros(3, np.float32), class_names=NAMES, synsets=SYNSETS)
    config = json.loads((tmp_path / "linear" / CONFIG).read_text())["reweigh"]
    assert config["format"] == 1 and "hidden" not in config
    assert load_model(tmp_path / "linear", device="cpu", precision="float32").hidden is None


def test_layers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    backbone = backbone_of("pixels")
    hidden, weight, bias = layers(backbone.d)
    narrow = HiddenLayer(weight=hidden.weight[:, 1:], bias=hidden.bias)
    with pytest.raises(ReweighError, match=r"hidden layer of shape \(5, 47\).*does not fit 48 features"):
        write_model(tmp_path, backbone, weight, bias, class_names=NAMES, synsets=SYNSETS, hidden=narrow)
    with pytest.raises(ReweighError, match="does not fit 3 classes and 5 hidden units"):
        write_model(tmp_path, backbone, weight[:, 1:], bias, class_names=NAMES, synsets=SYNSETS, hidden=hidden)


def test_a_folder_that_lacks_the_layer_or_has_another_activation_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    written(tmp_path)
    tensors = load_file(tmp_path / TENSORS)
    save_file({key: value.clone() for key, value in tensors.items() if key != "hidden.bias"}, tmp_path / TENSORS)
    with pytest.raises(ReweighError, match=r"holds no hidden\.bias, which config\.json promises"):
        load_model(tmp_path, device="cpu", precision="float32")
    config = json.loads((tmp_path / CONFIG).read_text())
    config["reweigh"]["hidden"]["activation"] = "tanh"
    write_json(tmp_path / CONFIG, config)
    with pytest.raises(ReweighError, match="activation 'tanh'; this reweigh knows 'relu'"):
        load_model(tmp_path, device="cpu", precision="float32")
