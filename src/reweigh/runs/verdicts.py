"""The stage of verdicts: verdicts.parquet on every labelled image of every split, and verdicts.json on all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, read_classes, read_columns, read_copies, read_groups, read_labels, read_uids
from reweigh.evidence.held_out import HeldOut
from reweigh.evidence.neighbours import NeighbourVotes
from reweigh.evidence.posterior import Posterior
from reweigh.features.store import Features, unreadable_rows
from reweigh.probes.linear import fit_probe, predict
from reweigh.probes.log_probabilities import LogProbabilities, compact, empty_log_probabilities, put, should_be_dense
from reweigh.runs.gathering import Gathered, stored_piece
from reweigh.runs.reasons import Seen, reasons
from reweigh.runs.stages import Completed, Stage, complete
from reweigh.runs.work import STEP_VERSION, Work
from reweigh.verdicts.candidates import candidates_of
from reweigh.verdicts.judging import judge_more
from reweigh.verdicts.look_alikes import N_LOOK_ALIKES
from reweigh.verdicts.record import ROW_ARRAYS, LabelVerdicts
from reweigh.whole_files import write_json

VERDICTS, FACTS = "verdicts.parquet", "verdicts.json"
PIECES = ("held_out", "neighbours", "posterior")
MOST_CONFUSIONS = 1000
BLOCK = 100_000
HELD_OUT, SET_ASIDE, COPY, UNREADABLE = range(4)
HOW = ("held_out", "set_aside", "copies", "unreadable")
SCHEMA = pa.schema(
    [
        ("uid", pa.string()), ("label", pa.int32()), ("probability_right", pa.float32()), ("wrong", pa.bool_()),
        ("suggested_label", pa.int32()), ("probability_suggested", pa.float32()), ("also_plausible", pa.int32()),
        ("none_of_the_classes", pa.bool_()), ("review_order", pa.int32()), ("reason", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The n labelled rows of a catalog, and what is said of them."""

    rows: NDArray[np.int64]
    """(n,) rows of the catalog, ascending"""
    how: NDArray[np.int8]
    """(n,) how each is judged"""
    same: NDArray[np.int64]
    """(n,) place of the row that is judged for a copy, -1 = it is none"""
    verdicts: LabelVerdicts
    seen: Seen


def verdicts_stage(work: Work, features: Features, gathered: Gathered) -> Completed:
    """Verdicts on every labelled image; those set aside are judged by a probe that has seen the training images only."""

    def make(target: Path, workspace: Path) -> list[str]:
        held_out: HeldOut = stored_piece(gathered, "held_out")
        posterior: Posterior = stored_piece(gathered, "posterior")
        judged = _judged(work, features, gathered, held_out, posterior)
        _write_table(target / VERDICTS, judged, work.catalog)
        write_json(target / FACTS, _facts(work, judged, held_out, posterior.verdicts))
        return list(posterior.verdicts.notes)

    reads = {
        "version": STEP_VERSION, "catalog": work.catalog.fingerprint, "pieces": {name: gathered.hashes[name] for name in PIECES},
    }  # fmt: skip
    return complete(
        Stage(name="03-verdicts", reads=reads, make=make), work.place, earlier=work.earlier, ranks=work.ranks
    )


def _judged(work: Work, features: Features, gathered: Gathered, held_out: HeldOut, posterior: Posterior) -> _Rows:
    """All rows: those of the evidence as they were judged there, copies as their first one, the others now."""
    work.progress("verdicts", 0, 3, "images set aside")
    found = _room(work.catalog, features, held_out, posterior.verdicts)
    at = np.flatnonzero(held_out.labels >= 0)
    place = np.searchsorted(found.rows, held_out.rows[at])
    _put(found.verdicts, place, posterior.verdicts, at)
    _put_seen(found, place, held_out, stored_piece(gathered, "neighbours"), at)
    own = np.searchsorted(found.rows, gathered.images.rows)
    found.seen.is_contested[own], found.seen.person[own] = ~gathered.images.is_fitted, gathered.images.person
    more = np.flatnonzero(found.how == SET_ASIDE)
    if posterior.learnt is not None:
        for part in _of_one_split(work.catalog, found.rows, more):
            _judge_more(work, features, gathered, held_out, posterior, found, part)
    copies = np.flatnonzero(found.how == COPY)
    for name in ROW_ARRAYS:
        getattr(found.verdicts, name)[copies] = getattr(found.verdicts, name)[found.same[copies]]
    for item in fields(Seen):
        if item.name not in ("copy_of", "is_unreadable"):
            getattr(found.seen, item.name)[copies] = getattr(found.seen, item.name)[found.same[copies]]
    work.progress("verdicts", 3, 3, "")
    return replace(found, verdicts=replace(found.verdicts, review_order=_whole_order(found)))


