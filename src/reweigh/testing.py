"""The contract of every weigher, as checks that anyone can run on their own: `check_weigher(MyWeigher())`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.tables import plain_classes
from reweigh.evidence.images import Images, chosen_images, contested
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.table import EVIDENCE
from reweigh.features.matrix import ArrayFeatures
from reweigh.probes.settings import ProbeSettings
from reweigh.weighers.factor import Evidence, Factor, Weigher, make_factor

RANK_CORRELATION = 0.99
"""Of a factor before and after the rows are put in another order, where it is not exactly the same."""


def check_weigher(weigher: Weigher, *, name: str = "weigher") -> None:
    """Hold the weigher to every promise of the contract; raises AssertionError that names the broken one."""
    for promise, check in CONTRACT.items():
        try:
            check(name, weigher)
        except Exception as cause:
            raise AssertionError(f"{name} breaks the promise '{promise}': {cause}") from cause


def example_evidence(
    *, n: int = 240, k: int = 4, d: int = 8, seed: int = 0, with_text: bool = True, with_ranks: bool = True, is_constant: bool = False
) -> dict[str, Any]:  # fmt: skip
    """Every piece of evidence for n made-up images of k classes, 30 % of the labels wrong, from two sources."""
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % k
    labels = np.where(generator.random(n) < 0.3, generator.integers(0, k, n), truth).astype(np.int32)
    labels[:k] = np.arange(k)  # every class has an image
    features = generator.standard_normal((n, d)).astype(np.float32) + 4 * np.eye(k, d, dtype=np.float32)[truth]
    features = np.ones_like(features) if is_constant else features
    right = labels == truth
    copies = np.arange(n)
    if n >= 20:
        copies[[11, 13]] = copies[[10, 12]]  # two pairs of the same bytes, one of them under two labels
        labels[11], labels[13] = labels[10], (labels[12] + 1) % k
    images = Images(
        rows=np.arange(n), labels=labels, k=k, groups=copies, copies=copies, source=generator.integers(-1, 2, n).astype(np.int32),
        source_names=("flickr", "google"), rank=_ranks(right, generator) if with_ranks else np.zeros(n, np.int32),
        is_fitted=~contested(copies, labels), person=np.where(generator.random(n) < 0.1, right, np.nan).astype(np.float32),
    )  # fmt: skip
    return _pieces(images, features, _texts(truth, right, generator) if with_text else [None] * n)


def reordered(evidence: Evidence, order: NDArray[np.int64]) -> dict[str, Any]:
    """The same evidence with its rows in another order, or some of them."""
    chosen = {
        name: EVIDENCE[name].choose(piece, order) if name in EVIDENCE else piece for name, piece in evidence.items()
    }
    return {**chosen, "images": chosen_images(evidence["images"], order)}


def _ranks(right: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.int32]:
    """Right images are found earlier; every tenth image has no rank."""
    latent = right + generator.standard_normal(len(right))
    rank = np.argsort(np.argsort(-latent)) + 1
    return np.where(np.arange(len(right)) % 10 == 0, 0, rank).astype(np.int32)


def _texts(truth: NDArray[np.int64], right: NDArray[np.bool_], generator: np.random.Generator) -> list[str | None]:
    """A word of the true class for most images, filler for all; every seventh has no text."""
    speaks = generator.random(len(truth)) < 0.7
    return [
        None if i % 7 == 0 else f"photo {f'class{c}' if speaks[i] else 'nice'} picture {i % 5}"
        for i, c in enumerate(truth.tolist())
    ]


def _pieces(images: Images, features: NDArray[np.float32], texts: list[str | None]) -> dict[str, Any]:
    def columns(names: Any, rows: NDArray[np.int64]) -> pa.Table:
        titles = pa.array([texts[i] for i in rows], pa.string())
        there = {"title": titles, "tags": pa.nulls(len(rows), pa.list_(pa.string()))}
        return pa.table({name: there.get(name, pa.nulls(len(rows), pa.string())) for name in names})

    inputs = EvidenceInputs(
        features=ArrayFeatures(features), rows=images.rows, labels=images.labels, groups=images.groups, k=images.k,
        probe=ProbeSettings(l2=0.05), is_fitted=images.is_fitted, columns=columns,
        classes=plain_classes([f"class{c}" for c in range(images.k)]),
    )  # fmt: skip
    made: dict[str, Any] = {"images": images, "features": inputs.features}
    for name, info in EVIDENCE.items():
        made[name] = info.make(replace(inputs, made=made), EvidenceSettings(n_folds=2, n_neighbours=5), 0)
    return made


def _factor(name: str, weigher: Weigher, evidence: Evidence) -> Factor:
    """The factor as a run makes it; a balance is given the agreement as credibility."""
    credibility = evidence["agreement"].share if weigher.kind == "balance" else None
    return make_factor(name, weigher, evidence, credibility=credibility)


def _has_shape_and_range(name: str, weigher: Weigher) -> None:
    factor = _factor(name, weigher, example_evidence())  # make_factor checks both
    if weigher.kind == "balance" and abs(float(factor.values.mean()) - 1) > 1e-4:
        raise AssertionError(f"a balance has mean 1, found {factor.values.mean():.4f}")


def _ignores_order(name: str, weigher: Weigher) -> None:
    evidence = example_evidence()
    order = np.random.default_rng(1).permutation(len(evidence["images"].labels))
    before = _factor(name, weigher, evidence).values[order]
    after = _factor(name, weigher, reordered(evidence, order)).values
    if not np.array_equal(np.isnan(before), np.isnan(after)):
        raise AssertionError("other rows have no opinion when the order changes")
    known = ~np.isnan(before)
    if np.allclose(before[known], after[known], rtol=1e-5, atol=1e-6):
        return
    from scipy.stats import spearmanr

    correlation = spearmanr(before[known], after[known]).statistic
    if not correlation >= RANK_CORRELATION:
        raise AssertionError(f"rank correlation {correlation:.3f} between the values in two orders of the rows")


def _repeats_itself(name: str, weigher: Weigher) -> None:
    one, other = (_factor(name, weigher, example_evidence()).values for _ in range(2))
    if one.tobytes() != other.tobytes():
        raise AssertionError("two calls on the same evidence give different bytes")


def _leaves_inputs_alone(name: str, weigher: Weigher) -> None:
    evidence = example_evidence()
    before = copy.deepcopy(evidence)
    _factor(name, weigher, evidence)
    for piece, record in evidence.items():
        if not _same(record, before[piece]):
            raise AssertionError(f"the piece {piece!r} was changed")


def _works_at_the_edges(name: str, weigher: Weigher) -> None:
    edges: Mapping[str, dict[str, Any]] = {
        "one class": {"k": 1},
        "one image a class": {"n": 6, "k": 6},
        "no text": {"with_text": False},
        "no ranks": {"with_ranks": False},
        "constant features": {"is_constant": True},
    }
    for edge, changes in edges.items():
        try:
            _factor(name, weigher, example_evidence(**changes))
        except Exception as cause:
            raise AssertionError(f"{edge}: {cause}") from cause


def _has_no_opinion_where_it_needs_one(name: str, weigher: Weigher) -> None:
    values = _factor(name, weigher, example_evidence()).values
    if weigher.kind == "credibility" and np.isnan(values).all():
        raise AssertionError("a credibility has no opinion on any of 240 ordinary images")


def _declares_what_it_needs(name: str, weigher: Weigher) -> None:
    evidence = example_evidence()
    needed = {piece: evidence[piece] for piece in ("images", *weigher.needs)}
    credibility = evidence["agreement"].share if weigher.kind == "balance" else None
    make_factor(name, weigher, needed, credibility=credibility)


CONTRACT: dict[str, Callable[[str, Weigher], None]] = {
    "one value an image, in the range of its kind": _has_shape_and_range,
    "the order of the rows does not matter": _ignores_order,
    "the same evidence gives the same bytes": _repeats_itself,
    "evidence is not changed": _leaves_inputs_alone,
    "one class, one image a class, no text, no ranks, constant features": _works_at_the_edges,
    "a credibility has an opinion on ordinary images": _has_no_opinion_where_it_needs_one,
    "it reads only what `needs` lists": _declares_what_it_needs,
}


def _same(one: Any, other: Any) -> bool:
    if is_dataclass(one):
        return all(_same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, np.ndarray):
        return one.tobytes() == other.tobytes()
    return bool(one == other)
