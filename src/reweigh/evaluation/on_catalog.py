"""A catalog's own answers, given, checked and true, against predictions for its rows. The one reader of the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, read_columns, read_labels
from reweigh.catalog.truth import read_truth
from reweigh.evaluation.measure import NOT_KNOWN, Evaluation, evaluate
from reweigh.evaluation.settings import EvaluationSettings
from reweigh.evidence.held_out import HeldOut
from reweigh.features.matrix import FeatureMatrix
from reweigh.probes.linear import Head, predict_views

BLOCK_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What is said about some rows of a catalog, (n,) each; -1 none of the classes, -2 not known."""

    labels: NDArray[np.int32]
    """Given with the images; may be wrong."""
    verified_label: NDArray[np.int32]
    """The class that a person gave."""
    truth: NDArray[np.int32] | None
    """Known to benchmarks only; None where the catalog has none."""


def answers(catalog: Catalog, rows: NDArray[np.int64]) -> Answers:
    """Given, checked and true classes of these rows."""
    verified = read_columns(catalog, ["verified_label"], rows)["verified_label"].fill_null(NOT_KNOWN)
    truth = read_truth(catalog)
    return Answers(
        labels=read_labels(catalog)[rows],
        verified_label=verified.to_numpy().astype(np.int32),
        truth=None if truth is None else truth[rows],
    )


def evaluate_held_out(catalog: Catalog, held_out: HeldOut, *, settings: EvaluationSettings, seed: int) -> Evaluation:
    """Held-out predictions of the training images against their answers."""
    known = answers(catalog, held_out.rows)
    return _evaluate(_blocks(held_out), known, k=catalog.k, settings=settings, seed=seed)


def evaluate_rows(
    catalog: Catalog,
    features: FeatureMatrix | Sequence[FeatureMatrix],
    rows: NDArray[np.int64],
    head: Head,
    *,
    settings: EvaluationSettings,
    seed: int,
    classes: NDArray[np.int32] | None = None,
    catalog_rows: NDArray[np.int64] | None = None,
) -> Evaluation:
    """A head's predictions for these rows of the features (of several views: their mean), against their answers.

    classes (k of the catalog,): the head's class for each class of the catalog, -1 where it has none; None: they are the same.
    catalog_rows (n,): which rows of the catalog they are, where the features are of a part of it.
    """
    views = features if isinstance(features, Sequence) else [features]
    where = rows if catalog_rows is None else catalog_rows
    return evaluate_blocks(
        catalog, predict_views(head, views, rows), where, k=len(head.bias), settings=settings, seed=seed, classes=classes
    )  # fmt: skip


def evaluate_blocks(
    catalog: Catalog, blocks: Iterator[NDArray[np.float32]], rows: NDArray[np.int64], *, k: int, settings: EvaluationSettings, seed: int,
    classes: NDArray[np.int32] | None = None,
) -> Evaluation:  # fmt: skip
    """Log-probabilities (b, k) of these rows of the catalog, block by block, against their answers; `classes` as above."""
    known = answers(catalog, rows)
    if classes is not None:
        known = translated(known, classes)
    return _evaluate(blocks, known, k=k, settings=settings, seed=seed)


def translated(known: Answers, classes: NDArray[np.int32]) -> Answers:
    """The answers in another numbering of the classes; -1 and -2 stay what they are, and a class without a number becomes -1."""

    def translate(values: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.where(values >= 0, classes[np.maximum(values, 0)], values).astype(np.int32)

    return Answers(
        labels=translate(known.labels),
        verified_label=translate(known.verified_label),
        truth=None if known.truth is None else translate(known.truth),
    )


def _evaluate(
    blocks: Iterator[NDArray[np.float32]], known: Answers, *, k: int, settings: EvaluationSettings, seed: int
) -> Evaluation:
    return evaluate(
        blocks, known.labels, k=k, verified_label=known.verified_label, truth=known.truth, settings=settings, seed=seed
    )


def _blocks(held_out: HeldOut) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(held_out.rows), BLOCK_ROWS):
        yield held_out.log_probabilities.read(start, min(start + BLOCK_ROWS, len(held_out.rows)))
