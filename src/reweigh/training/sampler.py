"""Weights on the sampling, for a training loop of one's own in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from torch.utils.data import Sampler

from reweigh.training.sampling import checked_weights, epoch_rows, steps_of_epoch


class WeightedSampler(Sampler[int]):
    """Rows in proportion to their weights, drawn anew each epoch; weight 0 is never drawn.

        sampler = WeightedSampler(weights, batch=256)
        loader = DataLoader(images, batch_size=256, sampler=sampler)

    On several ranks each has its own sampler with its `rank` and `world`, the same weights, seed and `batch`, and a
    loader of batch_size = batch / world: all ranks together read what one process would, step by step.
    Each iteration is the next epoch, also where nobody calls `set_epoch`: one draw for all epochs would leave out the
    same rows for ever. Raises ReweighError for weights that are not finite, below 0, all 0 or not of shape (n,).
    """

    def __init__(self, weights: ArrayLike, *, batch: int, seed: int = 0, rank: int = 0, world: int = 1) -> None:
        self.weights = checked_weights(np.asarray(weights, np.float64))
        self.batch, self.seed, self.rank, self.world = batch, seed, rank, world
        self.n_steps = steps_of_epoch(int(np.count_nonzero(self.weights)), batch=batch, rank=rank, world=world)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration draws; after a resume, or where something else iterates in between."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        plan = epoch_rows(
            self.weights, seed=self.seed, epoch=self.epoch, batch=self.batch, rank=self.rank, world=self.world, mode="weighted"
        )  # fmt: skip
        self.epoch += 1
        return (row for step in plan for row in step.tolist())

    def __len__(self) -> int:
        """Rows that this rank reads in an epoch."""
        return self.n_steps * self.batch // self.world
