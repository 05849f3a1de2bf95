"""A look before the work: are all images still there, and which splits do they come in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reweigh.catalog.schema import SPLITS
from reweigh.catalog.tables import ImageLocation
from reweigh.errors import ReweighError
from reweigh.progress import Progress, silent
from reweigh.runs.exports.image_files import is_there
from reweigh.runs.exports.judged_run import Block, JudgedRun, blocks

PLACE = ("file", "offset", "length", "split")
SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Present:
    """What a look at all images found."""

    splits: tuple[str, ...]
    """Splits of the labelled images, train first"""


def look_at_images(judged: JudgedRun, *, progress: Progress = silent) -> Present:
    """Raises ReweighError for images that could be read when they were judged and are not there any more: which, how many."""
    gone: list[str] = []
    n_gone, splits = 0, set()
    for block in blocks(judged, PLACE, stage="look for images", progress=progress):
        missing = np.flatnonzero(~is_there(locations(judged, block)) & ~block.is_unreadable)
        n_gone += len(missing)
        gone += [block.own["uid"][int(i)].as_py() for i in missing[: SHOWN - len(gone)]]
        splits |= set(block.own["split"].unique().to_pylist())
    if n_gone:
        named = ", ".join(uid[:100] for uid in gone) + (" ..." if n_gone > len(gone) else "")
        raise ReweighError(
            f"{n_gone:,} of {judged.n:,} images are not below {judged.catalog.root} any more ({named}); were they moved or removed? "
            "Put them back, or use --to csv, which needs no images."
        )
    return Present(splits=tuple(name for name in SPLITS if name in splits))


def locations(judged: JudgedRun, block: Block) -> list[ImageLocation]:
    """Where the block's images are; the block was read with the columns `PLACE`."""
    columns = (block.own[name].to_pylist() for name in ("file", "offset", "length"))
    return [
        ImageLocation(judged.catalog.root / file, offset, length) for file, offset, length in zip(*columns, strict=True)
    ]
