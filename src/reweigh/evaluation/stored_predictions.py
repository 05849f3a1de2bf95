"""Predictions of a model for named images, kept so that several models can be put together later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.probes.linear import log_mean
from reweigh.probes.log_probabilities import (
    LogProbabilities,
    compact,
    empty_log_probabilities,
    load_log_probabilities,
    put,
)
from reweigh.whole_files import read_json, whole_folder, write_json

IMAGES, CLASSES = "images.parquet", "classes.json"
BLOCK_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class StoredPredictions:
    """Log-probabilities of n images over k classes."""

    names: tuple[str, ...]
    """(n,) of the images"""
    class_names: tuple[str, ...]
    """(k,)"""
    unreadable: tuple[str | None, ...]
    """(n,) why an image could not be read; None: it could. Its numbers mean nothing."""
    log_probabilities: LogProbabilities


def write_predictions(
    folder: Path, blocks: Iterator[NDArray[np.float32]], *, names: Sequence[str], class_names: Sequence[str],
    unreadable: Sequence[str | None], top_m: int | None = None,
) -> None:  # fmt: skip
    """Write log-probabilities, blocks (b, k) in order, as float16: all, or the `top_m` largest of each image and what is left.

    The folder is new, and there whole or not at all.
    """
    if folder.exists():
        raise ReweighError(f"{folder} is there already; predictions are written to a new folder.")
    k = len(class_names)
    with whole_folder(folder) as partial:
        kept = empty_log_probabilities(len(names), k, m=top_m, folder=partial)
        start = 0
        for block in blocks:
            put(kept, slice(start, start + len(block)), compact(block, m=top_m))
            start += len(block)
        columns = {"file": pa.array(names, pa.string()), "unreadable": pa.array(unreadable, pa.string())}
        pq.write_table(pa.table(columns), partial / IMAGES, compression="zstd")
        write_json(partial / CLASSES, list(class_names))


def read_predictions(folder: Path) -> StoredPredictions:
    """What `write_predictions` left, memory-mapped. Raises ReweighError for a folder that holds no predictions."""
    if not (folder / IMAGES).is_file() or not (folder / CLASSES).is_file():
        raise ReweighError(
            f"No stored predictions in {folder}: looked for {IMAGES} and {CLASSES}, which `reweigh predict --probabilities {folder}` writes."
        )
    table = pq.read_table(folder / IMAGES)
    classes = tuple(read_json(folder / CLASSES))
    return StoredPredictions(
        names=tuple(table["file"].to_pylist()), class_names=classes, unreadable=tuple(table["unreadable"].to_pylist()),
        log_probabilities=load_log_probabilities(folder, k=len(classes)),
    )  # fmt: skip


def check_alike(members: Sequence[StoredPredictions], names: Sequence[str]) -> None:
    """Raises ReweighError unless all members, called by `names`, are of the same images and classes, in the same order."""
    first = members[0]
    for member, name in zip(members[1:], names[1:], strict=True):
        for what, own, other in (
            ("classes", first.class_names, member.class_names),
            ("images", first.names, member.names),
        ):
            if own != other:
                at = next(
                    (i for i, (a, b) in enumerate(zip(own, other, strict=False)) if a != b), min(len(own), len(other))
                )
                found = (
                    f"{own[at] if at < len(own) else 'nothing'!r} and {other[at] if at < len(other) else 'nothing'!r}"
                )
                raise ReweighError(
                    f"{names[0]} and {name} are predictions for different {what}: {len(own):,} and {len(other):,}, first different at {at + 1}: {found}."
                )


def unreadable_in_one(members: Sequence[StoredPredictions]) -> tuple[str | None, ...]:
    """(n,) why an image could not be read by the first member that could not: its numbers would spoil the mean."""
    reasons = zip(*(member.unreadable for member in members), strict=True)
    return tuple(next((reason for reason in found if reason is not None), None) for found in reasons)


def mixed(
    members: Sequence[StoredPredictions], weights: Sequence[float] | None = None
) -> Iterator[NDArray[np.float32]]:
    """Log of the weighted mean of the members' probabilities, blocks (b, k). Raises ReweighError for weights that do not fit."""
    if weights is not None and (
        len(weights) != len(members) or not all(0 <= w < float("inf") for w in weights) or sum(weights) == 0
    ):
        raise ReweighError(
            f"An ensemble of {len(members)} needs as many weights of 0 or more, not all 0; found {', '.join(f'{w:g}' for w in weights)}."
        )
    n, k = len(members[0].names), len(members[0].class_names)
    size = max(BLOCK_BYTES // (4 * k), 1)
    for start in range(0, n, size):
        yield log_mean([m.log_probabilities.read(start, min(start + size, n)) for m in members], weights)
