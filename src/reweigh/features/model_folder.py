"""A finished classifier as a folder: timm's local form where timm has such a model, a form of our own elsewhere.

Both are `config.json`, `model.safetensors` and a model card, `README.md`. config.json has the class names in `label_names`
and what timm does not know under the key `reweigh`: `format`, `head`, `synsets` (a wnid or null for each class),
`precision` and the `backbone`'s settings. `head` says where the classifier is:

- `timm`: folded into the network's own last layer: `timm.create_model("local-dir:FOLDER", pretrained=True)` gives
  logits.
- `separate`: tensors `head.weight` (k, d) and `head.bias` (k,), features @ weight.T + bias; the network's own tensors,
  if it has any, stand beside them as `backbone.NAME`. So are written networks whose last layer
  is not linear, and `pixels` (the image squeezed to `input_size` pixels square, bilinear and antialiased, (3, s, s)
  flattened, scaled to [0, 1]). With a hidden layer (`format` 2, `hidden` its `width` and `activation`), the head reads
  max(0, features @ hidden.weight.T + hidden.bias), (h, d) and (h,), in the place of features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.features.hidden_layer import ACTIVATION, HiddenLayer, behind
from reweigh.features.model_card import CardFacts, write_card
from reweigh.features.networks import LOCAL, PIXELS, Backbone, create_network, load_backbone, wrap
from reweigh.features.settings import BackboneSettings
from reweigh.images.views import EvaluationView, view_from_config
from reweigh.timm_import import timm
from reweigh.whole_files import read_json, write_bytes, write_json

if TYPE_CHECKING:
    import torch

FORMAT = 2
"""The newest; a folder without a hidden layer is of format 1."""
CONFIG, TENSORS = "config.json", "model.safetensors"
FOLDED, SEPARATE = "timm", "separate"
AGREEMENT = 1e-3
"""Largest difference, relative to the largest logit, at which the folded network counts as the same classifier."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A classifier; `logits` is its arithmetic."""

    backbone: Backbone
    weight: NDArray[np.float32]
    """(k, d), or (k, h) behind a hidden layer"""
    bias: NDArray[np.float32]
    """(k,)"""
    class_names: tuple[str, ...]
    synsets: tuple[str | None, ...]
    hidden: HiddenLayer | None = None


def logits(model: Model, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, k) of features (n, d) as the model's backbone gives them."""
    found: NDArray[np.float32] = behind(model.hidden, features) @ model.weight.T + model.bias
    return found


def write_model(
    folder: Path, backbone: Backbone, weight: NDArray[np.float32], bias: NDArray[np.float32],
    *, class_names: Sequence[str], synsets: Sequence[str | None], state: Mapping[str, torch.Tensor] | None = None,
    card: CardFacts | None = None, hidden: HiddenLayer | None = None,
) -> None:  # fmt: skip
    """Write backbone and linear head, (k, d) and (k,), or (k, h) behind a hidden layer, into `folder` as the module's text says, with a model card.

    state: the network's own trained tensors, named as in the timm model without head, written as float32. None: its
    pretrained ones, read anew in float32, whatever precision the features had. That precision is noted.
    Raises ReweighError for a head that fits neither the classes nor the features, and for a tensor that the network has
    not, lacks or has in another shape.
    """
    _check_shapes(weight, bias, hidden, k=len(class_names), d=backbone.d)
    folder.mkdir(parents=True, exist_ok=True)
    if backbone.module is None:
        network, tensors, config = None, {}, {}
    else:
        network, view = _network(backbone.settings, state)
        config = _timm_config(network, view, backbone)
        if card is not None and not card.get("is_pretrained", True):
            config["pretrained_cfg"].pop("license", None)  # of weights that are not in here
        if hidden is None and _fold(network, weight, bias, view):
            record = _record(FOLDED, backbone, class_names, synsets)
            _write(folder, dict(network.state_dict()), _with_classes(config, class_names, synsets) | record, card)
            return
        network, _ = _network(backbone.settings, state)
        tensors = {f"backbone.{name}": tensor for name, tensor in network.state_dict().items()}
    import torch

    tensors["head.weight"] = torch.from_numpy(np.ascontiguousarray(weight, np.float32))
    tensors["head.bias"] = torch.from_numpy(np.ascontiguousarray(bias, np.float32))
    if hidden is not None:
        tensors["hidden.weight"] = torch.from_numpy(np.ascontiguousarray(hidden.weight, np.float32))
        tensors["hidden.bias"] = torch.from_numpy(np.ascontiguousarray(hidden.bias, np.float32))
    record = _record(SEPARATE, backbone, class_names, synsets, hidden)
    _write(folder, tensors, _with_classes(config, class_names, synsets) | record, card)


