"""`reweigh.weigh`: weights of labelled rows from plain arrays, without a catalog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from reweigh.catalog.tables import plain_classes
from reweigh.errors import ReweighError
from reweigh.evidence.agreement import Agreement, label_agreement
from reweigh.evidence.images import Images, chosen_images, contested
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.label_text import check_label_text
from reweigh.evidence.neighbours import NeighbourVotes, label_share
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.table import EVIDENCE
from reweigh.features.matrix import ArrayFeatures, FeatureMatrix
from reweigh.probes.log_probabilities import ArrayProbabilities
from reweigh.probes.settings import ProbeSettings
from reweigh.progress import Progress, silent
from reweigh.verdicts.candidates import candidates_of
from reweigh.verdicts.judging import Asked, judge
from reweigh.weighers.auto import choose
from reweigh.weighers.settings import AUTO, WeightSettings, pieces_for, weigher_named
from reweigh.weighers.weighing import Weights, kept_images, share_right_of, weigh_images

BLOCK = 65_536
Columns = Callable[[Sequence[str], NDArray[np.int64]], pa.Table]


def weigh(
    features: ArrayLike | FeatureMatrix | None,
    labels: ArrayLike,
    probabilities: NDArray[np.floating] | None = None,
    *,
    class_names: Sequence[str] | None = None,
    text: Sequence[str | None] | None = None,
    rank: ArrayLike | None = None,
    source: Sequence[str | None] | None = None,
    groups: ArrayLike | None = None,
    copies: ArrayLike | None = None,
    verified: ArrayLike | None = None,
    neighbours: NDArray[np.integer] | None = None,
    share_right: float | None = None,
    settings: WeightSettings | None = None,
    evidence_settings: EvidenceSettings | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Weights:
    """Weights of n labelled rows: held-out predictions, neighbours, density, rank and text pooled, classes balanced.

    features (n, d): embeddings of anything, an array, a memory map or a `FeatureMatrix`; None leaves out what needs them.
    labels (n,) in 0..k-1. probabilities (n, k): **held-out** predictions, each row's by a model that has not seen it; made
    here by a five-fold probe where there are none. class_names: k names, with `text`, a text a row. rank (n,): 1 = found
    first, 0 or NaN = not known. source: a name a row. groups (n,): rows of one number share a fold and do not vote on
    each other. copies (n,): rows of one number are the same image. verified (n,): 1 right, 0 wrong, NaN nobody looked.
    neighbours (n, m): nearest rows, -1 = missing, where they are known already. share_right: share of right labels; None: as the
    verdicts estimate it (`label_verdicts`).
    settings: `WeightSettings(use=...)`; default `auto`, all that the arguments allow. evidence_settings: folds, neighbours, confused
    classes, clusters, what labels are known by; `cross_fit`, `truth` and `verified` are a run's alone.
    Raises ReweighError for what does not fit, naming argument and row.
    """
    settings = settings or WeightSettings(use=("auto",))
    wanted = _of_arrays(evidence_settings or EvidenceSettings())
    matrix = _matrix(features)
    names = tuple(class_names) if class_names is not None else None
    images = _images(
        labels, probabilities, names, rank=rank, source=source, groups=groups, copies=copies, verified=verified
    )
    n = len(images.labels)
    given = {"features": None if matrix is None else matrix.n, "probabilities": None if probabilities is None else len(probabilities),
             "text": None if text is None else len(text), "neighbours": None if neighbours is None else len(neighbours)}  # fmt: skip
    for name, length in given.items():
        if length is not None and length != n:
            raise ReweighError(f"{n} labels need as many rows of {name}, found {length}.")
    if text is not None and names is None:
        raise ReweighError("text says nothing without class_names: the words that name each class.")
    chosen = choose(settings, images, has_text=text is not None).names
    if matrix is None:
        chosen = _without_features(chosen, settings, probabilities is not None, neighbours is not None)
    _check_label_text(wanted, chosen, settings, names)
    kept, _ = kept_images(images, chosen, settings)
    at = np.flatnonzero(kept)
    inputs = EvidenceInputs(
        features=matrix if matrix is not None else ArrayFeatures(np.zeros((n, 0), np.float32)),
        rows=at, labels=images.labels[at], groups=images.groups[at], k=images.k, probe=ProbeSettings(),
        is_fitted=images.is_fitted[at], columns=None if text is None else _columns(text, at),
        classes=None if names is None else plain_classes(names), progress=progress,
    )  # fmt: skip
    evidence = _evidence(inputs, chosen, settings, wanted, images, probabilities, neighbours, seed=seed)
    if share_right is None and settings.combiner == "pooled":
        share_right = _share_right(inputs, evidence, probabilities, images.person[at])
    return weigh_images(images, evidence, chosen, settings, share_right=share_right, class_names=names)


def _evidence(
    inputs: EvidenceInputs, names: Sequence[str], settings: WeightSettings, wanted: EvidenceSettings, images: Images,
    probabilities: NDArray[np.floating] | None, neighbours: NDArray[np.integer] | None, *, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """The pieces that these weighers need, those that came as arguments and those made now."""
    at = inputs.rows
    made: dict[str, Any] = {"images": images if len(at) == len(images.labels) else chosen_images(images, at)}
    if inputs.features.d:
        made["features"] = inputs.features
    if probabilities is not None:
        rows = None if len(at) == len(images.labels) else at
        share = label_agreement(ArrayProbabilities(probabilities, rows), inputs.labels)
        made["agreement"] = Agreement(share=share)
    if neighbours is not None:
        made["neighbours"] = _votes(np.asarray(neighbours), images, at)
    for piece in pieces_for(names, settings, made):
        made[piece] = EVIDENCE[piece].make(replace(inputs, made=made), wanted, seed)
    return made


def _of_arrays(settings: EvidenceSettings) -> EvidenceSettings:
    """The same. Raises ReweighError for what arrays have no use for."""
    plain = EvidenceSettings()
    for name in ("cross_fit", "cross_fit_epochs", "truth", "verified"):
        if getattr(settings, name) != getattr(plain, name):
            raise ReweighError(f"evidence_settings.{name} is read by a run on a catalog, not by weigh().")
    return settings


def _check_label_text(
    wanted: EvidenceSettings, chosen: Sequence[str], settings: WeightSettings, class_names: Sequence[str] | None
) -> None:
    """Raises ReweighError where label text is asked for that nobody reads, that needs names, or that is not there."""
    if wanted.label_text == "classes":
        return
    if not any("label_text" in weigher_named(name, settings).needs for name in chosen):
        raise ReweighError(
            f"evidence_settings.label_text={wanted.label_text!r} is read by the weigher image_text; settings.use names it, or there is no need of label text."
        )
    if class_names is None:
        raise ReweighError(
            f"evidence_settings.label_text={wanted.label_text!r} needs class_names: the words of the labels."
        )
    check_label_text(wanted)


def _share_right(
    inputs: EvidenceInputs, evidence: dict[str, Any], probabilities: NDArray[np.floating] | None, person: NDArray[np.float32]
) -> float | None:  # fmt: skip
    """The verdicts' estimate, where there are held-out predictions to judge by."""
    if probabilities is None and "held_out" not in evidence:
        return None
    at = inputs.rows if probabilities is not None and len(inputs.rows) < len(probabilities) else None
    rows = evidence["held_out"].log_probabilities if probabilities is None else ArrayProbabilities(probabilities, at)
    votes = evidence.get("neighbours")
    indices = None if votes is None or not votes.indices.shape[1] else votes.indices
    assert inputs.is_fitted is not None
    asked = Asked(
        candidates=candidates_of(rows, inputs.labels), indices=indices, is_learnt=inputs.is_fitted, person=person
    )  # fmt: skip
    return share_right_of(judge(asked, progress=inputs.progress).verdicts)


