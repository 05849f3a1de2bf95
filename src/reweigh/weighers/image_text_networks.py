"""Two small networks that bring images and labels' texts to one space: trained by torch, one pair a fold, applied block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reweigh.weighers.image_text_losses import MATCHING_LOSSES, Matches

if TYPE_CHECKING:
    import torch

    Layers = list[torch.Tensor]
    """Weight (f, n_in, hidden), bias (f, 1, hidden), weight (f, hidden, size), bias (f, 1, size) of f networks side by side"""


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
    """What f pairs of networks have learnt."""

    weights: tuple[NDArray[np.float32], ...]
    """Of the images' side: (f, d, hidden), (f, 1, hidden), (f, hidden, size), (f, 1, size)"""
    texts: NDArray[np.float32]
    """(f, k, size) the labels' texts in the common space, of length 1"""


def fit_matching(
    points: NDArray[np.float32], labels: NDArray[np.int64], seen: Sequence[NDArray[np.int64]], texts: NDArray[np.float32],
    settings: MatchingSettings, *, seed: int,
) -> Matching:  # fmt: skip
    """Networks image -> FC -> ReLU -> FC and text -> FC -> ReLU -> FC, trained on images and their labels' texts.

    points (m, d); labels (m,) in 0..k-1; seen: for each pair of networks the rows that it learns from; texts (k, t), t = 0: one-hot.
    Every class with images is drawn as often. All pairs are trained in the same steps, side by side: small ones cost what one does.
    The result depends on the arguments and, in its last bits, on the number of threads.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    images = two_layers(len(seen), points.shape[1], settings, generator)
    words = two_layers(len(seen), texts.shape[1] or len(texts), settings, generator)
    optimizer = torch.optim.AdamW([*images, *words], lr=settings.rate, weight_decay=settings.weight_decay, fused=True)
    x, said, own = torch.from_numpy(points), torch.from_numpy(texts), torch.from_numpy(labels.astype(np.int64))
    draws = [_draws(labels, rows, len(texts), settings, seed=(seed, fold)) for fold, rows in enumerate(seen)]
    for step in zip(*draws, strict=True):
        rows, other = (torch.from_numpy(np.stack(part)) for part in zip(*step, strict=True))
        cosines = unit(forward(images, x[rows])) @ unit(forward(words, said)).mT
        matches = Matches(cosines=cosines, own=own[rows], other=other)
        losses = MATCHING_LOSSES[settings.loss](matches, temperature=settings.temperature, margin=settings.margin)
        optimizer.zero_grad()
        losses.mean(dim=1).sum().backward()
        optimizer.step()
    with torch.no_grad():
        known = unit(forward(words, said)).numpy()
    return Matching(weights=tuple(layer.detach().numpy() for layer in images), texts=known)


def two_layers(n: int, n_in: int, settings: MatchingSettings, generator: torch.Generator) -> Layers:
    """FC, FC of n networks; uniform within 1 / sqrt(inputs), as torch's own layers start, all n from the same start."""
    import torch

    layers = []
    for inputs, outputs in ((n_in, settings.hidden), (settings.hidden, settings.size)):
        for shape in ((1, inputs, outputs), (1, 1, outputs)):
            drawn = (2 * torch.rand(shape, generator=generator) - 1) * inputs**-0.5
            layers.append(drawn.repeat(n, 1, 1).requires_grad_())
    return layers


def forward(layers: Layers, values: torch.Tensor) -> torch.Tensor:
    """(f, b, size) of values (f, b, n_in) or (b, n_in); of none (b, 0) those of the identity matrix, which is not made."""
    first, first_bias, second, second_bias = layers
    product = values @ first if values.shape[-1] else first
    return (product + first_bias).relu() @ second + second_bias


def unit(values: torch.Tensor) -> torch.Tensor:
    """Rows of length 1."""
    return values / values.norm(dim=-1, keepdim=True).clamp(min=1e-12)


def cosines_with_own(
    points: NDArray[np.float32], labels: NDArray[np.integer], matching: Matching, fold: int
) -> NDArray[np.float32]:
    """(b,) s_i = cos(f(g_i), t(text(y_i))) of images (b, d) by one pair of networks."""
    first, first_bias, second, second_bias = (layer[fold] for layer in matching.weights)
    hidden = points @ first
    hidden += first_bias
    np.maximum(hidden, 0, out=hidden)
    found = hidden @ second + second_bias
    lengths = np.maximum(np.linalg.norm(found, axis=1), 1e-12)
    return np.einsum("ij,ij->i", found, matching.texts[fold, labels]) / lengths


def _draws(
    labels: NDArray[np.int64], seen: NDArray[np.int64], k: int, settings: MatchingSettings, *, seed: tuple[int, int]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(rows (b,), another label of each (b,)) of every step: a class of those with images, then an image of it."""
    generator = np.random.default_rng(seed)
    order = seen[np.argsort(labels[seen], kind="stable")]
    classes, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    for _ in range(settings.steps):
        drawn = generator.integers(0, len(classes), settings.batch)
        rows = order[starts[drawn] + (generator.random(settings.batch) * sizes[drawn]).astype(np.int64)]
        other = (labels[rows] + generator.integers(1, max(k, 2), settings.batch)) % k
        yield rows, other
