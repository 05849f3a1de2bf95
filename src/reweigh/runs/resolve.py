"""What `auto` means here and now: device, threads, backbone and precision, decided once per run and written down."""

from __future__ import annotations

import os
from dataclasses import replace

from reweigh.errors import ReweighError
from reweigh.features.backbones import resolve_backbone
from reweigh.features.devices import resolve_device
from reweigh.features.networks import PIXELS, Backbone, load_backbone
from reweigh.features.precision import resolve_speed
from reweigh.features.settings import BackboneSettings
from reweigh.ranks import ALONE, Ranks
from reweigh.runs.recipe import Recipe
from reweigh.training.settings import OWN_BACKBONE, FinetuneSettings


def resolve(recipe: Recipe) -> Recipe:
    """The recipe with device, threads, backbone and precision said; checks at once that the backbone can be had.

    Raises ReweighError for a device that is not there and for weights that are neither here nor to be fetched.
    """
    device = resolve_device(recipe.device)
    backbone = resolve_backbone(recipe.backbone, device=device)
    threads = recipe.threads or available_threads()
    set_threads(threads)
    backbone, precision = resolve_speed(backbone, device=device, precision=recipe.precision)
    resolved = replace(recipe, device=device, backbone=backbone, threads=threads, precision=precision)
    if not needs_network(recipe):
        return resolved
    network = resolve_network(recipe.finetune, backbone, device=device)
    return replace(resolved, finetune=replace(recipe.finetune, network=network))


def needs_network(recipe: Recipe) -> bool:
    """Whether a network is trained on images."""
    return recipe.training.mode == "finetune" or recipe.evidence.cross_fit != "none"


def resolve_network(settings: FinetuneSettings, backbone: BackboneSettings, *, device: str) -> BackboneSettings:
    """The network to train, resolved like a backbone; the run's own stays named so, as rounds may change it.

    Raises ReweighError for `pixels`, which has nothing to train, and as `resolve_backbone`.
    """
    own = settings.network.name == OWN_BACKBONE
    if (backbone if own else settings.network).name == PIXELS:
        raise ReweighError(
            "pixels is no network that could be trained; set finetune.network.name, or training.mode = probe."
        )
    if own:
        return settings.network
    return resolve_backbone(settings.network, device=device, is_pretrained=settings.needs_pretrained)


def network_of(recipe: Recipe) -> BackboneSettings:
    """Settings of the network to train of a resolved recipe."""
    network = recipe.finetune.network
    if network.name != OWN_BACKBONE:
        return network
    return replace(recipe.backbone, input_size=network.input_size or recipe.backbone.input_size)


def device_of(device: str, ranks: Ranks) -> str:
    """The device of this process: each one on a machine has a GPU of its own."""
    return f"cuda:{ranks.local_rank}" if device == "cuda" and ranks.world > 1 else device


def available_threads() -> int:
    """OMP_NUM_THREADS where it is set, else the cores that this process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() and int(said) > 0 else len(os.sched_getaffinity(0))


def set_threads(threads: int) -> None:
    """Give torch and faiss this many threads."""
    import faiss
    import torch

    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)


def load(recipe: Recipe, ranks: Ranks = ALONE) -> Backbone:
    """The backbone of a resolved recipe, on the device of this process."""
    return load_backbone(recipe.backbone, device=device_of(recipe.device, ranks), precision=recipe.precision)
