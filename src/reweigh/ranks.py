"""Which of several processes this is, and what they tell each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that work on one run together."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    """Among those of this machine"""


ALONE = Ranks()
