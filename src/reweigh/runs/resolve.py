"""What `auto` means here and now: device, threads, backbone and precision, decided once per run and written down."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from reweigh.cores import available_cores
from reweigh.errors import ReweighError
from reweigh.evidence.label_text import absolute_label_text, check_label_text
from reweigh.features.backbones import resolve_backbone
from reweigh.features.devices import resolve_device
from reweigh.features.networks import PIXELS, Backbone, load_backbone
from reweigh.features.precision import resolve_speed
from reweigh.features.settings import BackboneSettings
from reweigh.ranks import ALONE, Ranks
from reweigh.runs.recipe import Recipe, last_round, merged, overridden, rounds_of
from reweigh.training.settings import OWN_BACKBONE, FinetuneSettings
from reweigh.weighers.settings import AUTO, weigher_named


def resolve(recipe: Recipe, before: tuple[Recipe, Recipe] | None = None) -> Recipe:
    """The recipe with device, threads, backbone and precision said, those of its rounds and further models too.

    So whatever cannot be had is found before any work. before: (what was asked for, how it was resolved) of the same but for
    further models; it stays, for speed measured anew may give another precision, which is another run. Raises ReweighError for a device
    that is not there and for weights that are neither here nor to be fetched, naming the round or model.
    """
    if recipe.evidence.label_text != "classes" and not any(map(reads_label_text, rounds_of(recipe))):
        raise ReweighError(
            f'evidence.label_text = "{recipe.evidence.label_text}" is read by the weigher image_text, which weights.use does not name.'
        )
    asked, known = (replace(recipe, models=()), _with_rounds(recipe)) if before is None else before
    last, settled = last_round(recipe), last_round(known)
    models = tuple(
        known.models[asked.models.index(changes)]
        if changes in asked.models
        else _settled(last, settled, changes, f"models, number {number}")
        for number, changes in enumerate(recipe.models, start=1)
    )
    return replace(known, models=models)


def _with_rounds(recipe: Recipe) -> Recipe:
    """Resolved, with its rounds, without its models."""
    resolved = _resolved(recipe)
    rounds = tuple(
        _settled(recipe, resolved, changes, f"rounds, number {number}")
        for number, changes in enumerate(recipe.rounds, start=1)
    )
    return replace(resolved, rounds=rounds, models=())


def _resolved(recipe: Recipe) -> Recipe:
    """The same without its rounds and models."""
    device = resolve_device(recipe.device)
    backbone = resolve_backbone(recipe.backbone, device=device)
    threads = recipe.threads or available_threads()
    set_threads(threads)
    backbone, precision = resolve_speed(backbone, device=device, precision=recipe.precision)
    evidence = absolute_label_text(recipe.evidence)
    if reads_label_text(recipe):
        check_label_text(evidence)
    resolved = replace(
        recipe, evidence=evidence, device=device, backbone=backbone, threads=threads, precision=precision
    )
    if not needs_network(recipe):
        return resolved
    network = resolve_network(recipe.finetune, backbone, device=device)
    return replace(resolved, finetune=replace(recipe.finetune, network=network))


def _settled(asked: Recipe, resolved: Recipe, changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The changes of a round or model, and what they leave open: `overridden(resolved, these)` has no `auto`.

    What they do not touch stays as `resolved` of `asked`; another backbone gets its own input size, tag and precision.
    """
    own = overridden(asked, changes)
    own = replace(own, device=resolved.device, threads=resolved.threads)
    if own.evidence.label_text_from == asked.evidence.label_text_from:
        own = replace(own, evidence=replace(own.evidence, label_text_from=resolved.evidence.label_text_from))
    if own.backbone == asked.backbone:
        own = replace(own, backbone=resolved.backbone)
        if own.precision == asked.precision:
            own = replace(own, precision=resolved.precision)
    try:
        done = _resolved(own)
    except ReweighError as cause:
        raise ReweighError(f"{where}: {cause}") from cause
    said: dict[str, Any] = {}
    if done.precision != resolved.precision:
        said["precision"] = done.precision
    if done.backbone != resolved.backbone:
        said["backbone"] = asdict(done.backbone)
    if done.evidence.label_text_from != resolved.evidence.label_text_from:
        said["evidence"] = {"label_text_from": done.evidence.label_text_from}
    if done.finetune.network != resolved.finetune.network:
        said["finetune"] = {"network": asdict(done.finetune.network)}
    return merged(changes, said)


def reads_label_text(recipe: Recipe) -> bool:
    """Whether a weigher reads what labels are known by."""
    names = [name for name in recipe.weights.use if name != AUTO]
    return any("label_text" in weigher_named(name, recipe.weights).needs for name in names)


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
    return resolve_backbone(
        settings.network, device=device, is_pretrained=settings.needs_pretrained, key="finetune.network.name"
    )


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
    return int(said) if said.isdigit() and int(said) > 0 else available_cores()


def set_threads(threads: int) -> None:
    """Give torch and faiss this many threads."""
    import faiss
    import torch

    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)


def load(recipe: Recipe, ranks: Ranks = ALONE) -> Backbone:
    """The backbone of a resolved recipe, on the device of this process."""
    return load_backbone(recipe.backbone, device=device_of(recipe.device, ranks), precision=recipe.precision)
