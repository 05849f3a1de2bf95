"""What `auto` means here and now: device, threads, backbone and precision, decided once per run and written down."""

from __future__ import annotations

import os
from dataclasses import replace

from reweigh.features.backbones import resolve_backbone
from reweigh.features.devices import resolve_device
from reweigh.features.networks import Backbone, load_backbone
from reweigh.features.precision import resolve_speed
from reweigh.runs.recipe import Recipe


def resolve(recipe: Recipe) -> Recipe:
    """The recipe with device, threads, backbone and precision said; checks at once that the backbone can be had.

    Raises ReweighError for a device that is not there and for weights that are neither here nor to be fetched.
    """
    device = resolve_device(recipe.device)
    backbone = resolve_backbone(recipe.backbone, device=device)
    threads = recipe.threads or available_threads()
    set_threads(threads)
    backbone, precision = resolve_speed(backbone, device=device, precision=recipe.precision)
    return replace(recipe, device=device, backbone=backbone, threads=threads, precision=precision)


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


def load(recipe: Recipe) -> Backbone:
    """The backbone of a resolved recipe."""
    return load_backbone(recipe.backbone, device=recipe.device, precision=recipe.precision)