def _room(catalog: Catalog, features: Features, held_out: HeldOut, verdicts: LabelVerdicts) -> _Rows:
    """Rows that nothing is said of yet."""
    labels = read_labels(catalog)
    rows = np.flatnonzero(labels >= 0)
    n = len(rows)
    how = np.full(n, SET_ASIDE, np.int8)
    how[np.searchsorted(rows, held_out.rows[held_out.labels >= 0])] = HELD_OUT
    how[np.isin(rows, unreadable_rows(features))] = UNREADABLE
    same = _judged_copies(catalog, rows, labels[rows], how)
    how[same >= 0] = COPY
    unknown, none = np.full(n, np.nan, np.float32), np.full(n, -1, np.int32)
    nothing: dict[str, Any] = {
        "labels": labels[rows], "wrong": np.zeros(n, bool), "probability_right": unknown.copy(), "suggested_label": none.copy(),
        "probability_suggested": unknown.copy(), "also_plausible": none.copy(), "none_of_the_classes": np.zeros(n, bool),
        "review_order": np.zeros(n, np.int32),
    }  # fmt: skip
    seen = Seen(
        label_probability=unknown.copy(), n_votes=np.zeros(n, np.int32), n_same=np.zeros(n, np.int32), nearest=np.full(n, -1),
        nearest_label=none.copy(), nearest_similarity=np.zeros(n, np.float32), is_contested=np.zeros(n, bool),
        copy_of=np.where(same >= 0, rows[np.maximum(same, 0)], -1), is_unreadable=how == UNREADABLE, person=unknown.copy(),
    )  # fmt: skip
    return _Rows(rows=rows, how=how, same=same, verdicts=replace(verdicts, **nothing), seen=seen)


def _judged_copies(
    catalog: Catalog, rows: NDArray[np.int64], labels: NDArray[np.int32], how: NDArray[np.int8]
) -> NDArray[np.int64]:
    """(n,) place of a row with the same bytes and label that the evidence has, for rows it has not; -1 elsewhere."""
    copies = read_copies(catalog)[rows]
    order = np.lexsort((how, labels, copies))
    is_first = np.ones(len(order), bool)
    is_first[1:] = (copies[order[1:]] != copies[order[:-1]]) | (labels[order[1:]] != labels[order[:-1]])
    first = order[np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))]
    same = np.full(len(rows), -1)
    same[order] = np.where((how[first] == HELD_OUT) & (how[order] == SET_ASIDE), first, -1)
    return same


def _put(into: LabelVerdicts, place: NDArray[np.int64], verdicts: LabelVerdicts, at: NDArray[np.int64]) -> None:
    for name in ROW_ARRAYS:
        getattr(into, name)[place] = getattr(verdicts, name)[at]


def _put_seen(
    found: _Rows, place: NDArray[np.int64], held_out: HeldOut, votes: NeighbourVotes, at: NDArray[np.int64]
) -> None:
    seen = found.seen
    seen.label_probability[place] = np.exp(held_out.label_log_probability[at])
    _put_neighbours(seen, place, held_out, votes.indices[at], votes.similarities[at], held_out.labels[at])


