"""Labels and probabilities for images that no catalog knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.tables import ImageLocation
from reweigh.features.extraction import extract
from reweigh.features.model_folder import Model
from reweigh.features.settings import FeatureSettings
from reweigh.features.store import Features, unreadable_table
from reweigh.images.settings import ImageSettings
from reweigh.probes.linear import Head
from reweigh.probes.linear import predict as predict_rows
from reweigh.progress import Progress, silent


def predict(
    model: Model,
    images: Sequence[tuple[str, ImageLocation]],
    *,
    workspace: Path,
    top: int = 5,
    settings: FeatureSettings | None = None,
    image_settings: ImageSettings | None = None,
    progress: Progress = silent,
) -> pa.Table:
    """One row an image: `file`, `label`, `probability`, `label_2`, `probability_2`, ... up to `top`, `unreadable`.

    images: (name, location) pairs; `workspace` is an empty folder for the features on the way. An image that cannot be read
    has no label and the reason in `unreadable`; it is never left out.
    """
    names = [name for name, _ in images]
    features = extract(
        model.backbone, len(images), lambda at: [images[i][1] for i in at], lambda at: [names[i] for i in at], folder=workspace,
        settings=settings or FeatureSettings(), images=image_settings or ImageSettings(unreadable_limit=1.0), progress=progress,
    )  # fmt: skip
    best, probability = best_classes(features, model, top=top)
    unreadable = unreadable_table(features)
    reasons: list[str | None] = [None] * len(names)
    for row, reason in zip(unreadable["row"].to_pylist(), unreadable["reason"].to_pylist(), strict=True):
        reasons[row] = reason
    missing = np.array([reason is not None for reason in reasons], dtype=bool)
    class_names = np.array(model.class_names, dtype=object)
    columns: dict[str, pa.Array] = {"file": pa.array(names, pa.string())}
    for place in range(best.shape[1]):
        suffix = f"_{place + 1}" if place else ""
        columns[f"label{suffix}"] = pa.array(class_names[best[:, place]], pa.string(), mask=missing)
        columns[f"probability{suffix}"] = pa.array(probability[:, place], pa.float32(), mask=missing)
    columns["unreadable"] = pa.array(reasons, pa.string())
    return pa.table(columns)


def best_classes(features: Features, head: Head, *, top: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The `top` most probable classes of each row, best first (n, top) int32, and their probabilities (n, top) float32."""
    top = min(top, len(head.bias))
    best, probability = np.empty((features.n, top), np.int32), np.empty((features.n, top), np.float32)
    start = 0
    for block in predict_rows(head, features, np.arange(features.n)):
        here = slice(start, start + len(block))
        best[here] = np.argsort(-block, axis=1, kind="stable")[:, :top]
        probability[here] = np.exp(np.take_along_axis(block, best[here].astype(np.int64), axis=1))
        start = here.stop
    return best, probability
