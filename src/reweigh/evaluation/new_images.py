"""Labels and probabilities for images that no catalog knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.tables import ImageLocation
from reweigh.evaluation.stored_predictions import write_predictions
from reweigh.evaluation.submission import PLACES, check_submission, write_submission
from reweigh.features.model_folder import Model
from reweigh.features.settings import FeatureSettings
from reweigh.features.several_views import extract_views, unreadable_in_any
from reweigh.features.store import Features
from reweigh.images.settings import ImageSettings
from reweigh.images.views import EvaluationView
from reweigh.probes.linear import Head, predict_views
from reweigh.progress import Progress, silent


def predict(
    model: Model,
    images: Sequence[tuple[str, ImageLocation]],
    *,
    workspace: Path,
    top: int = 5,
    views: Sequence[EvaluationView] | None = None,
    probabilities: Path | None = None,
    top_m: int | None = None,
    submission: Path | None = None,
    settings: FeatureSettings | None = None,
    image_settings: ImageSettings | None = None,
    progress: Progress = silent,
) -> pa.Table:
    """One row an image: `file`, `label`, `probability`, `label_2`, `probability_2`, ... up to `top`, `unreadable`.

    images: (name, location) pairs; `workspace` is an empty folder for the features on the way. An image that cannot be read
    has no label and the reason in `unreadable`; it is never left out. views: whose probabilities are averaged; None: the
    model's own. probabilities: a new folder for all of them (`top_m`: the largest of each image); submission: a file for
    WebVision's.
    """
    names = [name for name, _ in images]
    if submission is not None:
        check_submission(names, len(model.class_names))
    views = views or [model.backbone.view]
    features = extract_views(
        model.backbone, len(images), lambda at: [images[i][1] for i in at], lambda at: [names[i] for i in at], views=views,
        folders=[workspace / str(number) for number in range(len(views))], settings=settings or FeatureSettings(),
        images=image_settings or ImageSettings(unreadable_limit=1.0), progress=progress,
    )  # fmt: skip
    best, probability = best_classes(features, model, top=max(top, PLACES) if submission else top)
    unreadable = unreadable_in_any(features)
    reasons = [unreadable.get(row) for row in range(len(names))]
    if probabilities is not None:
        blocks = predict_views(model, features, np.arange(len(names)))
        write_predictions(
            probabilities, blocks, names=names, class_names=model.class_names, unreadable=reasons, top_m=top_m
        )  # fmt: skip
    if submission is not None:
        write_submission(submission, names, best)
    best, probability = best[:, :top], probability[:, :top]
    return prediction_table(names, reasons, model.class_names, best, probability)


def prediction_table(
    names: Sequence[str], reasons: Sequence[str | None], classes: Sequence[str], best: NDArray[np.int32], probability: NDArray[np.float32]
) -> pa.Table:  # fmt: skip
    """The table of `predict`, of best classes (n, top) and their probabilities."""
    missing = np.array([reason is not None for reason in reasons], dtype=bool)
    class_names = np.array(classes, dtype=object)
    columns: dict[str, pa.Array] = {"file": pa.array(names, pa.string())}
    for place in range(best.shape[1]):
        suffix = f"_{place + 1}" if place else ""
        columns[f"label{suffix}"] = pa.array(class_names[best[:, place]], pa.string(), mask=missing)
        columns[f"probability{suffix}"] = pa.array(probability[:, place], pa.float32(), mask=missing)
    columns["unreadable"] = pa.array(reasons, pa.string())
    return pa.table(columns)


def best_classes(
    features: Sequence[Features], head: Head, *, top: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The `top` most probable classes of each row, best first (n, top) int32, and their probabilities (n, top) float32."""
    n = features[0].n
    return best_of(predict_views(head, features, np.arange(n)), n=n, top=min(top, len(head.bias)))


def best_of(
    blocks: Iterator[NDArray[np.float32]], *, n: int, top: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The same of blocks (b, k) of log-probabilities of n rows in all."""
    best, probability = np.empty((n, top), np.int32), np.empty((n, top), np.float32)
    start = 0
    for block in blocks:
        here = slice(start, start + len(block))
        best[here] = np.argsort(-block, axis=1, kind="stable")[:, :top]
        probability[here] = np.exp(np.take_along_axis(block, best[here].astype(np.int64), axis=1))
        start = here.stop
    return best, probability
