"""A run's model as one ONNX file, from bytes of colour to logits, compared with the model itself before it is written."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reweigh import __version__
from reweigh.errors import ReweighError
from reweigh.features.hidden_layer import HiddenLayer
from reweigh.features.model_folder import TENSORS, Model, load_model, logits
from reweigh.images.views import EvaluationView
from reweigh.progress import Progress, silent
from reweigh.runs.exports.exported import Exported
from reweigh.runs.exports.trained_run import TrainedRun
from reweigh.whole_files import write_bytes

if TYPE_CHECKING:
    import torch

INPUT, OUTPUT = "images", "logits"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
AGREEMENT = 1e-3
"""Largest difference, relative to the largest logit, at which the file counts as the same model."""
LARGEST = 2**31 - 2**24
"""Bytes of tensors that fit into one file (a protobuf ends at 2 GiB), with room for the graph."""
CHECKED = (1, 7)
"""Sizes of the batches that are compared: neither is the one that the graph was traced with."""


def export_onnx(trained: TrainedRun, output: Path, *, progress: Progress = silent) -> Exported:
    """Write the model to `output`: input `images` uint8 (batch, 3, s, s), output `logits` float32 (batch, k).

    The normalisation is a part of the graph; class names and what an image must go through before stand in the metadata.
    Raises ReweighError where a package is missing, the model is over 2 GiB, torch cannot trace the network, and where
    onnxruntime's logits are not the model's; nothing is written then.
    """
    _check_packages()
    size = (trained.model / TENSORS).stat().st_size
    if size > LARGEST:
        raise ReweighError(
            f"The model has {size / 2**30:,.1f} GiB of tensors, one .onnx file holds 2 GiB; use the folder {trained.model}."
        )
    progress("onnx", 0, 2)
    model = load_model(trained.model, device="cpu", precision="float32")
    data = onnx_file(model)
    progress("onnx", 1, 2)
    difference = largest_difference(model, data)
    if not difference <= AGREEMENT:
        raise ReweighError(
            f"onnxruntime's logits differ from the model's by {difference:.1e} of the largest one, more than {AGREEMENT:g}; no file "
            f"was written. Use the folder {trained.model}, or another version of torch or onnxruntime."
        )
    write_bytes(output, data)
    progress("onnx", 2, 2)
    return _told(model, output, len(data), difference)


def onnx_file(model: Model) -> bytes:
    """The model as ONNX; any batch size. Raises ReweighError where torch cannot trace its network."""
    import torch

    network = _network(model)
    side = model.backbone.view.size
    example = torch.zeros((2, 3, side, side), dtype=torch.uint8)
    try:
        with _quiet():
            program = torch.onnx.export(
                network, (example,), dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False,
                dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}}, external_data=False,
            )  # fmt: skip
    except torch.onnx.errors.OnnxExporterError as cause:
        line = str(cause.__cause__ or cause).strip().split("\n")[0]
        raise ReweighError(f"torch cannot export {model.backbone.name!r} to ONNX: {line}.") from cause
    if program is None:
        raise ReweighError(f"torch returned no ONNX program for {model.backbone.name!r}; update torch.")
    program.model.metadata_props.update(_metadata(model))
    return bytes(program.model_proto.SerializeToString())


def largest_difference(model: Model, data: bytes) -> float:
    """Largest difference between onnxruntime's logits and the model's own on eight random images, over the largest logit."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    side, found, expected = model.backbone.view.size, [], []
    rng = np.random.default_rng(0)
    for n in CHECKED:
        contrast = rng.uniform(0.2, 1, (n, 1, 1, 1))
        images = (rng.integers(0, 256, (n, 3, side, side)) * contrast).astype(np.uint8)
        found.append(session.run([OUTPUT], {INPUT: images})[0])
        features = model.backbone.forward(torch.from_numpy(images)).numpy()
        expected.append(logits(model, features))
    return relative_difference(np.concatenate(found), np.concatenate(expected))


def relative_difference(found: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """Largest |found - expected| over the largest |expected|, both (n, k); NaN where either has one."""
    if found.shape != expected.shape:
        return float("nan")
    return float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), np.finfo(np.float32).tiny))


def _network(model: Model) -> torch.nn.Module:
    """uint8 (b, 3, s, s) -> logits (b, k), the normalisation inside."""
    import torch

    view, backbone = model.backbone.view, model.backbone.module
    body = torch.nn.Flatten() if backbone is None else backbone.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    head: torch.nn.Module = _linear(model)
    if model.hidden is not None:
        head = torch.nn.Sequential(_linear(model.hidden), torch.nn.ReLU(), head)
    mean = torch.tensor(view.mean).mul(255).view(3, 1, 1)
    scale = torch.tensor(view.std).mul(255).reciprocal().view(3, 1, 1)

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = body, head
            self.mean: torch.Tensor
            self.scale: torch.Tensor
            self.register_buffer("mean", mean)
            self.register_buffer("scale", scale)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.head(self.body((images.to(torch.float32) - self.mean) * self.scale))
            return logits

    return Network().eval().requires_grad_(False)


def _linear(layer: Model | HiddenLayer) -> torch.nn.Linear:
    import torch

    made = torch.nn.Linear(layer.weight.shape[1], len(layer.bias))
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(layer.weight))
        made.bias.copy_(torch.from_numpy(layer.bias))
    return made


def _metadata(model: Model) -> dict[str, str]:
    """Keys and values, all text; lists and records as JSON."""
    view = model.backbone.view
    preparation = {
        "size": view.size, "crop_pct": view.crop_pct, "crop_mode": view.crop_mode, "interpolation": view.interpolation,
        "channels": "RGB", "values": "uint8, 0 to 255; mean and deviation are a part of the graph", "words": prepared(view),
    }  # fmt: skip
    return {
        "class_names": json.dumps(list(model.class_names), ensure_ascii=False),
        "synsets": json.dumps(list(model.synsets)),
        "preprocessing": json.dumps(preparation),
        "made_by": f"reweigh {__version__}",
    }


def prepared(view: EvaluationView) -> str:
    """What an image must go through before it is given to the graph, in words."""
    resized = {
        "center": f"the short side resized to {view.resized}, the middle {view.size} x {view.size} cut out",
        "squash": f"both sides resized to {view.resized}, the middle {view.size} x {view.size} cut out",
        "border": f"the long side resized to {view.resized}, padded or cut to {view.size} x {view.size}",
    }[view.crop_mode]
    return f"RGB, {resized} ({view.interpolation}, antialiased)"


def _told(model: Model, output: Path, size: int, difference: float) -> Exported:
    side = model.backbone.view.size
    return Exported(
        output=output,
        lines=(
            ("input", f"{INPUT}: uint8 (batch, 3, {side}, {side}), 0 to 255"), ("output", f"{OUTPUT}: float32 (batch, {len(model.bias):,})"),
            ("size", f"{size / 1e6:,.2f} MB, float32"),
            ("checked", f"8 images: largest difference {difference:.1e} of the largest logit, in onnxruntime"),
        ),
        notes=(f"images go in prepared: {prepared(model.backbone.view)}",),
        open_with=(
            f'session = onnxruntime.InferenceSession("{output}")',
            f'logits = session.run(["{OUTPUT}"], {{"{INPUT}": images}})[0]',
            'class_names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])',
        ),
    )  # fmt: skip


def _check_packages() -> None:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ReweighError(
            f'Export to ONNX needs {", ".join(missing)}, not installed here: pip install "reweigh[onnx]"'
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on torch's insides, which a user can do nothing about."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
