"""`ensemble`: stored predictions of several models, averaged, measured where answers are known, written as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, open_catalog, read_classes, read_uids
from reweigh.errors import ReweighError
from reweigh.evaluation.class_matching import NamedClasses, all_matched, match_classes
from reweigh.evaluation.measure import as_json
from reweigh.evaluation.new_images import best_of, prediction_table
from reweigh.evaluation.on_catalog import evaluate_blocks
from reweigh.evaluation.settings import EvaluationSettings
from reweigh.evaluation.stored_predictions import (
    StoredPredictions,
    check_alike,
    mixed,
    read_predictions,
    unreadable_in_one,
)
from reweigh.evaluation.submission import PLACES, check_submission, write_submission
from reweigh.runs.evaluated import labelled_rows
from reweigh.runs.measured import Row, metrics_lines
from reweigh.runs.predicted import WRITERS, summary, write_table


@dataclass(frozen=True, kw_only=True)
class Together:
    """What `ensemble` has to say."""

    header: Sequence[str]
    lines: Sequence[Row]


def put_together(
    folders: Sequence[Path], output: Path, *, weights: Sequence[float] | None = None, on: Path | None = None, top: int = 5,
    submission: Path | None = None,
) -> Together:  # fmt: skip
    """Write the weighted mean of these predictions to `output`; with `on`, measure it and its members on that catalog.

    Raises ReweighError for folders without predictions, or of different images or classes.
    """
    if output.suffix.lower() not in WRITERS:
        raise ReweighError(f"Predictions are written as {' or '.join(WRITERS)}; found {output.name!r}.")
    if len(folders) < 2:
        raise ReweighError("An ensemble is made of two or more folders of stored predictions; found 1.")
    members = [read_predictions(folder) for folder in folders]
    check_alike(members, [str(folder) for folder in folders])
    unreadable = unreadable_in_one(members)
    members = [replace(member, unreadable=unreadable) for member in members]
    first = members[0]
    n, k = len(first.names), len(first.class_names)
    if submission is not None:
        check_submission(first.names, k)
    best, probability = best_of(mixed(members, weights), n=n, top=min(max(top, PLACES if submission else 0), k))
    table = prediction_table(first.names, unreadable, first.class_names, best[:, :top], probability[:, :top])
    measured = None if on is None else _measured(members, folders, weights, on)
    if submission is not None:
        write_submission(submission, first.names, best)
    write_table(table, output)
    return measured or Together(header=(), lines=summary(table))


def weight_numbers(text: str | None) -> tuple[float, ...] | None:
    """`2,1,1` as numbers. Raises ReweighError for anything else."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as cause:
        raise ReweighError(f"--weights takes numbers with commas between, such as 2,1,1; found {text!r}.") from cause


def _measured(
    members: Sequence[StoredPredictions], folders: Sequence[Path], weights: Sequence[float] | None, on: Path
) -> Together:
    """A line for each member and one for all."""
    catalog = open_catalog(on)
    first = members[0]
    rows, _ = labelled_rows(catalog)
    place = {name: at for at, name in enumerate(first.names)}
    uids = read_uids(catalog, rows)
    known = np.array([uid in place and first.unreadable[place[uid]] is None for uid in uids])
    if not known.any():
        raise ReweighError(
            f"None of the {len(rows):,} labelled test images of {on} is among the {len(first.names):,} predicted ones, such as {first.names[0]!r}."
        )
    rows, at = rows[known], np.array([place[uid] for uid, is_known in zip(uids, known, strict=True) if is_known])
    theirs = read_classes(catalog)
    ours = NamedClasses(names=tuple(first.class_names), synsets=(None,) * len(first.class_names))
    match = match_classes(NamedClasses(names=theirs.names, synsets=theirs.synsets), ours)
    classes = all_matched(match, first.class_names)
    header: Sequence[str] = ()
    lines: list[Row] = []
    for name, parts, shares in [
        *((folder.name, [member], None) for folder, member in zip(folders, members, strict=True)),
        ("all together", list(members), weights),
    ]:
        header, own = _line(catalog, rows, at, classes, parts, shares)
        lines += [(f"{name}: {row[0].partition(': ')[2]}", *row[1:]) for row in own]
    return Together(header=header, lines=lines)


def _line(
    catalog: Catalog, rows: NDArray[np.int64], at: NDArray[np.int64], classes: NDArray[np.int32], parts: Sequence[StoredPredictions],
    shares: Sequence[float] | None,
) -> tuple[Row, Sequence[Row]]:  # fmt: skip
    found = evaluate_blocks(
        catalog, mixed([_of_rows(part, at) for part in parts], shares), rows, k=len(parts[0].class_names), settings=EvaluationSettings(), seed=0,
        classes=classes,
    )  # fmt: skip
    return metrics_lines({"test": {**as_json(found), "source": "test"}})


def _of_rows(member: StoredPredictions, at: NDArray[np.int64]) -> StoredPredictions:
    """The predictions of these images, in the order of `at`; the numbers stay where they are."""
    chosen = replace(member.log_probabilities, chosen=at)
    names, unreadable = member.names, member.unreadable
    return replace(
        member, names=tuple(names[i] for i in at), unreadable=tuple(unreadable[i] for i in at), log_probabilities=chosen
    )  # fmt: skip
