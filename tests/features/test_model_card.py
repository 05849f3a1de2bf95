"""A model card says what the model is; nothing that came from data becomes markup."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reweigh.errors import ReweighError
from reweigh.features.backbones import load_backbone, resolve_backbone
from reweigh.features.model_card import CardFacts, card_text, code, write_card
from reweigh.features.model_folder import load_model, write_model
from reweigh.features.networks import create_network, wrap
from reweigh.features.settings import BackboneSettings

FACTS: CardFacts = {
    "data": "/home/somebody/photos", "images": 1234, "training": "the last layer alone", "weighing": "all weigh the same",
    "figures": [("test: agreement", "81.5 % of 200 images")],
}  # fmt: skip


def config(names: list[str], **changes: Any) -> dict[str, Any]:
    backbone = {"name": "resnet50.a1_in1k", "input_size": 224}
    return {
        "architecture": "resnet50", "label_names": names, "pretrained_cfg": {"license": "apache-2.0"},
        "reweigh": {"head": "timm", "backbone": backbone}, **changes,
    }  # fmt: skip


def test_a_card_names_classes_network_licence_data_labels_and_figures() -> None:
    text = card_text(config(["cat", "dog"]), FACTS)
    for words in (
        "# Image classifier, 2 classes", "`cat`, `dog`; in the order", "`resnet50.a1_in1k`, sees 224 x 224 pixels",
        "licence of the weights it began with, as timm says: `apache-2.0`", "**Training**: the last layer alone",
        "**Data**: `photos`, 1,234 images", "**Labels**: all weigh the same", "- test: agreement: 81.5 % of 200 images", "## Limits",
    ):  # fmt: skip
        assert words in text, words
    assert "somebody" not in text


def test_what_is_not_known_is_not_mentioned() -> None:
    text = card_text(config(["cat", "dog"], pretrained_cfg={}), {})
    assert "timm knows no licence" in text
    for heading in ("Data", "Labels", "Training", "## Figures"):
        assert f"**{heading}**" not in text
        assert heading not in text or heading == "Data" or not heading.startswith("##")


def test_random_weights_have_no_licence() -> None:
    text = card_text(config(["cat"]), {"is_pretrained": False})
    assert "trained from random weights" in text
    assert "apache" not in text


def test_of_many_classes_the_first_are_listed() -> None:
    text = card_text(config([f"class {c}" for c in range(1200)]), {})
    assert "1,200 classes" in text
    assert "`class 19` and 1,180 more" in text
    assert "class 20" not in text


@given(st.text(max_size=200))
def test_no_text_leaves_its_code(text: str) -> None:
    """CommonMark: a code span ends at the first run of backticks as long as its fence; so there is no such run inside."""
    found = code(text)
    fence = re.match("`+", found)
    assert fence is not None
    inside = found[len(fence[0]) : -len(fence[0])]
    assert found.endswith(fence[0])
    assert inside
    assert inside[0] != "`"
    assert inside[-1] != "`"
    assert fence[0] not in re.findall("`+", inside)
    assert found.isprintable()
    assert len(inside) <= 82


def test_hostile_names_stay_names() -> None:
    names = ["<script>alert(1)</script>", "a\n# Heading", "`` ` ``", "[x](http://y)", "x" * 500, "\u202eevil"]
    lines = card_text(config(names), {"data": "a\n\n## Data"}).splitlines()
    listed = next(line for line in lines if "script" in line)
    assert listed.startswith("`<script>alert(1)</script>`, `a # Heading`, ``` `` ` `` ```, `[x](http://y)`, `xxx")
    assert "\u202e" not in listed
    assert [line for line in lines if line.startswith("#")] == ["# Image classifier, 6 classes", "## Use", "## Limits"]


@pytest.mark.parametrize("name", ["test_resnet", "pixels"])
def test_the_lines_of_use_run_as_they_stand(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = resolve_backbone(BackboneSettings(name=name, input_size=32), device="cpu", is_pretrained=False)
    if name == "pixels":
        backbone, state = load_backbone(settings, device="cpu", precision="float32"), None
    else:
        backbone = wrap(*create_network(settings, is_pretrained=False), settings, device="cpu", precision="float32")
        state = backbone.module.state_dict()  # type: ignore[union-attr]
    weight = np.random.default_rng(0).normal(size=(2, backbone.d)).astype(np.float32)
    names, folder, image = ("cat", "dog"), tmp_path / "model", tmp_path / "image.png"
    write_model(folder, backbone, weight, np.zeros(2, np.float32), class_names=names, synsets=(None, None), state=state)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 32, 3), dtype=np.uint8)).save(image)
    text = (folder / "README.md").read_text()
    lines = re.search("```python\n(.*?)```", text, re.DOTALL)[1]  # type: ignore[index]
    space: dict[str, Any] = {"images": torch.zeros((1, 3, backbone.view.size, backbone.view.size), dtype=torch.uint8)}
    exec(lines.replace("FOLDER", str(folder)).replace("IMAGE", str(image)), space)
    if name == "pixels":
        assert space["class_logits"].shape == (1, 2)
        return
    assert capsys.readouterr().out.split()[0] in names
    assert len(load_model(folder, device="cpu", precision="float32").class_names) == 2


def test_weights_that_are_not_inside_leave_no_licence_in_the_configuration(tmp_path: Path) -> None:
    settings = resolve_backbone(BackboneSettings(name="resnet10t", input_size=32), device="cpu", is_pretrained=False)
    backbone = wrap(*create_network(settings, is_pretrained=False), settings, device="cpu", precision="float32")
    weight = np.zeros((2, backbone.d), np.float32)
    for is_pretrained in (True, False):
        write_model(
            tmp_path / str(is_pretrained), backbone, weight, np.zeros(2, np.float32), class_names=("a", "b"), synsets=(None, None),
            state=backbone.module.state_dict(), card={"is_pretrained": is_pretrained},  # type: ignore[union-attr]
        )  # fmt: skip
        read = json.loads((tmp_path / str(is_pretrained) / "config.json").read_text())
        assert ("license" in read["pretrained_cfg"]) == is_pretrained


def test_a_card_can_be_filled_in_later_and_needs_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config(["cat", "dog"])))
    write_card(tmp_path)
    assert "81.5" not in (tmp_path / "README.md").read_text()
    write_card(tmp_path, FACTS)
    assert "81.5" in (tmp_path / "README.md").read_text()
    with pytest.raises(ReweighError, match=r"it holds no config.json"):
        write_card(tmp_path / "nothing", FACTS)
