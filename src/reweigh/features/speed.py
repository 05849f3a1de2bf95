"""How long extraction will take, from a few batches of the very images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reweigh.features.decoding_ahead import available_workers, decoded_batches, decodes_beside
from reweigh.features.networks import Backbone
from reweigh.features.settings import FeatureSettings
from reweigh.images.settings import ImageSettings

if TYPE_CHECKING:
    from reweigh.catalog.tables import ImageLocation


def seconds_per_image(
    backbone: Backbone, sample: Sequence[ImageLocation], settings: FeatureSettings, images: ImageSettings | None = None
) -> float:
    """Seconds of wall clock an image, reading and decoding included, over the sample's images but the first batch.

    sample: at least two batches' worth of places, spread over the data; fewer are repeated. 0 for no images.
    """
    if not sample:
        return 0.0
    import torch

    batch_size = min(settings.batch_size, 32)
    places = list(sample) * (-(-2 * batch_size // len(sample)))
    rows = np.arange(len(places) // batch_size * batch_size, dtype=np.int64)
    batches = decoded_batches(
        rows.reshape(-1, batch_size), lambda r: [places[i] for i in r], backbone.view, images=images or ImageSettings(),
        workers=available_workers(settings.workers), pinned=backbone.device.startswith("cuda"),
        beside=decodes_beside(backbone),
    )  # fmt: skip
    start = 0.0
    for number, batch in enumerate(batches):
        backbone.forward(batch.images)
        if number == 0:
            if backbone.device.startswith("cuda"):
                torch.cuda.synchronize(backbone.device)
            start = time.perf_counter()
    if backbone.device.startswith("cuda"):
        torch.cuda.synchronize(backbone.device)
    return (time.perf_counter() - start) / (len(rows) - batch_size)
