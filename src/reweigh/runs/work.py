"""What the stages of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reweigh.catalog.splits import Splits
from reweigh.catalog.tables import Catalog
from reweigh.progress import Progress
from reweigh.ranks import ALONE, Ranks
from reweigh.runs.recipe import Recipe

STEP_VERSION = 6
"""Raised when a stage's arithmetic changes, so that older files are not taken for its result."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What all stages of one round, or of one model, share."""

    run: Path
    catalog: Catalog
    recipe: Recipe
    cache: Path
    progress: Progress
    splits: Splits
    """Training and test rows, the same for all rounds and models."""
    place: Path
    """Folder of this round's stages: the run itself, or one inside it."""
    earlier: tuple[Path, ...] = ()
    """Places of the rounds before; a stage that is finished there is not made again."""
    ranks: Ranks = ALONE
    """This process among those of the run"""
