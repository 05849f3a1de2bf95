"""Networks without their heads: created, placed on a device, and wrapped as uint8 batch -> features."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reweigh.errors import ReweighError
from reweigh.features import weights
from reweigh.features.settings import BackboneSettings
from reweigh.images.views import EvaluationView, view_from_config
from reweigh.timm_import import timm
from reweigh.whole_files import read_json

if TYPE_CHECKING:
    import torch

PIXELS = "pixels"
PIXELS_SIZE = 16
LOCAL, HUB = "local-dir:", "hf-hub:"


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A loaded network without its head."""

    name: str
    """As in `settings`: resolved, so that it can be loaded again."""
    d: int
    """Size of a feature row."""
    view: EvaluationView
    """What it sees of an image."""
    precision: str
    """`float32` or `bfloat16`."""
    memory_format: str
    """`contiguous` or `channels_last`."""
    device: str
    identity: str
    """Hash of architecture, weights, arguments and input size; not of precision or device."""
    settings: BackboneSettings
    forward: Callable[[torch.Tensor], torch.Tensor] = field(repr=False, compare=False)
    """uint8 (b, 3, s, s) on any device -> float32 (b, d) on `device`."""
    module: torch.nn.Module | None = field(repr=False, compare=False)
    """The timm model without its head; None for `pixels`."""


def load_backbone(settings: BackboneSettings, *, device: str, precision: str) -> Backbone:
    """The backbone of resolved settings on a device, in evaluation mode. precision: `float32` or `bfloat16`."""
    if settings.name == PIXELS:
        return _pixels(settings, device=device)
    module, view = create_network(settings)
    return wrap(module, view, settings, device=device, precision=precision)


def wrap(
    module: torch.nn.Module, view: EvaluationView, settings: BackboneSettings, *, device: str, precision: str
) -> Backbone:
    """A `Backbone` around a timm model without head, which moves to the device and the precision."""
    import torch

    identity = _identity(module, settings, view)
    memory_format = settings.memory_format
    if memory_format == "auto":
        memory_format = "channels_last" if is_convolutional(module) else "contiguous"
    module = module.eval().requires_grad_(False).to(device=device, dtype=getattr(torch, precision))
    if memory_format == "channels_last":
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    forward = _forward(module, view, device=device, precision=precision, memory_format=memory_format)
    d = _feature_size(forward, view, settings.name)
    return Backbone(
        name=settings.name, d=d, view=view, precision=precision, memory_format=memory_format, device=device,
        identity=identity, settings=settings, forward=forward, module=module,
    )  # fmt: skip


def create_network(
    settings: BackboneSettings, *, is_pretrained: bool = True, seed: int = 0
) -> tuple[torch.nn.Module, EvaluationView]:
    """The timm model of resolved settings without its head, float32 on the CPU, and its evaluation view.

    Not `is_pretrained`: the weights are drawn from `seed` and none are looked for; of a folder the architecture alone is
    taken. Raises ReweighError for what timm cannot create, and for `pixels`, which has no weights.
    """
    if settings.name == PIXELS:
        raise ReweighError(
            "The backbone 'pixels' is the image itself, no network; name one of timm's, such as resnet50."
        )
    name, arguments, config = _source(settings) if is_pretrained else _architecture(settings)
    if settings.input_size and config.get("fixed_input_size"):
        arguments["img_size"] = settings.input_size
    arguments = arguments | dict(settings.arguments)
    try:
        module = _pretrained(name, arguments) if is_pretrained else _drawn(name, arguments, seed)
    except (RuntimeError, TypeError, ValueError, AssertionError, KeyError, AttributeError, OSError) as cause:
        found = f"{type(cause).__name__}: {_first_line(cause)}"
        raise ReweighError(f"timm cannot load backbone {settings.name!r}: {found}.") from cause
    return module, _view(module, settings)


def is_convolutional(module: torch.nn.Module) -> bool:
    """Whether convolutions beyond the one that cuts an image into patches do the work."""
    import torch

    return sum(isinstance(part, torch.nn.Conv2d) for part in module.modules()) > 2


def _first_line(cause: Exception) -> str:
    """What an error says first; of tensors that do not fit, torch names the first one on the second line."""
    lines = [line.strip() for line in str(cause).strip().split("\n")]
    said = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return (f"{said[:297]}..." if len(said) > 300 else said).rstrip(". ")


def _pretrained(name: str, arguments: Mapping[str, Any]) -> torch.nn.Module:
    module: torch.nn.Module = timm().create_model(name, pretrained=True, num_classes=0, **arguments)
    return module


def _drawn(name: str, arguments: Mapping[str, Any], seed: int) -> torch.nn.Module:
    """A network of random weights; the generator of the process stays as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module: torch.nn.Module = timm().create_model(name, pretrained=False, num_classes=0, **arguments)
    return module


Source = tuple[str, dict[str, Any], Mapping[str, Any]]
"""Name and arguments for create_model, and timm's pretrained configuration."""