def _put_neighbours(
    seen: Seen, place: NDArray[np.int64], held_out: HeldOut, indices: NDArray[np.int32], similarities: NDArray[np.float16], own: NDArray[np.int32],
) -> None:  # fmt: skip
    indices = indices[:, :N_LOOK_ALIKES]
    if not indices.shape[1]:
        return
    theirs = np.where(indices >= 0, held_out.labels[indices], -1)
    seen.n_votes[place] = (theirs >= 0).sum(axis=1)
    seen.n_same[place] = ((theirs >= 0) & (theirs == own[:, None])).sum(axis=1)
    seen.nearest[place] = np.where(indices[:, 0] >= 0, held_out.rows[indices[:, 0]], -1)
    seen.nearest_label[place], seen.nearest_similarity[place] = theirs[:, 0], similarities[:, 0]


def _of_one_split(catalog: Catalog, rows: NDArray[np.int64], more: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Positions `more` by split: a test set may have been checked, and has a noise of its own then."""
    split = np.asarray(read_columns(catalog, ["split"], rows[more])["split"].to_numpy(zero_copy_only=False))
    return [more[split == name] for name in ("train", "val", "test") if (split == name).any()]


def _judge_more(
    work: Work, features: Features, gathered: Gathered, held_out: HeldOut, posterior: Posterior, found: _Rows, more: NDArray[np.int64],
) -> None:  # fmt: skip
    """Rows that the evidence does not have: predicted by a probe of the training rows, beside look-alikes among them."""
    from reweigh.features.neighbours import nearest_to  # loads faiss

    assert posterior.learnt is not None
    rows, groups = found.rows[more], read_groups(work.catalog)
    predicted = _predicted(work, features, gathered, held_out, rows)
    work.progress("verdicts", 1, 3, "similar images")
    near = nearest_to(
        features, rows, held_out.rows, groups[rows], groups[held_out.rows], n_neighbours=N_LOOK_ALIKES, seed=work.recipe.seed
    )  # fmt: skip
    labels = found.verdicts.labels[more]
    work.progress("verdicts", 2, 3, "")
    judged = judge_more(posterior.learnt, posterior.verdicts, candidates_of(predicted, labels), near.indices)
    _put(found.verdicts, more, judged, np.arange(len(more)))
    _put_neighbours(found.seen, more, held_out, near.indices, near.similarities, labels)
    for start in range(0, len(more), BLOCK):
        here = slice(start, min(start + BLOCK, len(more)))
        block = predicted.read(here.start, here.stop)
        found.seen.label_probability[more[here]] = np.exp(block[np.arange(len(block)), labels[here]])


def _predicted(
    work: Work, features: Features, gathered: Gathered, held_out: HeldOut, rows: NDArray[np.int64]
) -> LogProbabilities:
    """Of a probe of all training rows that models may learn from, of the strength of the held-out predictions."""
    settings, k = work.recipe.probe, work.catalog.k
    images = gathered.images
    seen = np.flatnonzero(gathered.kept & images.is_fitted)
    head = fit_probe(
        features, images.rows[seen], images.labels[seen], k=k, l2=held_out.l2, tolerance=settings.tolerance,
        max_iterations=settings.max_iterations, uids=lambda at: read_uids(work.catalog, at),
    )  # fmt: skip
    m = None if should_be_dense(len(rows), k) else work.recipe.evidence.kept_classes
    found, start = empty_log_probabilities(len(rows), k, m=m), 0
    for block in predict(head, features, rows):
        put(found, slice(start, start + len(block)), compact(block, m=m))
        start += len(block)
    return found


def _whole_order(found: _Rows) -> NDArray[np.int32]:
    """(n,) places 1..n: by P(right) and the order of the evidence, copies beside their first, unreadable ones last."""
    verdicts = found.verdicts
    known = ~np.isnan(verdicts.probability_right)
    doubt = np.where(known, verdicts.review_order.astype(np.float64), np.inf)
    aside = known & (found.how == SET_ASIDE)
    trained = known & (found.how == HELD_OUT)
    if aside.any() and trained.any():
        doubt[aside] = _same_scale(verdicts.probability_right, doubt, trained, aside)
    order = np.lexsort((found.rows, doubt, found.how == UNREADABLE))
    places = np.empty(len(order), np.int32)
    places[order] = np.arange(1, len(order) + 1)
    return places


def _same_scale(
    right: NDArray[np.float32], place: NDArray[np.float64], trained: NDArray[np.bool_], aside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Where the rows set aside come among those of the evidence: beside the one of the nearest P(right) above."""
    order = np.argsort(right[trained], kind="stable")
    at = np.minimum(np.searchsorted(right[trained][order], right[aside]), len(order) - 1)
    return np.sort(place[trained])[at] + 0.5


def _write_table(path: Path, judged: _Rows, catalog: Catalog) -> None:
    names = read_classes(catalog).names
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for start, stop in _blocks(len(judged.rows)):
            writer.write_table(_block(judged, catalog, names, start, stop))


def _block(judged: _Rows, catalog: Catalog, names: tuple[str, ...], start: int, stop: int) -> pa.Table:
    here, verdicts = slice(start, stop), judged.verdicts

    def number(values: NDArray[np.int32]) -> pa.Array:
        return pa.array(values[here], pa.int32(), mask=values[here] < 0)

    def share(values: NDArray[np.float32]) -> pa.Array:
        return pa.array(values[here], pa.float32(), from_pandas=True)

    columns = (
        pa.array(read_uids(catalog, judged.rows[here]), pa.string()), pa.array(verdicts.labels[here], pa.int32()),
        share(verdicts.probability_right), pa.array(verdicts.wrong[here]), number(verdicts.suggested_label),
        share(verdicts.probability_suggested), number(verdicts.also_plausible), pa.array(verdicts.none_of_the_classes[here]),
        pa.array(verdicts.review_order[here], pa.int32()), pa.array(reasons(judged.seen, verdicts, names, start, stop), pa.string()),
    )  # fmt: skip
    return pa.table(dict(zip(SCHEMA.names, columns, strict=True)), schema=SCHEMA)


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n, BLOCK):
        yield start, min(start + BLOCK, n)


