"""The strength of regularisation, chosen by the log loss on held-out labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.features.matrix import FeatureMatrix
from reweigh.probes.folds import hash_numbers
from reweigh.probes.linear import Probe, ProbeProblem, Rows, Uids, predict, probe_problem, solve
from reweigh.probes.settings import ProbeSettings
from reweigh.progress import Progress, silent
from reweigh.ranks import ALONE, Ranks, agreed, dealt

DEFAULT_L2 = 0.02
"""Where nothing can be held out (no class has rows in two folds): best for a baseline of 5,000 web images."""
ALL_FOLDS_ROWS = 3_000
"""Up to this many rows every fold has a say, above it one fold: it chose the same on 3,103 and 6,000 real images."""
CHOICE_TOLERANCE = 1e-3
"""Coefficients this exact leave the held-out loss exact to 1e-6."""
RISES = 2
"""The path towards weaker strengths ends after this many losses in a row above the best."""


@dataclass(frozen=True, kw_only=True)
class StrengthChoice:
    """What was tried and what was best."""

    l2: float
    grid: tuple[float, ...]
    """Strengths tried, falling; shorter than the settings' where losses rose before the end; empty: none could be."""
    held_out_losses: tuple[float, ...]
    """Mean -log p(given label) over the held-out rows, of each."""
    n_folds: int
    """Folds that were held out."""
    n_rows: int
    """Held-out rows that the losses are a mean of."""


def choose_l2(
    features: FeatureMatrix,
    rows: Rows,
    labels: NDArray[np.integer],
    folds: NDArray[np.int8],
    *,
    k: int,
    settings: ProbeSettings,
    seed: int,
    uids: Uids | None = None,
    progress: Progress = silent,
    ranks: Ranks = ALONE,
) -> StrengthChoice:
    """The strength of `settings.l2_grid` with the lowest held-out log loss on the given labels.

    rows, labels, folds (n,), as `assign_folds` gives them; rows of fold -1 are left out. Every fold is held out up to
    3,000 rows, one fold above; of more than `settings.choice_rows` rows that many are drawn by hash. The path goes
    from strong to weak, each fit starting from the last, and ends once two losses in a row are above the best.
    Held-out rows of a class that the other folds lack have no say: no strength could help them. Several `ranks` deal the
    folds out among them, or share the rows of the only one, and choose what one alone would.
    """
    chosen = _drawn(rows, np.flatnonzero(folds >= 0), n=settings.choice_rows, seed=seed)
    rows, labels, folds = rows[chosen], labels[chosen], folds[chosen]
    numbers = np.unique(folds)
    held_out = numbers if len(rows) <= ALL_FOLDS_ROWS else numbers[:1]
    dealers, sharers = (ranks, ALONE) if len(held_out) > 1 else (ALONE, ranks)
    splits: dict[int, _Split] = {}
    heads: dict[int, Probe] = {}

    def begun(number: int) -> tuple[int]:
        splits[number] = _split(
            features, rows, labels, folds == held_out[number], k=k, uids=uids, ranks=sharers
        )  # fmt: skip
        return (len(splits[number].rows),)

    judges = [count for (count,) in dealt(dealers, len(held_out), begun)]
    judging = [number for number, count in enumerate(judges) if count]
    n_rows = sum(judges)
    if n_rows == 0:
        return StrengthChoice(l2=DEFAULT_L2, grid=(), held_out_losses=(), n_folds=0, n_rows=0)
    losses: list[float] = []
    for l2 in settings.l2_grid:

        def judged(number: int, l2: float = l2) -> tuple[float]:
            if number not in judging:
                return (0.0,)
            heads[number] = solve(
                splits[number].problem,
                l2=l2,
                start=heads.get(number),
                tolerance=CHOICE_TOLERANCE,
                max_iterations=settings.max_iterations,
            )
            return (_loss(heads[number], features, splits[number]),)

        total = 0.0
        for (loss,) in dealt(dealers, len(held_out), judged):
            total += loss
        losses.append(agreed(ranks, total / n_rows))
        progress("strength", len(losses), len(settings.l2_grid), f"l2 {l2:g}: held-out loss {losses[-1]:.4f}")
        if len(losses) > RISES and min(losses[-RISES:]) > min(losses):
            break
    return StrengthChoice(
        l2=settings.l2_grid[int(np.argmin(losses))],
        grid=settings.l2_grid[: len(losses)],
        held_out_losses=tuple(losses),
        n_folds=len(judging),
        n_rows=n_rows,
    )


@dataclass(frozen=True)
class _Split:
    """One fold held out: the others' fit, and the rows that judge it."""

    problem: ProbeProblem
    rows: Rows
    labels: NDArray[np.integer]


def _split(
    features: FeatureMatrix,
    rows: Rows,
    labels: NDArray[np.integer],
    is_held_out: NDArray[np.bool_],
    *,
    k: int,
    uids: Uids | None,
    ranks: Ranks,
) -> _Split:
    problem = probe_problem(features, rows[~is_held_out], labels[~is_held_out], k=k, uids=uids, ranks=ranks)
    judges = np.flatnonzero(is_held_out & np.isin(labels, problem.present))
    return _Split(problem, rows[judges], labels[judges])


def _loss(head: Probe, features: FeatureMatrix, split: _Split) -> float:
    """Sum of -log p(label) over the held-out rows."""
    total, start = 0.0, 0
    for block in predict(head, features, split.rows):
        labels = split.labels[start : start + len(block)]
        total -= float(block[np.arange(len(block)), labels].sum(dtype=np.float64))
        start += len(block)
    return total


def _drawn(rows: Rows, candidates: NDArray[np.int64], *, n: int, seed: int) -> NDArray[np.int64]:
    """At most n of the candidate positions, those whose rows have the smallest hashes, in their order."""
    if len(candidates) <= n:
        return candidates
    return np.sort(candidates[np.argsort(hash_numbers(rows[candidates], seed), kind="stable")[:n]])
