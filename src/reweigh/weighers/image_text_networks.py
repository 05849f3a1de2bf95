"""Two small networks that bring images and labels' texts to one space: trained by torch, applied block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.image_text_losses import MATCHING_LOSSES, Matches

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class MatchingSettings:
    """How the networks are built and trained."""

    loss: str
    temperature: float
    margin: float
    hidden: int
    size: int
    steps: int
    batch: int
    rate: float
    weight_decay: float


@dataclass(frozen=True, kw_only=True)
class Matching:
    """What has been learnt."""

    weights: tuple[NDArray[np.float32], ...]
    """Of the images' side: (hidden, d), (hidden,), (size, hidden), (size,)"""
    texts: NDArray[np.float32]
    """(k, size) the labels' texts in the common space, of length 1"""


def fit_matching(
    points: NDArray[np.float32], labels: NDArray[np.int64], texts: NDArray[np.float32], settings: MatchingSettings, *, seed: int
) -> Matching:  # fmt: skip
    """Networks image -> FC -> ReLU -> FC and text -> FC -> ReLU -> FC, trained on these images and their labels' texts.

    points (m, d); labels (m,) in 0..k-1; texts (k, t), t = 0: one-hot. Every class with images is drawn as often. The order of the
    rows, the seed and the number of threads are all that the result depends on.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    images = two_layers(points.shape[1], settings, generator)
    words = two_layers(texts.shape[1] or len(texts), settings, generator)
    parameters = [*images.parameters(), *words.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=settings.weight_decay)
    x, said = torch.from_numpy(points), torch.from_numpy(texts)
    for rows, other in _draws(labels, len(texts), settings, seed):
        cosines = unit(images(x[rows])) @ unit(_texts(words, said)).T
        matches = Matches(cosines=cosines, own=torch.from_numpy(labels[rows]), other=torch.from_numpy(other))
        losses = MATCHING_LOSSES[settings.loss](matches, temperature=settings.temperature, margin=settings.margin)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
    with torch.no_grad():
        known = unit(_texts(words, said)).numpy()
    return Matching(weights=tuple(p.detach().numpy() for p in images.parameters()), texts=known)


def two_layers(n_in: int, settings: MatchingSettings, generator: torch.Generator) -> nn.Sequential:
    """FC, ReLU, FC; torch's own uniform start, drawn from the generator instead of the global one."""
    import torch
    from torch import nn

    layers = nn.Linear(n_in, settings.hidden), nn.Linear(settings.hidden, settings.size)
    with torch.no_grad():
        for layer in layers:
            bound = layer.in_features**-0.5
            for parameter in (layer.weight, layer.bias):
                parameter.uniform_(-bound, bound, generator=generator)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1])


def unit(values: torch.Tensor) -> torch.Tensor:
    """Rows of length 1."""
    return values / values.norm(dim=1, keepdim=True).clamp(min=1e-12)


def cosines_with_own(
    points: NDArray[np.float32], labels: NDArray[np.integer], matching: Matching
) -> NDArray[np.float32]:
    """(b,) s_i = cos(f(g_i), t(text(y_i))) of images (b, d)."""
    first, first_bias, second, second_bias = matching.weights
    hidden = points @ first.T
    hidden += first_bias
    np.maximum(hidden, 0, out=hidden)
    found = hidden @ second.T + second_bias
    lengths = np.maximum(np.linalg.norm(found, axis=1), 1e-12)
    return np.einsum("ij,ij->i", found, matching.texts[labels]) / lengths


def _texts(words: Any, said: torch.Tensor) -> torch.Tensor:
    """(k, size) of texts (k, t); of one-hot texts the first layer's columns are the product already."""
    if said.shape[1]:
        return words(said)
    first = words[0]
    return words[2](words[1](first.weight.T + first.bias))


def _draws(
    labels: NDArray[np.int64], k: int, settings: MatchingSettings, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(rows (b,), another label of each (b,)) of every step: a class of those with images, then an image of it."""
    generator = np.random.default_rng(seed)
    order = np.argsort(labels, kind="stable")
    classes, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    for _ in range(settings.steps):
        drawn = generator.integers(0, len(classes), settings.batch)
        rows = order[starts[drawn] + (generator.random(settings.batch) * sizes[drawn]).astype(np.int64)]
        other = (labels[rows] + generator.integers(1, max(k, 2), settings.batch)) % k
        yield rows, other