def load_model(folder: Path, *, device: str, precision: str) -> Model:
    """The classifier in a folder that `write_model` made, or in timm's local form with a linear last layer.

    Raises ReweighError where the folder lacks a file or has one of another model, and where the last layer is not linear.
    """
    config = _read_config(folder)
    own = config.get("reweigh", {})
    if own.get("format", FORMAT) > FORMAT:
        raise ReweighError(
            f"{folder / CONFIG} has format {own['format']}; this reweigh reads up to {FORMAT}. Update it."
        )
    tensors = _read_tensors(folder)
    hidden = _hidden_layer(folder, own.get("hidden"), tensors)
    if own.get("head", FOLDED) == FOLDED:
        settings = BackboneSettings(
            name=f"{LOCAL}{folder.resolve()}", memory_format=own.get("backbone", {}).get("memory_format", "auto")
        )
        backbone = load_backbone(settings, device=device, precision=precision)
        weight, bias = _folded_head(folder, config, tensors)
    else:
        weight, bias = _separate_head(folder, tensors)
        backbone = _separate_backbone(folder, config, tensors, device=device, precision=precision)
    names = (
        config.get("label_names") or config["pretrained_cfg"].get("label_names") or [str(c) for c in range(len(bias))]
    )
    synsets = own.get("synsets") or [None] * len(names)
    if len(names) != len(bias):
        raise ReweighError(
            f"{folder / CONFIG} names {len(names):,} classes, but the last layer in {TENSORS} has {len(bias):,}; one of the two "
            "files is of another model."
        )
    return Model(
        backbone=backbone,
        weight=weight.float().numpy(),
        bias=bias.float().numpy(),
        class_names=tuple(names),
        synsets=tuple(synsets),
        hidden=hidden,
    )


def _check_shapes(
    weight: NDArray[np.float32], bias: NDArray[np.float32], hidden: HiddenLayer | None, *, k: int, d: int
) -> None:
    """Refuses layers that fit neither each other nor k classes and d features."""
    width = d if hidden is None else len(hidden.bias)
    if hidden is not None and hidden.weight.shape != (width, d):
        raise ReweighError(
            f"A hidden layer of shape {hidden.weight.shape} with bias {hidden.bias.shape} does not fit {d} features."
        )
    if weight.shape != (k, width) or bias.shape != (k,):
        behind_it = "features" if hidden is None else "hidden units"
        raise ReweighError(
            f"A head of shape {weight.shape} with bias {bias.shape} does not fit {k} classes and {width} {behind_it}."
        )


def _network(
    settings: BackboneSettings, state: Mapping[str, torch.Tensor] | None
) -> tuple[torch.nn.Module, EvaluationView]:
    """The network without head, float32, with its pretrained tensors or with these."""
    if state is None:
        return create_network(settings)
    network, view = create_network(settings, is_pretrained=False)
    put_state(network, state, settings.name)
    return network, view