def _facts(work: Work, judged: _Rows, held_out: HeldOut, verdicts: LabelVerdicts) -> dict[str, Any]:
    """What is said of all labels together, as JSON; rates, classes and confusions are of the training rows."""
    k, at = work.catalog.k, held_out.labels >= 0
    labels, wrong = held_out.labels[at], verdicts.wrong[at]
    counts = np.bincount(judged.how, minlength=len(HOW))
    return {
        "n": int(at.sum()),
        "n_wrong": int(wrong.sum()),
        "n_none_of_the_classes": int(verdicts.none_of_the_classes[at].sum()),
        "noise_rate": _number(verdicts.noise_rate),
        "noise_rate_range": [_number(end) for end in verdicts.noise_rate_range],
        "is_interval": verdicts.is_interval,
        "truth": work.recipe.evidence.truth,
        "clearness": _number(verdicts.clearness),
        "information": _number(verdicts.information),
        "is_trusted": verdicts.is_trusted,
        "agreement": float((held_out.label_position[at] == 0).mean()),
        "classes": {
            "n": np.bincount(labels, minlength=k).tolist(),
            "n_wrong": np.bincount(labels[wrong], minlength=k).tolist(),
            "noise": [_number(rate) for rate in verdicts.class_noise],
            "low": [_number(end) for end in verdicts.class_noise_ranges[:, 0]],
            "high": [_number(end) for end in verdicts.class_noise_ranges[:, 1]],
        },
        "confusions": _confusions(verdicts),
        "judged": dict(zip(HOW, counts.tolist(), strict=True)),
        "notes": list(verdicts.notes),
        "fit": verdicts.facts,
    }


def _confusions(verdicts: LabelVerdicts) -> list[list[int | float]]:
    """[given, truth, expected images] off the diagonal, largest first."""
    pairs = verdicts.confusions
    off = np.flatnonzero(pairs.given != pairs.truth)
    largest = off[np.lexsort((pairs.truth[off], pairs.given[off], -pairs.expected[off]))][:MOST_CONFUSIONS]
    return [[int(pairs.given[i]), int(pairs.truth[i]), round(float(pairs.expected[i]), 4)] for i in largest]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