def _votes(neighbours: NDArray[np.integer], images: Images, at: NDArray[np.int64]) -> NeighbourVotes:
    """The votes of neighbours that came as rows; those of the own group, and the row itself, have none."""
    n = len(images.labels)
    if neighbours.ndim != 2 or neighbours.min(initial=-1) < -1 or neighbours.max(initial=-1) >= n:
        raise ReweighError(f"neighbours must be rows 0..{n - 1} or -1, shape ({n}, m); found {neighbours.shape}.")
    share, n_votes = np.empty(n, np.float32), np.empty(n, np.int32)
    for start in range(0, n, BLOCK):
        block = neighbours[start : start + BLOCK]
        others = np.where(images.groups[block] == images.groups[start : start + BLOCK, None], -1, block)
        share[start : start + BLOCK], n_votes[start : start + BLOCK] = label_share(
            others, images.labels, images.labels[start : start + BLOCK]
        )
    return NeighbourVotes(
        rows=at,
        indices=np.zeros((len(at), 0), np.int32),
        similarities=np.zeros((len(at), 0), np.float16),
        label_share=share[at],
        n_votes=n_votes[at],
    )


def _without_features(
    names: Sequence[str], settings: WeightSettings, has_probabilities: bool, has_neighbours: bool
) -> tuple[str, ...]:
    """The weighers that can do without features. Raises ReweighError where one that was asked for by name cannot."""
    there = {
        "images",
        "own_text",
        *(["agreement"] if has_probabilities else []),
        *(["neighbours"] if has_neighbours else []),
    }
    kept = []
    for name in names:
        missing = [need for need in weigher_named(name, settings).needs if need not in there]
        if not missing:
            kept.append(name)
        elif AUTO not in settings.use:
            raise ReweighError(
                f"The weigher {name!r} needs {missing[0]}: give features, or probabilities and neighbours."
            )
    if not any(weigher_named(name, settings).kind == "credibility" for name in kept) and AUTO in settings.use:
        raise ReweighError("Nothing to weigh by: give features (n, d) or held-out probabilities (n, k).")
    return tuple(kept)


