"""Wrong labels put into clean sets: kinds of noise, each a function of the right classes and a seed.

What `reweigh.webify` has (uniform, pair, a given matrix, uneven rates of the classes) is taken from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reweigh.webify.flips import check_stochastic, corrupted, corruption_matrix
from reweigh.webify.kinds import random_probabilities
from reweigh.webify.settings import WebifySettings

LARGEST_TO_SMALLEST = 50
LEAST_IMAGES = 5
"""Images of the smallest class of the imbalanced sets, at the least: the folds need as many."""


@dataclass(frozen=True, kw_only=True)
class Clean:
    """Images whose classes are known, and what a classifier thinks of them."""

    truth: NDArray[np.int32]
    """(n,) 0..k-1"""
    k: int
    probabilities: NDArray[np.float32]
    """(n, k) held-out, of a probe of the right classes: it says which classes are mistaken for which"""
    human: NDArray[np.float64] | None
    """(k, k) P(label | truth) of people, where ten classes of theirs are known"""


@dataclass(frozen=True, kw_only=True)
class Noisy:
    """Labels of some of the images."""

    rows: NDArray[np.int64]
    """(m,) places in the clean set, ascending"""
    labels: NDArray[np.int32]
    """(m,) given labels 0..k-1"""
    truth: NDArray[np.int32]
    """(m,) right classes 0..k-1, -1 none of them"""
    k: int


Maker = Callable[[Clean, int], Noisy]


def by_matrix(clean: Clean, matrix: NDArray[np.float64], seed: int, rows: NDArray[np.int64] | None = None) -> Noisy:
    """Labels drawn from the truth's row of the matrix (k, k)."""
    rows = np.arange(len(clean.truth)) if rows is None else rows
    truth = clean.truth[rows]
    made = corrupted(truth, [str(row) for row in rows], matrix, kind="matrix", seed=seed)
    return Noisy(rows=rows, labels=made.label, truth=truth, k=clean.k)


def uniform(rate: float) -> Maker:
    """Each label wrong with this chance, all other classes alike."""
    return lambda clean, seed: by_matrix(clean, _matrix("uniform", rate, clean.k), seed)


def pair(rate: float) -> Maker:
    """Each label with this chance that of the next class."""
    return lambda clean, seed: by_matrix(clean, _matrix("pair", rate, clean.k), seed)


def confusion(rate: float) -> Maker:
    """Each label wrong with this chance, drawn by how often the classifier takes the class for the others."""

    def make(clean: Clean, seed: int) -> Noisy:
        taken_for = np.zeros((clean.k, clean.k))
        np.add.at(taken_for, clean.truth, clean.probabilities.astype(np.float64) + 1e-6)
        np.fill_diagonal(taken_for, 0)
        taken_for /= taken_for.sum(axis=1, keepdims=True)
        return by_matrix(clean, (1 - rate) * np.eye(clean.k) + rate * taken_for, seed)

    return make


def human(clean: Clean, seed: int) -> Noisy:
    """P(label | truth) of the people who labelled CIFAR-10 (worst of three), class by class."""
    if clean.human is None:
        raise ValueError("People's confusions are known of ten classes only.")
    return by_matrix(clean, check_stochastic(clean.human, clean.k), seed)


def uneven(low: float, high: float) -> Maker:
    """Rates of the classes evenly from low to high, in an order of the seed; wrong labels uniform."""

    def make(clean: Clean, seed: int) -> Noisy:
        rates = np.random.default_rng([seed, 11]).permutation(np.linspace(low, high, clean.k))[:, None]
        return by_matrix(clean, (1 - rates) * np.eye(clean.k) + rates * random_probabilities(clean.k), seed)

    return make