def _source(settings: BackboneSettings) -> Source:
    """Name and arguments such that cached weights are read without asking the network."""
    if settings.name.startswith(LOCAL):
        return _folder_source(Path(settings.name.removeprefix(LOCAL)), settings.name)
    if settings.name.startswith(HUB):
        folder = hub_folder(settings.name)
        return (settings.name, {}, {}) if folder is None else _folder_source(folder, f"{LOCAL}{folder}")
    config = timm().get_pretrained_cfg(settings.name).to_dict()
    cached = weights.cached_weights(config)
    # The hub's client asks the network even for what it has; a file is read as it is. Foreign forms need their loader.
    overlay = {"pretrained_cfg_overlay": {"file": str(cached)}} if cached and not config.get("custom_load") else {}
    return settings.name, overlay, config


def _architecture(settings: BackboneSettings) -> Source:
    """Name and arguments of the architecture alone: a folder's or a repository's config.json, or what timm knows."""
    if settings.name.startswith(LOCAL):
        return _folder_source(Path(settings.name.removeprefix(LOCAL)), settings.name)
    if settings.name.startswith(HUB):
        config = weights.cached_hub_file(settings.name.removeprefix(HUB), "config.json")
        return (settings.name, {}, {}) if config is None else _folder_source(config.parent, f"{LOCAL}{config.parent}")
    return settings.name, {}, timm().get_pretrained_cfg(settings.name).to_dict()


def _folder_source(folder: Path, name: str) -> Source:
    return name, {}, read_json(folder / "config.json").get("pretrained_cfg", {})


def _view(module: torch.nn.Module, settings: BackboneSettings) -> EvaluationView:
    data = timm().data.resolve_model_data_config(module)
    if settings.input_size:
        data["input_size"] = (3, settings.input_size, settings.input_size)
    return view_from_config(data)


def _forward(
    module: torch.nn.Module, view: EvaluationView, *, device: str, precision: str, memory_format: str
) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    dtype, order = (
        getattr(torch, precision),
        getattr(torch, f"{memory_format}_format" if memory_format == "contiguous" else memory_format),
    )
    mean = torch.tensor(view.mean, device=device).mul(255).view(3, 1, 1)
    scale = torch.tensor(view.std, device=device).mul(255).reciprocal().view(3, 1, 1)

    def forward(batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            pixels = batch.to(device, non_blocking=True)
            values = pixels.to(torch.float32).sub_(mean).mul_(scale)
            return module(values.to(dtype=dtype, memory_format=order)).float()

    return forward


def _feature_size(forward: Callable[[torch.Tensor], torch.Tensor], view: EvaluationView, name: str) -> int:
    import torch

    try:
        features = forward(torch.zeros((1, 3, view.size, view.size), dtype=torch.uint8))
    except (RuntimeError, AssertionError, ValueError) as cause:
        line = str(cause).strip().split("\n")[0]
        raise ReweighError(
            f"Backbone {name!r} does not take images of {view.size} x {view.size} pixels: {line}."
        ) from cause
    if features.ndim != 2:
        shape = tuple(features.shape)
        raise ReweighError(
            f"Backbone {name!r} gives features of shape {shape}, not (b, d); set backbone.arguments.global_pool."
        )
    return int(features.shape[1])


def _identity(module: torch.nn.Module | None, settings: BackboneSettings, view: EvaluationView) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    architecture = type(module).__name__ if module is not None else PIXELS
    hashed.update(json.dumps([architecture, dict(settings.arguments), view.size], sort_keys=True).encode())
    for name, tensor in sorted(module.state_dict().items()) if module is not None else ():
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.detach().cpu().contiguous().flatten().view(_bytes_type()).numpy().data)
    return hashed.hexdigest()


def _bytes_type() -> torch.dtype:
    import torch

    return torch.uint8


def _pixels(settings: BackboneSettings, *, device: str) -> Backbone:
    """The image itself as features: squeezed to a small square, (3, s, s) flattened, scaled to [0, 1]."""
    import torch

    side = settings.input_size or PIXELS_SIZE
    view = EvaluationView(
        size=side, crop_pct=1.0, crop_mode="squash", interpolation="bilinear", mean=(0.0,) * 3, std=(1.0,) * 3
    )

    def forward(batch: torch.Tensor) -> torch.Tensor:
        return batch.to(device, non_blocking=True).to(torch.float32).div_(255).flatten(1)

    return Backbone(
        name=PIXELS, d=3 * side * side, view=view, precision="float32", memory_format="contiguous", device=device,
        identity=_identity(None, settings, view), settings=settings, forward=forward, module=None,
    )  # fmt: skip


def hub_folder(name: str) -> Path | None:
    """The cached snapshot of a hub repository, where it holds both its configuration and its weights."""
    repository = name.removeprefix(HUB)
    config = weights.cached_hub_file(repository, "config.json")
    found = [weights.cached_hub_file(repository, file) for file in weights.WEIGHT_FILES]
    return config.parent if config and any(path and path.parent == config.parent for path in found) else None