def _matrix(features: ArrayLike | FeatureMatrix | None) -> FeatureMatrix | None:
    if features is None or hasattr(features, "read"):
        return features  # type: ignore[return-value]
    values = features if isinstance(features, np.ndarray) else np.asarray(features)
    if values.ndim != 2:
        raise ReweighError(f"features must have shape (n, d), found {values.shape}.")
    return ArrayFeatures(values)


def _images(
    labels: ArrayLike, probabilities: NDArray | None, names: tuple[str, ...] | None, *, rank: ArrayLike | None,
    source: Sequence[str | None] | None, groups: ArrayLike | None, copies: ArrayLike | None, verified: ArrayLike | None,
) -> Images:  # fmt: skip
    """The arguments as the piece that every weigher reads, checked."""
    given = np.asarray(labels)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer) or not len(given):
        raise ReweighError(f"labels must be whole numbers of shape (n,), n above 0; found {given.dtype} {given.shape}.")
    n, k = len(given), _k(given, probabilities, names)
    outside = np.flatnonzero((given < 0) | (given >= k))
    if len(outside):
        raise ReweighError(
            f"labels must lie in 0..{k - 1}; row {outside[0]} has {given[outside[0]]} ({len(outside)} such rows)."
        )
    number, source_names = _sources(source, n)
    same = np.arange(n) if copies is None else _whole(copies, n, "copies")
    return Images(
        rows=np.arange(n), labels=given.astype(np.int32), k=k, groups=same if groups is None else _whole(groups, n, "groups"),
        copies=same, source=number, source_names=source_names, rank=_ranks(rank, n), is_fitted=~contested(same, given),
        person=np.full(n, np.nan, np.float32) if verified is None else _person(verified, n),
    )  # fmt: skip


def _k(labels: NDArray, probabilities: NDArray | None, names: tuple[str, ...] | None) -> int:
    """The number of classes, from whatever says it."""
    said = [len(names)] if names is not None else []
    if probabilities is not None:
        if np.ndim(probabilities) != 2:
            raise ReweighError(f"probabilities must have shape (n, k), found {np.shape(probabilities)}.")
        said.append(np.shape(probabilities)[1])
    if len(set(said)) > 1:
        raise ReweighError(f"probabilities are of {said[1]} classes, class_names of {said[0]}.")
    return int(said[0] if said else labels.max() + 1)


def _ranks(rank: ArrayLike | None, n: int) -> NDArray[np.int32]:
    if rank is None:
        return np.zeros(n, np.int32)
    values = np.asarray(rank, np.float64)
    if values.shape != (n,):
        raise ReweighError(f"rank must have shape ({n},), found {values.shape}.")
    if (values < 0).any():
        row = int(np.flatnonzero(values < 0)[0])
        raise ReweighError(
            f"rank must be 1 (found first) or more, 0 or NaN for not known; row {row} has {values[row]:g}."
        )
    return np.nan_to_num(values, nan=0).astype(np.int32)


def _person(verified: ArrayLike, n: int) -> NDArray[np.float32]:
    values = np.asarray(verified, np.float32)
    if values.shape != (n,) or not np.isin(values[~np.isnan(values)], (0, 1)).all():
        raise ReweighError(f"verified must hold 1 (right), 0 (wrong) or NaN, shape ({n},); found {values.shape}.")
    return values


def _whole(numbers: ArrayLike, n: int, name: str) -> NDArray[np.int64]:
    values = np.asarray(numbers)
    if values.shape != (n,) or not np.issubdtype(values.dtype, np.integer):
        raise ReweighError(f"{name} must be whole numbers of shape ({n},), found {values.dtype} {values.shape}.")
    return values.astype(np.int64)


def _sources(source: Sequence[str | None] | None, n: int) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    if source is None:
        return np.full(n, -1, np.int32), ()
    if len(source) != n:
        raise ReweighError(f"{n} labels need as many rows of source, found {len(source)}.")
    names = tuple(sorted({str(s) for s in source if s is not None}))
    number = {name: i for i, name in enumerate(names)}
    return np.array([-1 if s is None else number[str(s)] for s in source], np.int32), names


def _columns(text: Sequence[str | None], at: NDArray[np.int64]) -> Columns:
    """The texts as the columns of a catalog: all of a row's text is its title."""

    def columns(names: Sequence[str], rows: NDArray[np.int64]) -> pa.Table:
        titles = pa.array([text[i] for i in at[rows]], pa.string())
        there = {"title": titles, "tags": pa.nulls(len(rows), pa.list_(pa.string()))}
        return pa.table({name: there.get(name, pa.nulls(len(rows), pa.string())) for name in names})

    return columns