def imbalanced(rate: float) -> Maker:
    """Right classes from large to small, 50:1 (at least 5 images) in an order of the seed, then uniform noise."""

    def make(clean: Clean, seed: int) -> Noisy:
        generator = np.random.default_rng([seed, 12])
        most = int(np.bincount(clean.truth, minlength=clean.k).min())
        sizes = most * LARGEST_TO_SMALLEST ** -generator.permutation(np.linspace(0, 1, clean.k))
        wanted = np.maximum(np.rint(sizes).astype(int), LEAST_IMAGES)
        chosen = [
            generator.choice(np.flatnonzero(clean.truth == label), size, replace=False)
            for label, size in enumerate(wanted)
        ]
        return by_matrix(clean, _matrix("uniform", rate, clean.k), seed, np.sort(np.concatenate(chosen)))

    return make


def second_choice(rate: float, *, is_near: bool) -> Maker:
    """This share of the labels is the classifier's best other class: of rows drawn at random, or in proportion to how probable it is."""

    def make(clean: Clean, seed: int) -> Noisy:
        n, at = len(clean.truth), np.arange(len(clean.truth))
        others = clean.probabilities.astype(np.float64)
        others[at, clean.truth] = -1
        second = others.argmax(axis=1)
        chance = np.maximum(others[at, second], 1e-9) if is_near else 1
        keys = np.log(np.random.default_rng([seed, 13]).random(n)) / chance
        flipped = np.argsort(-keys, kind="stable")[: round(rate * n)]  # weighted draw without replacement
        labels = clean.truth.astype(np.int32)
        labels[flipped] = second[flipped]
        return Noisy(rows=at, labels=labels, truth=clean.truth, k=clean.k)

    return make


def open_set(outside: float, inside: float) -> Maker:
    """A fifth of the classes is none of the classes: `outside` of the rows are of them, each under a random label.

    `inside` of the rows are wrong within the classes, uniformly.
    """

    def make(clean: Clean, seed: int) -> Noisy:
        generator = np.random.default_rng([seed, 14])
        left_out = generator.permutation(clean.k)[: max(clean.k // 5, 1)]
        numbers = np.cumsum(~np.isin(np.arange(clean.k), left_out)) - 1
        is_out = np.isin(clean.truth, left_out)
        kept, k = np.flatnonzero(~is_out), clean.k - len(left_out)
        wanted = min(round(outside / (1 - outside) * len(kept)), int(is_out.sum()))
        strangers = generator.choice(np.flatnonzero(is_out), wanted, replace=False)
        rows = np.sort(np.concatenate([kept, strangers]))
        truth = np.where(is_out[rows], -1, numbers[clean.truth[rows]]).astype(np.int32)
        rate = inside / (1 - outside)
        uids = [str(row) for row in rows]
        drawn = corrupted(np.maximum(truth, 0), uids, _matrix("uniform", rate, k), kind="uniform", seed=seed).label
        labels = np.where(truth < 0, generator.integers(0, k, len(rows)), drawn).astype(np.int32)
        return Noisy(rows=rows, labels=labels, truth=truth, k=k)

    return make


def none(clean: Clean, seed: int) -> Noisy:
    """The right labels."""
    return Noisy(rows=np.arange(len(clean.truth)), labels=clean.truth, truth=clean.truth, k=clean.k)


def _matrix(corruption: str, rate: float, k: int) -> NDArray[np.float64]:
    return corruption_matrix(WebifySettings(corruption=corruption, noise=rate), k)


NOISES: dict[str, Maker] = {
    "uniform 20 %": uniform(0.2),
    "uniform 40 %": uniform(0.4),
    "pair 30 %": pair(0.3),
    "confusion 30 %": confusion(0.3),
    "human 40 %": human,
    "second choice 20 %": second_choice(0.2, is_near=False),
    "boundary 20 %": second_choice(0.2, is_near=True),
    "open 15 + 10 %": open_set(0.15, 0.1),
    "uneven 5-70 %": uneven(0.05, 0.7),
    "50:1, 20 %": imbalanced(0.2),
    "none": none,
}