def put_state(network: torch.nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Let the network have these tensors, all of them and no others. Raises ReweighError naming the first that does not fit."""
    own = network.state_dict()
    for key in [*own, *state]:
        found, needed = state.get(key), own.get(key)
        if found is not None and needed is not None and found.shape == needed.shape:
            continue
        said = [("none" if t is None else f"shape {tuple(t.shape)}") for t in (found, needed)]
        raise ReweighError(
            f"The tensors are not those of {name!r}: for {key!r} found {said[0]}, the network has {said[1]}; "
            "they were trained with another architecture, input size or arguments."
        )
    network.load_state_dict(dict(state))


def _fold(
    network: torch.nn.Module, weight: NDArray[np.float32], bias: NDArray[np.float32], view: EvaluationView
) -> bool:
    """Put the head into the network's own classifier; whether its logits are then those of the head on its features."""
    import torch

    model = cast(Any, network.eval())
    k = len(bias)
    images = torch.rand((2, 3, view.size, view.size), generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = model(images) @ torch.from_numpy(weight).T + torch.from_numpy(bias)
    try:
        model.reset_classifier(k)
    except (TypeError, AttributeError, AssertionError, NotImplementedError):
        return False
    head = model.get_classifier()
    if (
        not isinstance(head, torch.nn.Linear | torch.nn.Conv2d)
        or head.weight.numel() != weight.size
        or head.bias is None
    ):
        return False
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight).reshape(head.weight.shape))
        head.bias.copy_(torch.from_numpy(bias))
    with torch.inference_mode():
        found = model.eval()(images)
    if found.shape != expected.shape:
        return False
    return bool((found - expected).abs().max() <= AGREEMENT * expected.abs().max().clamp(min=1))


def _timm_config(network: torch.nn.Module, view: EvaluationView, backbone: Backbone) -> dict[str, Any]:
    """timm's config.json for a network, without classes; the view as it was used."""
    kept = cast(Any, network)
    source = {key: value for key, value in kept.pretrained_cfg.items() if key not in WHERE_FROM and value is not None}
    source |= {
        "input_size": [3, view.size, view.size],
        "crop_pct": view.crop_pct,
        "crop_mode": view.crop_mode,
        "interpolation": view.interpolation,
        "mean": list(view.mean),
        "std": list(view.std),
        "custom_load": False,
    }
    arguments = dict(_saved_arguments(backbone.settings)) | dict(backbone.settings.arguments)
    if source.get("fixed_input_size"):
        arguments["img_size"] = view.size
    pool = getattr(kept, "global_pool", None)
    return {
        "architecture": kept.pretrained_cfg["architecture"],
        "num_features": int(kept.num_features),
        **({"global_pool": pool} if isinstance(pool, str) else {}),
        **({"model_args": arguments} if arguments else {}),
        "pretrained_cfg": source,
    }


WHERE_FROM = (
    "architecture", "file", "url", "hf_hub_id", "hf_hub_filename", "source", "state_dict", "num_classes", "label_names",
    "label_descriptions", "label_offset", "test_input_size", "test_crop_pct", "test_pool_size", "tag",
)  # fmt: skip
"""Keys of timm's pretrained configuration that say where weights came from, or of other classes and views."""


def _saved_arguments(settings: BackboneSettings) -> Mapping[str, Any]:
    """Arguments that the folder of a local backbone itself asks for."""
    if not settings.name.startswith(LOCAL):
        return {}
    saved = read_json(Path(settings.name.removeprefix(LOCAL)) / CONFIG).get("model_args", {})
    return {key: value for key, value in saved.items() if key != "num_classes"}


def _with_classes(config: dict[str, Any], names: Sequence[str], synsets: Sequence[str | None]) -> dict[str, Any]:
    """The configuration with timm's own fields for classes: `label_names`, and the wnids as `label_descriptions`."""
    described = {name: synset for name, synset in zip(names, synsets, strict=True) if synset}
    classes: dict[str, Any] = {"num_classes": len(names), "label_names": list(names)}
    if described:
        classes["label_descriptions"] = described
    if config:
        classes["pretrained_cfg"] = config["pretrained_cfg"] | {"num_classes": len(names)}
    return config | classes


