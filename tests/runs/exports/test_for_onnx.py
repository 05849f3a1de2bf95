"""The ONNX file is the run's model: the same logits from bytes of colour, with what a stranger needs in its metadata."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.features.backbones import load_backbone, resolve_backbone
from reweigh.features.model_folder import load_model, write_model
from reweigh.features.networks import create_network, wrap
from reweigh.features.settings import BackboneSettings
from reweigh.images.views import EvaluationView
from reweigh.runs.exports import for_onnx, table_of_exports
from reweigh.runs.exports.for_onnx import prepared, relative_difference
from reweigh.runs.exports.table_of_exports import export
from reweigh.timm_import import timm
from reweigh.whole_files import write_json

NAMES, SYNSETS = ('a "quoted" name', "日本", "c"), ("n01440764", None, None)
LACKING = [name for name in for_onnx.PACKAGES if importlib.util.find_spec(name) is None]
with_onnx = pytest.mark.skipif(bool(LACKING), reason=f"needs the extra onnx: {', '.join(LACKING)} not installed")


def trained_run(folder: Path, name: str = "test_resnet", size: int = 32) -> Path:
    """A run with a model of random weights."""
    settings = resolve_backbone(BackboneSettings(name=name, input_size=size), device="cpu", is_pretrained=False)
    if name == "pixels":
        backbone, state = load_backbone(settings, device="cpu", precision="float32"), None
    else:
        backbone = wrap(*create_network(settings, is_pretrained=False), settings, device="cpu", precision="float32")
        state = backbone.module.state_dict()  # type: ignore[union-attr]
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(3, backbone.d)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    write_model(folder / "run" / "model", backbone, weight, bias, class_names=NAMES, synsets=SYNSETS, state=state)
    (folder / "photos").mkdir()
    write_json(folder / "run" / "run.json", {"data": {"path": str(folder / "photos")}})
    return folder / "run"


def session_of(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def images(n: int, size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (n, 3, size, size), dtype=np.uint8)


@with_onnx
@pytest.mark.parametrize(
    ("name", "head"), [("test_resnet", "timm"), ("test_vit", "timm"), ("deit_tiny_distilled_patch16_224", "separate"), ("pixels", "separate")]
)  # fmt: skip
def test_onnxruntime_gives_the_models_logits_for_any_batch(tmp_path: Path, name: str, head: str) -> None:
    run = trained_run(tmp_path, name)
    assert json.loads((run / "model" / "config.json").read_text())["reweigh"]["head"] == head
    export(run, "onnx", tmp_path / "m.onnx")
    model, session = load_model(run / "model", device="cpu", precision="float32"), session_of(tmp_path / "m.onnx")
    for n in (1, 2, 5):
        batch = images(n, 32)
        found = session.run(None, {"images": batch})[0]
        expected = model.backbone.forward(torch.from_numpy(batch)).numpy() @ model.weight.T + model.bias
        assert (found.shape, found.dtype) == ((n, 3), np.float32)
        assert relative_difference(found, expected) < 1e-5


@with_onnx
def test_a_folded_model_gives_what_timm_alone_gives(tmp_path: Path) -> None:
    run = trained_run(tmp_path)
    export(run, "onnx", tmp_path / "m.onnx")
    network = timm().create_model(f"local-dir:{run / 'model'}", pretrained=True).eval()
    data = timm().data.resolve_model_data_config(network)
    mean, std = (torch.tensor(data[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        expected = network((torch.from_numpy(images(3, 32)) / 255 - mean) / std).numpy()
    assert relative_difference(session_of(tmp_path / "m.onnx").run(None, {"images": images(3, 32)})[0], expected) < 1e-5


@with_onnx
def test_classes_and_preparation_stand_in_the_metadata_and_are_told(tmp_path: Path) -> None:
    run = trained_run(tmp_path)
    made = export(run, "onnx", tmp_path / "new" / "m.onnx")
    session = session_of(tmp_path / "new" / "m.onnx")
    found = session.get_modelmeta().custom_metadata_map
    assert json.loads(found["class_names"]) == list(NAMES)
    assert json.loads(found["synsets"]) == list(SYNSETS)
    preparation = json.loads(found["preprocessing"])
    assert (preparation["size"], preparation["interpolation"]) == (32, "bilinear")
    assert preparation["words"] in made.notes[0]
    (taken,) = session.get_inputs()
    assert (taken.name, taken.type, taken.shape[1:]) == ("images", "tensor(uint8)", [3, 32, 32])
    assert isinstance(taken.shape[0], str)
    assert [o.name for o in session.get_outputs()] == ["logits"]
    said = dict(made.lines)
    assert "8 images: largest difference" in said["checked"]
    assert "float32 (batch, 3)" in said["output"]


@with_onnx
def test_a_file_that_answers_otherwise_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained_run(tmp_path, "pixels", 4)
    for difference in (2e-3, float("nan")):
        monkeypatch.setattr(for_onnx, "largest_difference", lambda model, data, d=difference: d)
        with pytest.raises(ReweighError, match=r"differ from the model's by .* no file was written"):
            export(run, "onnx", tmp_path / "m.onnx")
    assert not list(tmp_path.glob("m.onnx*"))


@with_onnx
def test_a_network_that_cannot_be_traced_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained_run(tmp_path)

    def refuse(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        if float(images.sum()) > 0:  # the shape of the graph must not hang on values
            return images
        return images * 2

    from timm.models.resnet import ResNet

    monkeypatch.setattr(ResNet, "forward_features", refuse)
    with pytest.raises(ReweighError, match=r"torch cannot export .* to ONNX: Could not guard") as caught:
        export(run, "onnx", tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("m.onnx*"))


def test_relative_difference_by_hand() -> None:
    """|1.5 - 1| = .5 and |-3 - -4| = 1; the largest expected is 4: 1 / 4. Zeros against zeros: 0."""
    assert relative_difference(np.array([[1.5, -3.0]]), np.array([[1.0, -4.0]])) == 0.25
    assert relative_difference(np.zeros((1, 2)), np.zeros((1, 2))) == 0
    assert np.isnan(relative_difference(np.array([[np.nan, 0]]), np.zeros((1, 2))))
    assert np.isnan(relative_difference(np.zeros((2, 2)), np.zeros((1, 2))))


def test_every_way_of_preparing_an_image_is_said_in_words() -> None:
    said = {
        mode: prepared(EvaluationView(size=224, crop_pct=0.875, crop_mode=mode))
        for mode in ("center", "squash", "border")
    }
    assert "the short side resized to 256, the middle 224 x 224 cut out (bicubic" in said["center"]
    assert "both sides resized to 256" in said["squash"]
    assert "the long side resized to 256, padded" in said["border"]


def test_packages_that_are_missing_are_named_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained_run(tmp_path, "pixels", 4)
    monkeypatch.setattr(for_onnx.importlib.util, "find_spec", lambda name: None if name != "onnx" else name)
    with pytest.raises(
        ReweighError, match=r'needs onnxscript, onnxruntime, not installed here: pip install "reweigh\[onnx\]"'
    ):
        export(run, "onnx", tmp_path / "m.onnx")


def test_a_model_beyond_the_size_of_one_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained_run(tmp_path, "pixels", 4)
    monkeypatch.setattr(for_onnx, "_check_packages", lambda: None)
    monkeypatch.setattr(for_onnx, "LARGEST", 100)
    with pytest.raises(ReweighError, match=r"one .onnx file holds 2 GiB; use the folder"):
        export(run, "onnx", tmp_path / "m.onnx")


def test_what_has_no_model_says_how_to_get_one(tmp_path: Path) -> None:
    run = trained_run(tmp_path, "pixels", 4)
    with pytest.raises(ReweighError, match=r"photos is not a run: there is no run.json in it"):
        export(tmp_path / "photos", "onnx", tmp_path / "m.onnx")
    (run / "model" / "config.json").unlink()
    with pytest.raises(ReweighError, match=f"has no model yet; finish it: reweigh run {run}$"):
        export(run, "onnx", tmp_path / "m.onnx")
    write_json(run / "metrics.json", {"is_trained": False})
    with pytest.raises(ReweighError, match=f"was checked, not trained; go on with: reweigh run {run}$"):
        export(run, "onnx", tmp_path / "m.onnx")


def test_an_output_that_exists_or_lies_among_the_images_is_refused(tmp_path: Path) -> None:
    run = trained_run(tmp_path, "pixels", 4)
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(ReweighError, match=r"m.onnx exists; give another -o, or remove it"):
        export(run, "onnx", tmp_path / "m.onnx")
    with pytest.raises(ReweighError, match="photos, the data itself"):
        export(run, "onnx", tmp_path / "photos" / "m.onnx")
    with pytest.raises(ReweighError, match=r"--correct goes with --to folder only\.$"):
        export(run, "onnx", tmp_path / "n.onnx", correct=True)
    assert (tmp_path / "m.onnx").read_text() == "mine"


def test_the_table_says_what_each_form_needs() -> None:
    opened = {name: form.opens.__name__ for name, form in table_of_exports.EXPORTS.items()}
    assert opened == {
        "csv": "judged_run",
        "cleanlab": "judged_run",
        "fiftyone": "judged_run",
        "folder": "judged_run",
        "onnx": "trained_run",
    }
