"""Stored features in the place of images: read step by step, standardised, and followed by a hidden layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reweigh.features.hidden_layer import HiddenLayer
from reweigh.features.matrix import FeatureMatrix
from reweigh.probes.checks import Uids, check_finite
from reweigh.training.classifier import Classifier
from reweigh.training.loader import TrainingBatch
from reweigh.training.settings import BagSettings

Rows = NDArray[np.int64]
BLOCK = 4096
"""Rows that are read at once to measure the features."""
LEAST = 1e-6
"""A feature that varies less than this, relative to the most varied one, is left out: it would be noise scaled up."""


@dataclass(frozen=True, kw_only=True)
class StoredRows:
    """Features that a hidden layer is trained on."""

    features: FeatureMatrix
    width: int
    """Units of the hidden layer"""
    mean: NDArray[np.float32]
    """(d,) what is taken from a feature"""
    scale: NDArray[np.float32]
    """(d,) what it is multiplied by then: 1 / its deviation, 0 where it hardly varies"""
    uids: Uids | None = None
    """Names of rows of the features, for errors"""


def stored_rows(
    features: FeatureMatrix, rows: Rows, weights: NDArray[np.floating] | None, *, width: int, uids: Uids | None = None
) -> StoredRows:
    """The features with the weighted mean and deviation of these rows; a row of weight 0 leaves no trace.

    Two passes over blocks in float64. Raises ReweighError for features that are not finite, naming the image.
    """
    given = np.ones(len(rows)) if weights is None else np.asarray(weights, np.float64)
    kept = np.flatnonzero(given > 0)
    total, mass = np.zeros(features.d), float(given[kept].sum())
    for block, own in _blocks(features, rows[kept], given[kept], uids):
        total += own @ block
    mean = total / mass
    squares = np.zeros(features.d)
    for block, own in _blocks(features, rows[kept], given[kept], uids):
        squares += own @ np.square(block - mean)
    deviation = np.sqrt(squares / mass)
    varies = deviation > LEAST * deviation.max(initial=0.0)
    scale = np.divide(1.0, deviation, out=np.zeros(features.d), where=varies)
    return StoredRows(
        features=features, width=width, mean=mean.astype(np.float32), scale=scale.astype(np.float32), uids=uids
    )


def _blocks(
    features: FeatureMatrix, rows: Rows, weights: NDArray[np.float64], uids: Uids | None
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    for start in range(0, len(rows), BLOCK):
        here = rows[start : start + BLOCK]
        block = check_finite(features.read(here), here, uids=uids)
        yield block.astype(np.float64), weights[start : start + BLOCK]


def stored_batches(stored: StoredRows, parts: Iterable[Rows]) -> Iterator[TrainingBatch]:
    """A batch for each part, its features as they are stored, (b, d) float32."""
    for rows in parts:
        values = check_finite(stored.features.read(rows), rows, uids=stored.uids)
        yield TrainingBatch(rows=rows, images=torch.from_numpy(values), failures=())


def hidden_classifier(stored: StoredRows, *, k: int, dropout: float, seed: int, bags: BagSettings) -> Classifier:
    """Standardised features (b, d) to logits (b, k); all its layers are drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden = nn.Sequential(nn.Linear(stored.features.d, stored.width), nn.ReLU())
        return Classifier(hidden, d=stored.width, k=k, dropout=dropout, bags=bags)


class Standardiser(nn.Module):
    """Features as they are stored -> float32 of mean 0 and deviation 1, on its device."""

    def __init__(self, stored: StoredRows) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.scale: torch.Tensor
        self.register_buffer("mean", torch.from_numpy(stored.mean))
        self.register_buffer("scale", torch.from_numpy(stored.scale))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return (features - self.mean) * self.scale


def folded(stored: StoredRows, tensors: Mapping[str, torch.Tensor]) -> HiddenLayer:
    """The trained hidden layer for features as they are stored: W' = W diag(scale), b' = b - W' mean."""
    weight, bias = (tensors[f"backbone.0.{name}"].double().numpy() for name in ("weight", "bias"))
    raw = weight * stored.scale
    return HiddenLayer(weight=raw.astype(np.float32), bias=(bias - raw @ stored.mean).astype(np.float32))
