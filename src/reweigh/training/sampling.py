"""The sampling plan: which rows each step of an epoch reads, on which rank. A function of the seed and the epoch alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reweigh.errors import ReweighError

Mode = Literal["shuffle", "weighted"]
SAMPLING = 3
"""Purpose of the draws in SeedSequence([seed, purpose, epoch])."""


def epoch_rows(
    n_or_weights: int | ArrayLike,
    *,
    seed: int,
    epoch: int,
    batch: int,
    rank: int = 0,
    world: int = 1,
    mode: Mode = "shuffle",
) -> NDArray[np.int64]:
    """Rows that rank `rank` of `world` reads in one epoch, (steps, batch / world): one line a step.

    n_or_weights: the number of rows, or weights (n,), 0 or more. Rows of weight 0 are never read.
    batch: rows of one step on all ranks together, a multiple of `world`. Each step of one process is dealt out to the
    ranks in turn, so that all ranks take the same number of steps and read together what one process reads.
    `shuffle`: every row once, in a new order each epoch; the last step is filled up from the beginning.
    `weighted`: rows drawn anew each epoch, each expected in proportion to its weight; as many as rows have a weight, up
    to whole steps. Raises ReweighError for weights that are not finite, below 0 or all 0, and for ranks that do not fit.
    """
    weights = checked_weights(n_or_weights)
    n_steps = steps_of_epoch(int(np.count_nonzero(weights)), batch=batch, rank=rank, world=world)
    if epoch < 0 or seed < 0:
        raise ReweighError(f"Seed and epoch of a sampling plan must be 0 or more, found {seed} and {epoch}.")
    generator = np.random.default_rng(np.random.SeedSequence([seed, SAMPLING, epoch]))
    order = generator.permutation(np.flatnonzero(weights))
    if mode == "shuffle":
        rows = np.resize(order, n_steps * batch)
    elif mode == "weighted":
        rows = generator.permutation(np.repeat(order, _times_drawn(weights[order], n_steps * batch, generator)))
    else:
        raise ReweighError(f"No mode {mode!r} of a sampling plan; there are: shuffle, weighted.")
    return np.ascontiguousarray(rows.reshape(n_steps, batch)[:, rank::world])


def steps_of_epoch(n_rows: int, *, batch: int, rank: int = 0, world: int = 1) -> int:
    """Steps in which n_rows are read at least once. Raises ReweighError for a batch or a rank that do not fit."""
    if not 0 <= rank < world:
        raise ReweighError(f"Ranks run from 0 to world - 1; found rank {rank} of {world}.")
    if batch < 1 or batch % world:
        raise ReweighError(
            f"A batch must be a multiple of the {world} ranks it is dealt out to, found {batch}. It counts the rows of all "
            f"ranks together: each reads batch / {world}."
        )
    return -(-n_rows // batch)


def checked_weights(n_or_weights: int | ArrayLike) -> NDArray[np.float64]:
    """(n,) weights; all 1 for a number of rows. Raises ReweighError that names the first row whose weight is no weight."""
    if isinstance(n_or_weights, int | np.integer):
        if n_or_weights < 1:
            raise ReweighError(f"A sampling plan needs a row or more, found {n_or_weights}.")
        return np.ones(int(n_or_weights))
    weights = np.asarray(n_or_weights, np.float64)
    if weights.ndim != 1 or not len(weights):
        raise ReweighError(f"Weights must be one a row, shape (n,) with n >= 1; found shape {weights.shape}.")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise ReweighError(
            f"Weights must be finite and 0 or more; row {bad[0]} has {weights[bad[0]]} ({len(bad)} of {len(weights)} rows)."
        )
    if not weights.any():
        raise ReweighError(f"All {len(weights)} weights are 0: there is no row to draw.")
    return weights


def _times_drawn(weights: NDArray[np.float64], n_draws: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(n,) how often each row is drawn, n_draws in all: n_draws w / sum w, rounded up or down with that mean.

    Systematic draws: n_draws points at equal distances from a random start, each drawing the row in whose stretch of the
    cumulative weights it lies. Drawing each anew (multinomial) has the same mean and more noise: of rows of equal weight
    it would miss a third each epoch. The caller's random order of the rows undoes what neighbours in it share.
    """
    ends = np.cumsum(weights)
    counts = np.ceil(ends * (n_draws / ends[-1]) - generator.random()).astype(np.int64)
    counts[-1] = n_draws  # rounding of the sum
    return np.diff(np.minimum(counts, n_draws), prepend=0)
