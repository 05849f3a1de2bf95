"""The networks that the papers used can be trained from nothing and written; what the page says of them is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from reweigh.features.backbones import resolve_backbone
from reweigh.features.model_folder import load_model, write_model
from reweigh.features.networks import create_network, wrap
from reweigh.features.settings import BackboneSettings
from reweigh.timm_import import timm

NETWORKS = (
    "resnet50", "resnext101_32x4d", "seresnext101_32x4d", "legacy_seresnext101_32x4d", "senet154", "legacy_senet154", "dpn92", "dpn131",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_random_weights_are_run_written_and_read_again(tmp_path: Path, name: str) -> None:
    settings = resolve_backbone(BackboneSettings(name=name, input_size=64), device="cpu", is_pretrained=False)
    backbone = wrap(*create_network(settings, is_pretrained=False), settings, device="cpu", precision="float32")
    assert backbone.module is not None
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(3, backbone.d)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = backbone.forward(images).numpy() @ weight.T + bias
    assert np.isfinite(expected).all()
    assert np.abs(expected[0] - expected[1]).max() > 0  # it sees the image

    write_model(
        tmp_path, backbone, weight, bias, class_names=("a", "b", "c"), synsets=(None,) * 3, state=backbone.module.state_dict()
    )  # fmt: skip

    assert json.loads((tmp_path / "config.json").read_text())["reweigh"]["head"] == "timm"
    model = load_model(tmp_path, device="cpu", precision="float32")
    found = model.backbone.forward(images).numpy() @ model.weight.T + model.bias
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    assert difference < 1e-5, f"relative difference {difference:.1e}"


def test_the_page_lists_them_with_their_sizes_and_licences(repository: Path) -> None:
    page = (repository / "docs/backbones.md").read_text(encoding="utf-8")
    section = page.partition("## Networks of the papers")[2].partition("## ")[0]
    rows = [line.split("|")[2:6] for line in section.splitlines() if "apache" in line]
    listed = {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in rows}
    assert tuple(listed) == NETWORKS
    for name, (millions, size, licences) in listed.items():
        with torch.device("meta"):
            network = timm().create_model(name, num_classes=0)
        assert millions == f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f}", name
        assert size == f"{network.num_features:,}", name
        for licence, tag in re.findall(r"([a-z]+-[\w.-]+?)\** \((\w+)", licences):
            assert timm().get_pretrained_cfg(f"{name}.{tag}").license == licence, (name, tag)
        for tag in re.findall(r"\((\w+), the usual one\)", licences):
            assert timm().get_pretrained_cfg(name).tag == tag