def _record(
    head: str, backbone: Backbone, names: Sequence[str], synsets: Sequence[str | None], hidden: HiddenLayer | None = None
) -> dict[str, Any]:  # fmt: skip
    settings = asdict(backbone.settings) | {"input_size": backbone.view.size, "memory_format": backbone.memory_format}
    if backbone.name != PIXELS:
        settings["name"] = Path(backbone.name).name  # a folder's place says nothing elsewhere
    return {
        "reweigh": {
            "format": 1 if hidden is None else FORMAT,
            "head": head,
            **({} if hidden is None else {"hidden": {"width": len(hidden.bias), "activation": ACTIVATION}}),
            "synsets": list(synsets),
            "precision": backbone.precision,
            "backbone": settings,
        }
    }


def _write(
    folder: Path, tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any], card: CardFacts | None
) -> None:
    from safetensors.torch import save

    whole = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    write_bytes(folder / TENSORS, save(whole, metadata={"format": "pt"}))
    write_json(folder / CONFIG, dict(config))
    write_card(folder, card)


def _read_config(folder: Path) -> dict[str, Any]:
    for name in (CONFIG, TENSORS):
        if not (folder / name).is_file():
            raise ReweighError(f"No model in {folder}: it holds no {name}.")
    try:
        return dict(read_json(folder / CONFIG))
    except ValueError as cause:
        raise ReweighError(f"{folder / CONFIG} is not valid JSON: {cause}.") from cause


def _read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(folder / TENSORS))
    except SafetensorError as cause:
        raise ReweighError(f"{folder / TENSORS} is no whole safetensors file: {cause}.") from cause


def _folded_head(
    folder: Path, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    name = config["pretrained_cfg"].get("classifier")
    if not isinstance(name, str) or f"{name}.weight" not in tensors or f"{name}.bias" not in tensors:
        raise ReweighError(
            f"{folder} has no linear last layer that can be read as a head (found classifier = {name!r})."
        )
    return tensors[f"{name}.weight"].flatten(1), tensors[f"{name}.bias"]


def _separate_head(folder: Path, tensors: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    for name in ("head.weight", "head.bias"):
        if name not in tensors:
            raise ReweighError(f"{folder / TENSORS} holds no {name}, which {CONFIG} promises; it is of another model.")
    return tensors["head.weight"], tensors["head.bias"]


def _hidden_layer(
    folder: Path, record: Mapping[str, Any] | None, tensors: Mapping[str, torch.Tensor]
) -> HiddenLayer | None:
    if record is None:
        return None
    if record.get("activation") != ACTIVATION:
        raise ReweighError(
            f"{folder / CONFIG} has a hidden layer with activation {record.get('activation')!r}; this reweigh knows {ACTIVATION!r}."
        )
    for name in ("hidden.weight", "hidden.bias"):
        if name not in tensors:
            raise ReweighError(f"{folder / TENSORS} holds no {name}, which {CONFIG} promises; it is of another model.")
    weight, bias = tensors["hidden.weight"].float().numpy(), tensors["hidden.bias"].float().numpy()
    return HiddenLayer(weight=weight, bias=bias)


def _separate_backbone(
    folder: Path, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], *, device: str, precision: str
) -> Backbone:
    own = config["reweigh"]["backbone"]
    settings = BackboneSettings(
        name=own["name"], input_size=own["input_size"], memory_format=own["memory_format"], arguments=own["arguments"]
    )
    if settings.name == PIXELS:
        return load_backbone(settings, device=device, precision="float32")
    network = timm().create_model(
        config["architecture"], pretrained=False, num_classes=0, **config.get("model_args", {})
    )
    prefix = "backbone."
    state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    put_state(network, state, str(folder))
    view = view_from_config(config["pretrained_cfg"])
    return wrap(network, view, replace(settings, arguments={}), device=device, precision=precision)
