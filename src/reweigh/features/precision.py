"""Precision and memory order of a backbone, chosen by a short measurement where the settings leave them open."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

from reweigh.errors import ReweighError
from reweigh.features.networks import PIXELS, Backbone, create_network, is_convolutional, wrap
from reweigh.features.settings import BackboneSettings

Precision = Literal["float32", "bfloat16"]

DECISIVE = 1.15
"""How many times as fast bfloat16 (or channels_last) has to be; less could be another program's doing."""
REPETITIONS = 3
BATCH = {"cpu": 4, "cuda": 64}
"""Images in the measured batch by kind of device."""


def resolve_precision(settings: BackboneSettings, *, device: str, precision: str) -> Precision:
    """The precision alone that `resolve_speed` chooses; measures nothing where `precision` is not `auto`."""
    return resolve_speed(settings, device=device, precision=precision)[1]


def resolve_speed(settings: BackboneSettings, *, device: str, precision: str) -> tuple[BackboneSettings, Precision]:
    """Resolved settings with their memory order said, and `float32` or `bfloat16`.

    Where `precision` is `auto`, the open combinations are measured for a few seconds, interleaved, and the fastest
    repetition of each counts. Where a precision is given nothing is measured: the result then depends on no clock.
    """
    if settings.name == PIXELS:
        return replace(settings, memory_format="contiguous"), "float32"
    if precision != "auto":
        if settings.memory_format != "auto":
            return settings, cast(Precision, precision)
        order = "channels_last" if is_convolutional(create_network(settings)[0]) else "contiguous"
        return replace(settings, memory_format=cast(Any, order)), cast(Precision, precision)
    orders = ("contiguous", "channels_last") if settings.memory_format == "auto" else (settings.memory_format,)
    seconds = _measure(settings, device=device, orders=orders)
    fast, chosen = fastest(seconds)
    return replace(settings, memory_format=fast), chosen


def fastest(seconds: Mapping[tuple[str, Precision], float]) -> tuple[Any, Precision]:
    """(memory order, precision) from the seconds of each; what is plainer wins unless the other is `DECISIVE`ly faster.

    seconds has float32, and bfloat16 where the network runs in it; each with one or two memory orders.
    """

    def best_order(precision: Precision) -> tuple[str, float]:
        plain = seconds.get(("contiguous", precision), float("inf"))
        last = seconds.get(("channels_last", precision), float("inf"))
        return ("channels_last", last) if last * DECISIVE <= plain else ("contiguous", plain)

    order, plain = best_order("float32")
    other, quick = best_order("bfloat16")
    return (other, "bfloat16") if quick * DECISIVE <= plain else (order, "float32")


def _measure(settings: BackboneSettings, *, device: str, orders: tuple[str, ...]) -> dict[tuple[str, Precision], float]:
    """Seconds of one batch, the least of `REPETITIONS` interleaved ones after a warm-up."""
    import torch

    candidates: dict[tuple[str, Precision], Callable[[], None]] = {}
    network, view = create_network(settings)
    for precision in ("float32", "bfloat16"):
        for order in orders:
            chosen = replace(settings, memory_format=cast(Any, order))
            try:
                backbone = wrap(copy.deepcopy(network), view, chosen, device=device, precision=precision)
            except (RuntimeError, NotImplementedError, ReweighError):
                # Some networks lack bfloat16 kernels on some devices: such a combination is no candidate.
                if precision == "float32":
                    raise
                continue
            candidates[order, precision] = _one_batch(backbone, torch)
    seconds = dict.fromkeys(candidates, float("inf"))
    for _ in range(1 + REPETITIONS):
        for key, run in candidates.items():
            start = time.perf_counter()
            run()
            # The first round is among them: it is never the fastest.
            seconds[key] = min(seconds[key], time.perf_counter() - start)
    return seconds


def _one_batch(backbone: Backbone, torch: Any) -> Callable[[], None]:
    kind = backbone.device.partition(":")[0]
    shape = (BATCH[kind], 3, backbone.view.size, backbone.view.size)
    batch = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def run() -> None:
        backbone.forward(batch)
        if kind == "cuda":
            torch.cuda.synchronize(backbone.device)

    return run
