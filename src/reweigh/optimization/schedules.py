"""Learning rates as functions of the step alone, so that a resumed training needs to remember nothing of them."""

from __future__ import annotations

import math
from collections.abc import Callable

from reweigh.errors import look_up

REFERENCE_BATCH = 256
"""Images a step that a learning rate is meant for."""
FALLS = (0.5, 0.75)
"""Shares of the training at which the schedule `step` falls."""
FALLS_TO = 0.1


def scaled_rate(rate: float, *, batch: int, reference: int = REFERENCE_BATCH) -> float:
    """The rate of a batch: in proportion to its size (Goyal et al. 2017, linear scaling)."""
    return rate * batch / reference


def rate_factor(step: int, *, n_steps: int, warmup_steps: int, schedule: str) -> float:
    """What the highest rate is multiplied by at a step of 0..n_steps-1, above 0 and at most 1.

    It rises in equal parts over the warm-up, (step + 1) / warmup_steps, and follows the schedule afterwards.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return look_up(schedule, SCHEDULES, kind="schedule")((step - warmup_steps) / max(n_steps - warmup_steps, 1))


def cosine(done: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter 2017), at a share `done` of the steps after the warm-up."""
    return (1 + math.cos(math.pi * done)) / 2


def steps(done: float) -> float:
    """A tenth of the rate from half on, a hundredth from three quarters on."""
    return FALLS_TO ** sum(done >= share for share in FALLS)


def constant(done: float) -> float:
    """Always 1."""
    return 1.0


SCHEDULES: dict[str, Callable[[float], float]] = {"cosine": cosine, "step": steps, "constant": constant}
