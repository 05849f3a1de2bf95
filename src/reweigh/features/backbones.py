"""Backbones by timm's names: `auto`, tags and sizes resolved without waiting for the network, then loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reweigh.errors import ReweighError, nearest
from reweigh.features import weights
from reweigh.features.networks import HUB, LOCAL, PIXELS, PIXELS_SIZE, Backbone, hub_folder, load_backbone
from reweigh.features.precision import resolve_precision, resolve_speed
from reweigh.features.settings import BackboneSettings
from reweigh.timm_import import timm
from reweigh.whole_files import read_json

__all__ = ["Backbone", "load_backbone", "resolve_backbone", "resolve_precision", "resolve_speed"]

DEFAULTS = {
    "cpu": BackboneSettings(name="tf_efficientnet_lite0.in1k"),
    "cuda": BackboneSettings(name="vit_small_patch14_dinov2.lvd142m", input_size=224),
}
"""Kind of device -> what `auto` means on it. The ViT's own 518 pixels would cost seven times as much as 224."""


def resolve_backbone(
    settings: BackboneSettings, *, device: str, is_pretrained: bool = True, key: str = "backbone.name"
) -> BackboneSettings:
    """The settings with `auto`, the weights' tag and the input size said; checks at once that the weights can be had.

    A local folder's path becomes absolute; one that a `pixels` run wrote becomes `pixels`. The network is asked at most
    one question, and only where the weights are not cached. Not `is_pretrained`: weights are not looked for at all, and
    a name without a tag stays without one, as it names no weights. key: the setting that names it, for errors.
    Raises ReweighError for an unknown name (with the nearest ones), a folder that is no model, weights out of reach.
    """
    if settings.name == "auto":
        default = DEFAULTS[device.partition(":")[0]]
        settings = replace(settings, name=default.name, input_size=settings.input_size or default.input_size)
    if settings.name == PIXELS:
        return replace(settings, input_size=settings.input_size or PIXELS_SIZE, memory_format="contiguous")
    if settings.name.startswith(LOCAL):
        return _resolve_folder(settings, is_pretrained=is_pretrained)
    if settings.name.startswith(HUB):
        return _resolve_hub(settings, is_pretrained=is_pretrained, key=key)
    return _resolve_timm(settings, is_pretrained=is_pretrained, key=key)


def _resolve_folder(settings: BackboneSettings, *, is_pretrained: bool) -> BackboneSettings:
    folder = Path(settings.name.removeprefix(LOCAL)).expanduser().resolve()
    if not folder.is_dir():
        raise ReweighError(
            f"No backbone folder {folder}: nothing is there. A timm folder holds config.json and model.safetensors."
        )
    if not (folder / "config.json").is_file():
        raise ReweighError(f"{folder} is no timm model: it holds no config.json (and model.safetensors).")
    try:
        config = read_json(folder / "config.json")
    except ValueError as cause:
        raise ReweighError(f"{folder / 'config.json'} is not valid JSON: {cause}.") from cause
    if is_pretrained and not [p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin", ".pth")]:
        raise ReweighError(f"{folder} holds config.json but no weights; model.safetensors is missing.")
    own = config.get("reweigh", {}).get("backbone") if isinstance(config, dict) else None
    if own and own["name"] == PIXELS:
        return replace(
            settings, name=PIXELS, input_size=settings.input_size or own["input_size"], memory_format="contiguous"
        )
    size = config.get("pretrained_cfg", config).get("input_size", (3, 0, 0))[-1]
    return replace(settings, name=f"{LOCAL}{folder}", input_size=settings.input_size or int(size))


def _resolve_hub(settings: BackboneSettings, *, is_pretrained: bool, key: str) -> BackboneSettings:
    repository = settings.name.removeprefix(HUB)
    is_here = hub_folder(settings.name) if is_pretrained else weights.cached_hub_file(repository, "config.json")
    if is_here is None:
        weights.check_within_reach(settings.name, {"hf_hub_id": repository}, key=key)
    return settings


def _resolve_timm(settings: BackboneSettings, *, is_pretrained: bool, key: str) -> BackboneSettings:
    library = timm()
    name, _, tag = settings.name.partition(".")
    if "/" in settings.name or ":" in settings.name or not library.is_model(name):
        known = [*library.list_models(), PIXELS, "auto"]
        hint = (
            " A path is written local-dir:FOLDER, a model of the hub hf-hub:OWNER/MODEL."
            if "/" in settings.name
            else ""
        )
        raise ReweighError(
            f"No backbone named {settings.name!r} in timm {library.__version__}.{nearest(name, known)}{hint}"
        )
    tags = [full.partition(".")[2] for full in library.list_pretrained(f"{name}.*") if full.partition(".")[0] == name]
    if tag and tag not in tags:
        there_are = ", ".join(tags) or "none"
        raise ReweighError(f"timm's {name} has no weights tagged {tag!r}; there are: {there_are}.{nearest(tag, tags)}")
    config = library.get_pretrained_cfg(settings.name).to_dict()
    size = settings.input_size or int(config["input_size"][-1])
    if not is_pretrained:
        return replace(settings, input_size=size)
    full = f"{name}.{config['tag']}" if config.get("tag") else name
    if weights.cached_weights(config) is None:
        weights.check_within_reach(full, config, key=key)
    return replace(settings, name=full, input_size=size)
