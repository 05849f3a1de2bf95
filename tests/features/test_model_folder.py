"""A written classifier gives the logits of its features and head, through timm alone and through us."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.features.backbones import Backbone, load_backbone, resolve_backbone
from reweigh.features.model_folder import Model, load_model, write_model
from reweigh.features.networks import create_network, wrap
from reweigh.features.settings import BackboneSettings
from reweigh.timm_import import timm

NAMES, SYNSETS = ("tench", "crane", "crane 2"), ("n01440764", "n02012849", None)


def head(d: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, d)).astype(np.float32), rng.normal(size=3).astype(np.float32)


def images(backbone: Backbone) -> torch.Tensor:
    shape = (2, 3, backbone.view.size, backbone.view.size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def logits(model: Model, batch: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(model.backbone.forward(batch).numpy() @ model.weight.T + model.bias)


def untrained(folder: Path, name: str, **arguments: object) -> str:
    """A timm folder of random weights."""
    torch.manual_seed(0)
    network = timm().create_model(name, pretrained=False, **arguments)
    timm().models.save_for_hf(network, folder, safe_serialization=True)
    return f"local-dir:{folder}"


def load(name: str, **settings: object) -> Backbone:
    resolved = resolve_backbone(BackboneSettings(name=name, **settings), device="cpu")  # type: ignore[arg-type]
    return load_backbone(resolved, device="cpu", precision="float32")


def written(folder: Path, backbone: Backbone) -> NDArray[np.float32]:
    """Write a classifier on the backbone; the logits it should give for `images`."""
    weight, bias = head(backbone.d)
    write_model(folder, backbone, weight, bias, class_names=NAMES, synsets=SYNSETS)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    return np.asarray(backbone.forward(images(backbone)).numpy() @ weight.T + bias)


def by_timm_alone(folder: Path, backbone: Backbone) -> NDArray[np.float32]:
    model = timm().create_model(f"local-dir:{folder}", pretrained=True).eval()
    data = timm().data.resolve_model_data_config(model)
    assert data["input_size"] == (3, backbone.view.size, backbone.view.size) or data["input_size"] == [
        3,
        backbone.view.size,
        backbone.view.size,
    ]
    mean, std = (torch.tensor(data[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        return np.asarray(model((images(backbone) / 255 - mean) / std).numpy())


def assert_close(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    assert difference < 1e-4, f"relative difference {difference:.1e}"


@pytest.mark.parametrize("settings", [{}, {"input_size": 96}, {"arguments": {"global_pool": "max"}}])
def test_timm_alone_gives_the_logits_of_features_and_head(
    tmp_path: Path, lite0: Path, settings: dict[str, object]
) -> None:
    backbone = load(f"local-dir:{lite0}", **settings)
    expected = written(tmp_path, backbone)
    assert_close(by_timm_alone(tmp_path, backbone), expected)
    model = load_model(tmp_path, device="cpu", precision="float32")
    assert_close(logits(model, images(backbone)), expected)
    assert (model.class_names, model.synsets, model.backbone.view) == (NAMES, SYNSETS, backbone.view)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("vit_tiny_patch16_224", {"img_size": 32}),
        ("mobilenetv3_small_050", {}),
        ("convnext_atto", {}),
        ("resnet10t", {}),
    ],
)
def test_heads_of_several_families_can_be_folded(tmp_path: Path, name: str, arguments: dict[str, object]) -> None:
    backbone = load(untrained(tmp_path / "source", name, **arguments))
    expected = written(tmp_path / "model", backbone)
    assert_close(by_timm_alone(tmp_path / "model", backbone), expected)
    assert_close(logits(load_model(tmp_path / "model", device="cpu", precision="float32"), images(backbone)), expected)


def test_a_vit_at_another_size_keeps_that_size(tmp_path: Path) -> None:
    backbone = load(untrained(tmp_path / "source", "vit_tiny_patch16_224", num_classes=0), input_size=64)
    expected = written(tmp_path / "model", backbone)
    assert backbone.view.size == 64
    assert_close(by_timm_alone(tmp_path / "model", backbone), expected)


def test_a_network_with_two_heads_is_written_in_our_own_form(tmp_path: Path) -> None:
    backbone = load(untrained(tmp_path / "source", "deit_tiny_distilled_patch16_224"))
    expected = written(tmp_path / "model", backbone)
    assert json.loads((tmp_path / "model" / "config.json").read_text())["reweigh"]["head"] == "separate"
    assert_close(logits(load_model(tmp_path / "model", device="cpu", precision="float32"), images(backbone)), expected)


def test_pixels_are_written_in_our_own_form(tmp_path: Path) -> None:
    backbone = load("pixels", input_size=8)
    expected = written(tmp_path, backbone)
    model = load_model(tmp_path, device="cpu", precision="float32")
    assert (logits(model, images(backbone)) == expected).all()
    assert (model.class_names, model.synsets, model.backbone.d) == (NAMES, SYNSETS, 192)
    again = resolve_backbone(BackboneSettings(name=f"local-dir:{tmp_path}"), device="cpu")
    assert (again.name, again.input_size) == ("pixels", 8)


SMALL = ["test_resnet", "test_vit", "test_convnext", "test_efficientnet", "mobilenetv3_small_050"]


def trained(name: str, **settings: object) -> Backbone:
    """A network of random weights, as training from nothing ends with one: every tensor differs from what timm draws."""
    resolved = resolve_backbone(BackboneSettings(name=name, **settings), device="cpu", is_pretrained=False)  # type: ignore[arg-type]
    network, view = create_network(resolved, is_pretrained=False, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=generator), alpha=0.05)
    return wrap(network, view, resolved, device="cpu", precision="float32")


def state_of(backbone: Backbone) -> dict[str, torch.Tensor]:
    assert backbone.module is not None
    return dict(backbone.module.state_dict())


@pytest.mark.parametrize("name", SMALL)
def test_trained_tensors_are_written_and_read_by_timm_alone_and_by_us(tmp_path: Path, name: str) -> None:
    backbone = trained(name, input_size=64)
    weight, bias = head(backbone.d)
    write_model(tmp_path, backbone, weight, bias, class_names=NAMES, synsets=SYNSETS, state=state_of(backbone))
    expected = backbone.forward(images(backbone)).numpy() @ weight.T + bias
    assert json.loads((tmp_path / "config.json").read_text())["reweigh"]["head"] == "timm"
    assert_close(by_timm_alone(tmp_path, backbone), expected)
    assert_close(logits(load_model(tmp_path, device="cpu", precision="float32"), images(backbone)), expected)


def test_trained_tensors_of_a_network_with_two_heads_are_read_by_us(tmp_path: Path) -> None:
    backbone = trained("deit_tiny_distilled_patch16_224", input_size=32)
    weight, bias = head(backbone.d)
    write_model(tmp_path, backbone, weight, bias, class_names=NAMES, synsets=SYNSETS, state=state_of(backbone))
    expected = backbone.forward(images(backbone)).numpy() @ weight.T + bias
    assert json.loads((tmp_path / "config.json").read_text())["reweigh"]["head"] == "separate"
    assert_close(logits(load_model(tmp_path, device="cpu", precision="float32"), images(backbone)), expected)


def test_tensors_of_another_network_are_refused_naming_the_first(tmp_path: Path) -> None:
    backbone = trained("test_resnet")
    weight, bias = head(backbone.d)
    state = state_of(backbone)
    for wrong, said in {
        "shape": (
            state | {"conv1.0.weight": torch.zeros(3, 3)},
            r"'conv1.0.weight' found shape \(3, 3\), the network has shape \(",
        ),
        "missing": (
            {k: v for k, v in state.items() if k != "bn1.bias"},
            r"'bn1.bias' found none, the network has shape \(",
        ),
        "more": (state | {"fc.weight": torch.zeros(2)}, r"'fc.weight' found shape \(2,\), the network has none"),
    }.values():
        with pytest.raises(ReweighError, match=f"not those of 'test_resnet': for {said}"):
            write_model(tmp_path / "m", backbone, weight, bias, class_names=NAMES, synsets=SYNSETS, state=wrong)


def test_a_written_model_serves_as_backbone_of_the_next_run(tmp_path: Path, lite0: Path) -> None:
    backbone = load(f"local-dir:{lite0}")
    written(tmp_path, backbone)
    assert load(f"local-dir:{tmp_path}").identity == backbone.identity


def test_weights_are_written_in_float32_whatever_the_features_had(tmp_path: Path, lite0: Path) -> None:
    settings = resolve_backbone(BackboneSettings(name=f"local-dir:{lite0}"), device="cpu")
    for precision in ("float32", "bfloat16"):
        backbone = load_backbone(settings, device="cpu", precision=precision)
        weight, bias = head(backbone.d)
        write_model(tmp_path / precision, backbone, weight, bias, class_names=NAMES, synsets=SYNSETS)
    tensors = [(tmp_path / p / "model.safetensors").read_bytes() for p in ("float32", "bfloat16")]
    assert tensors[0] == tensors[1]


def test_class_names_and_wnids_stand_in_timms_own_fields(tmp_path: Path, lite0: Path) -> None:
    written(tmp_path, load(f"local-dir:{lite0}"))
    config = timm().create_model(f"local-dir:{tmp_path}", pretrained=True).pretrained_cfg
    assert tuple(config["label_names"]) == NAMES
    assert config["label_descriptions"] == {"tench": "n01440764", "crane": "n02012849"}


def test_a_folder_of_two_models_is_refused_naming_what_differs(tmp_path: Path) -> None:
    for name, precise in {"test_resnet": "timm", "deit_tiny_distilled_patch16_224": "separate"}.items():
        backbone, folder = trained(name, input_size=64), tmp_path / name
        weight, bias = head(backbone.d)
        write_model(folder, backbone, weight, bias, class_names=NAMES, synsets=SYNSETS, state=state_of(backbone))
        config = json.loads((folder / "config.json").read_text())
        assert config["reweigh"]["head"] == precise
        changed = {**config, "label_names": ["only one"]}
        (folder / "config.json").write_text(json.dumps(changed))
        with pytest.raises(ReweighError, match=r"names 1 classes, but the last layer in model.safetensors has 3"):
            load_model(folder, device="cpu", precision="float32")
        other = "test_resnet" if name != "test_resnet" else "test_efficientnet"
        (folder / "config.json").write_text(json.dumps({**config, "architecture": other, "model_args": {}}))
        with pytest.raises(ReweighError, match=r"conv_stem|conv1") as caught:
            load_model(folder, device="cpu", precision="float32")
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 600
    (folder / "config.json").write_text("{")
    with pytest.raises(ReweighError, match="is not valid JSON"):
        load_model(folder, device="cpu", precision="float32")


def test_broken_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No model in .*: it holds no config.json"):
        load_model(tmp_path, device="cpu", precision="float32")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ReweighError, match=r"No model in .*: it holds no model.safetensors"):
        load_model(tmp_path, device="cpu", precision="float32")
    backbone = load("pixels", input_size=4)
    written(tmp_path / "m", backbone)
    tensors = tmp_path / "m" / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-5])
    with pytest.raises(ReweighError, match="is no whole safetensors file"):
        load_model(tmp_path / "m", device="cpu", precision="float32")
    with pytest.raises(ReweighError, match=r"shape \(3, 5\) .* does not fit 3 classes and 48 features"):
        write_model(
            tmp_path / "n",
            backbone,
            np.zeros((3, 5), np.float32),
            np.zeros(3, np.float32),
            class_names=NAMES,
            synsets=SYNSETS,
        )
