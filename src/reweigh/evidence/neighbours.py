"""Neighbour votes: what the images most like this one are labelled; the own group has no vote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.stored_arrays import load_arrays, save_arrays

ARRAYS = ("rows", "indices", "similarities", "label_share", "n_votes")


@dataclass(frozen=True, kw_only=True)
class NeighbourVotes:
    """The nearest neighbours of n rows, and how many of them carry the row's label."""

    rows: NDArray[np.int64]
    """(n,) positions into the features"""
    indices: NDArray[np.int32]
    """(n, n_neighbours) positions into `rows`, the nearest first, -1 = missing"""
    similarities: NDArray[np.float16]
    """(n, n_neighbours) cosines"""
    label_share: NDArray[np.float32]
    """(n,) share of the votes for the row's label; NaN = no opinion: no label, or no neighbour with one"""
    n_votes: NDArray[np.int32]
    """(n,) neighbours that have a label"""


def make_neighbours(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> NeighbourVotes:
    """The `settings.n_neighbours` nearest rows of each row by cosine, groups skipped, and their votes."""
    from reweigh.features.neighbours import nearest_neighbours  # loads faiss

    found = nearest_neighbours(
        inputs.features, inputs.rows, n_neighbours=settings.n_neighbours, groups=inputs.groups, seed=seed
    )
    share, n_votes = label_share(found.indices, inputs.labels)
    return NeighbourVotes(
        rows=inputs.rows, indices=found.indices, similarities=found.similarities, label_share=share, n_votes=n_votes
    )


def label_share(
    indices: NDArray[np.integer], labels: NDArray[np.integer], own: NDArray[np.integer] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """(share of neighbours' labels that equal the row's, number of neighbours with a label), (n,) each.

    indices (n, m) positions of neighbours among `labels`, -1 = missing; labels, -1 = none; own (n,) labels of the rows,
    None: they are `labels`. NaN where the row has no label or no neighbour has one.
    """
    own = labels if own is None else own
    votes = np.where(indices >= 0, labels[indices], -1)
    n_votes = (votes >= 0).sum(axis=1)
    agreeing = ((votes == own[:, None]) & (votes >= 0)).sum(axis=1)
    share = np.full(len(own), np.nan, np.float32)
    has_opinion = (n_votes > 0) & (own >= 0)
    share[has_opinion] = agreeing[has_opinion] / n_votes[has_opinion]
    return share, n_votes.astype(np.int32)


def chosen_neighbours(record: NeighbourVotes, positions: NDArray[np.int64]) -> NeighbourVotes:
    """The record for some of its rows; a neighbour that is not among them becomes -1, its vote stays counted."""
    places = np.full(len(record.rows) + 1, -1, np.int32)  # the last place is that of a missing neighbour
    places[positions] = np.arange(len(positions), dtype=np.int32)
    return replace(
        record,
        rows=record.rows[positions],
        indices=places[record.indices[positions]],
        similarities=record.similarities[positions],
        label_share=record.label_share[positions],
        n_votes=record.n_votes[positions],
    )


def save_neighbours(record: NeighbourVotes, folder: Path) -> None:
    """Write NAME.npy of each array into an existing folder."""
    save_arrays(record, folder, ARRAYS)


def load_neighbours(folder: Path) -> NeighbourVotes:
    """The record of a folder. Raises ReweighError where a file is missing."""
    return NeighbourVotes(**load_arrays(folder, ARRAYS, what="neighbour votes"))
