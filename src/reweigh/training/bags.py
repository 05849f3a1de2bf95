"""Bags: a few images of one class that are also classified together, each by how much it speaks for the class. URNet 4.4."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reweigh.training.sampling import epoch_rows
from reweigh.training.settings import BagSettings

BAGS = 11
"""Purpose of the draws in SeedSequence([seed, purpose, epoch])."""
BAG_HEAD = "bag"
"""Name of the bag's part in the classifier's tensors."""


class BagHead(nn.Module):
    """Features (b, d) of whole bags, one after the other -> logits (b / size, k) and the share of each image in its bag (b,).

    `attention`: S = softmax over the bag of FC3(tanh(FC2(F))), logits FC4(S^T F); `mean`: every share is 1 / size, the
    control. URNet names two layers and the softmax; the tanh between them is ours (Ilse et al. 2018).
    """

    def __init__(self, *, d: int, k: int, settings: BagSettings) -> None:
        super().__init__()
        self.size = settings.size
        self.score = (
            nn.Sequential(nn.Linear(d, settings.hidden), nn.Tanh(), nn.Linear(settings.hidden, 1))
            if settings.pooling == "attention"
            else None
        )
        self.fc4 = nn.Linear(d, k)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        bags = features.unflatten(0, (-1, self.size))
        shares = (
            bags.new_full(bags.shape[:2], 1 / self.size)
            if self.score is None
            else self.score(bags)[..., 0].softmax(dim=1)
        )
        return self.fc4((shares[..., None] * bags).sum(dim=1)), shares.flatten()


def bag_plan(
    labels: NDArray[np.integer], weights: NDArray[np.float64], *, size: int, batch: int, n_steps: int, seed: int, epoch: int,
    is_drawn: bool = False,
) -> NDArray[np.int64]:  # fmt: skip
    """(steps, batch) positions of an epoch's images, bag after bag; `batch` is a multiple of `size`.

    Each bag is an anchor and size - 1 mates of its class. Anchors are read in a new order every `size` epochs, once each
    (`is_drawn`: drawn by weight); mates are other images of the class, drawn uniformly (`is_drawn`: by weight, perhaps the
    same twice). So every image is expected as often as without bags, whatever its class's size; in a class with fewer
    images than a bag they repeat. labels (n,), weights (n,): images of weight 0 are in no bag.
    """
    anchors = epoch_rows(
        weights, seed=seed, epoch=epoch // size, batch=batch // size, mode="weighted" if is_drawn else "shuffle"
    )  # fmt: skip
    steps = np.arange(epoch % size * n_steps, (epoch % size + 1) * n_steps) % len(anchors)
    chosen = anchors[steps].ravel()
    generator = np.random.default_rng(np.random.SeedSequence([seed, BAGS, epoch]))
    mates = _drawn_mates(chosen, labels, weights, size - 1, generator, is_drawn=is_drawn)
    return np.concatenate([chosen[:, None], mates], axis=1).reshape(n_steps, batch)


def _drawn_mates(
    anchors: NDArray[np.int64], labels: NDArray[np.integer], weights: NDArray[np.float64], count: int, generator: np.random.Generator,
    *, is_drawn: bool,
) -> NDArray[np.int64]:  # fmt: skip
    """(a, count) positions of images of each anchor's class."""
    usable = np.flatnonzero(weights > 0)
    order = usable[np.argsort(labels[usable], kind="stable")]
    k = int(labels.max()) + 1
    first = np.searchsorted(labels[order], np.arange(k))
    sizes = np.bincount(labels[order], minlength=k)
    own = labels[anchors]
    start, size = first[own], sizes[own]
    if is_drawn:
        ends = np.cumsum(weights[order])
        before = np.concatenate([[0.0], ends])[start]
        mass = ends[start + size - 1] - before
        points = before[:, None] + generator.random((len(anchors), count)) * mass[:, None]
        at = np.searchsorted(ends, points, side="right")
        return order[np.clip(at, start[:, None], (start + size - 1)[:, None])]
    place = np.empty(int(labels.shape[0]), np.int64)
    place[order] = np.arange(len(order))
    taken = (place[anchors] - start)[:, None]
    for done in range(1, count + 1):
        left = size - done
        drawn = (generator.random(len(anchors)) * np.where(left > 0, left, size)).astype(np.int64)
        # The number of an image among those that are not in the bag becomes its number in the class.
        for column in np.sort(taken, axis=1).T:
            drawn += (left > 0) & (drawn >= column)
        taken = np.concatenate([taken, drawn[:, None]], axis=1)
    return order[start[:, None] + taken[:, 1:]]


def first_counted_epoch(epochs: int, size: int) -> int:
    """The epoch that saliency is averaged from, so that every image was an anchor since: that of the last whole reading of all anchors.

    Of fewer epochs than such a reading takes, the first one; then some images may have been in no bag.
    """
    return max(epochs // size - 1, 0) * size


class Saliency:
    """How much each image speaks for its class within bags: size x its share, averaged over the last epochs; 1 is as much as its mates."""

    def __init__(self, n: int, size: int) -> None:
        self.size = size
        self.sums, self.counts = torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)

    def add(self, positions: NDArray[np.int64], shares: torch.Tensor) -> None:
        at = torch.from_numpy(positions)
        self.sums.index_add_(0, at, shares.detach().double().cpu() * self.size)
        self.counts.index_add_(0, at, torch.ones(len(at), dtype=torch.float64))
