"""The sets of `detection.py`: given labels, right ones, held-out probabilities and features, each made anew from its seed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import weights_sets
from detection_noise import NOISES, Clean, Noisy
from reweigh.catalog.tables import read_columns, read_uids
from reweigh.evidence.held_out import make_held_out
from reweigh.features.matrix import ArrayFeatures
from reweigh.whole_files import write_bytes
from weights_sets import NOT_KNOWN, Place

N_PEOPLE = 10_000
"""Rows drawn of CIFAR-10N's 25,000."""
N_CLEAN = 5_000
"""Rows drawn of CIFAR-10 for noise that is put in."""
N_TINY = 32
"""Classes of the 40, as many as the webified set has."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One draw of a set."""

    labels: NDArray[np.int32]
    """(n,) given labels 0..k-1"""
    truth: NDArray[np.int32]
    """(n,) right classes, -1 none of the classes, -2 not known"""
    probabilities: NDArray[np.float32]
    """(n, k) held-out, by a probe of the given labels"""
    features: NDArray[np.float32] | None
    """(n, d)"""

    @property
    def is_known(self) -> NDArray[np.bool_]:
        return self.truth > NOT_KNOWN

    @property
    def is_wrong(self) -> NDArray[np.bool_]:
        return self.labels != self.truth


@dataclass(frozen=True, kw_only=True)
class DetectionSet:
    """How a set is made."""

    group: str
    make: Callable[[int, Place], Example]
    n_seeds: int
    is_injected: bool = False


def make_example(name: str, seed: int, place: Place) -> Example:
    """The draw of this set, kept in the cache: the probes are fitted once."""
    path = _kept(place) / re.sub(r"[^a-z0-9]+", "-", name).strip("-") / f"{seed}.npz"
    if not path.exists():
        made = SETS[name].make(seed, place)
        arrays = {"labels": made.labels, "truth": made.truth, "probabilities": made.probabilities}
        if made.features is not None:
            arrays["features"] = made.features.astype(np.float16)
        _store(path, lambda file: np.savez(file, **arrays))
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored}
    features = arrays.pop("features", None)
    return Example(features=None if features is None else features.astype(np.float32), **arrays)


def _kept(place: Place) -> Path:
    """Beside the cache of the comparison of weights, whose photos and features are read here."""
    return place.cache.parent / "detection" / "examples"


def _store(path: Path, save: Callable[[io.BytesIO], None]) -> None:
    file = io.BytesIO()
    save(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, file.getvalue())


def _held_out(
    labels: NDArray[np.int32], features: NDArray[np.float32], k: int, seed: int, groups: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """(n, k) probabilities of probes that have not seen the row, 5 folds, L2 chosen on held-out labels as a run does."""
    at = np.arange(len(labels))
    made = make_held_out(ArrayFeatures(features), at, labels, at if groups is None else groups, k=k, seed=seed)
    return np.exp(made.log_probabilities.read(0, len(labels))).astype(np.float32)


def published(which: str) -> Callable[[int, Place], Example]:
    """ResNet-18's published held-out probabilities of all 50,000 images of CIFAR-10N; there is one draw."""

    def make(seed: int, place: Place) -> Example:
        with np.load(place.data / "cifar10n" / "cifar10n_resnet18_oof.npz") as stored:
            return Example(
                labels=stored[f"noisy_{which}"].astype(np.int32), truth=stored["clean"].astype(np.int32),
                probabilities=stored[f"prob_{which}"].astype(np.float32), features=None,
            )  # fmt: skip

    return make


def people(which: str) -> Callable[[int, Place], Example]:
    """CIFAR-10N's labels on lite0 features: 10,000 rows drawn by the seed."""

    def make(seed: int, place: Place) -> Example:
        uids, features = photo_features("cifar_worse", place)
        table = _cifar_labels(place)
        train = np.flatnonzero([uid in table for uid in uids])
        rows = np.sort(np.random.default_rng([seed, 21]).choice(train, N_PEOPLE, replace=False))
        labels, truth = (np.array([int(table[uids[r]][c]) for r in rows], np.int32) for c in (which, "clean"))
        own = features[rows].astype(np.float32)
        return Example(labels=labels, truth=truth, probabilities=_held_out(labels, own, 10, seed), features=own)

    return make


def fashion(label: str, verified: str) -> Callable[[int, Place], Example]:
    """Photos with users' labels, judged where people checked them; the seed draws the folds."""

    def make(seed: int, place: Place) -> Example:
        uids, features = photo_features("fashion", place)
        with (place.data / "fashion_web" / "labels.csv").open(encoding="utf-8", newline="") as file:
            table = {row["file"]: row for row in csv.DictReader(file)}
        rows = np.flatnonzero([bool(table[uid][label]) for uid in uids])
        names = sorted({table[uids[row]][label] for row in rows})
        number = {name: at for at, name in enumerate(names)} | {"": NOT_KNOWN}
        labels, truth = (np.array([number[table[uids[r]][c]] for r in rows], np.int32) for c in (label, verified))
        own = features[rows].astype(np.float32)
        return Example(labels=labels, truth=truth, probabilities=_held_out(labels, own, len(names), seed), features=own)

    return make


def actions(seed: int, place: Place) -> Example:
    """Web search photos that people had sorted; judged by the 160 that were looked at, of which 6 are wrong."""
    catalog = weights_sets.indexed("actions", place)
    _, features = photo_features("actions", place)
    columns = read_columns(catalog, ["label", "verified"])
    labels = columns["label"].to_numpy().astype(np.int32)
    looked_at = {True: 1, False: 0, None: NOT_KNOWN}
    right = np.array([looked_at[value] for value in columns["verified"].to_pylist()])
    truth = np.where(right == 1, labels, np.where(right == 0, -1, NOT_KNOWN)).astype(np.int32)
    own = features.astype(np.float32)
    return Example(labels=labels, truth=truth, probabilities=_held_out(labels, own, catalog.k, seed), features=own)


def webified(name: str) -> Callable[[int, Place], Example]:
    """A draw of `weights_sets`, with the held-out predictions that its weights are made from."""

    def make(seed: int, place: Place) -> Example:
        case = weights_sets.make_case(name, seed, place)
        log_probabilities = case.evidence["held_out"].log_probabilities
        return Example(
            labels=case.labels, truth=case.truth, features=np.asarray(case.features.read(case.rows), np.float32),
            probabilities=np.exp(log_probabilities.read(0, len(case.rows))).astype(np.float32),
        )  # fmt: skip

    return make


def injected(base: str, noise: str) -> Callable[[int, Place], Example]:
    """Noise of a kind put into clean images with features; probes are fitted anew on the noisy labels."""

    def make(seed: int, place: Place) -> Example:
        clean, features = clean_images(base, seed, place)
        noisy: Noisy = NOISES[noise](clean, seed)
        own = features[noisy.rows]
        return Example(
            labels=noisy.labels, truth=noisy.truth, features=own,
            probabilities=_held_out(noisy.labels, own, noisy.k, seed),
        )  # fmt: skip

    return make


@lru_cache(maxsize=3)
def clean_images(base: str, seed: int, place: Place) -> tuple[Clean, NDArray[np.float32]]:
    """(clean images with a classifier's opinion of them, their features (n, d))."""
    generator = np.random.default_rng([seed, 22])
    if base == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        truth, features = digits.target.astype(np.int32), (digits.data / 16).astype(np.float32)
    elif base == "tiny":
        uids, stored = photo_features("tiny", place)
        chosen = np.sort(generator.permutation(40)[:N_TINY])
        catalog = weights_sets.indexed("tiny", place)
        labels = read_columns(catalog, ["label"])["label"].to_numpy()
        rows = np.flatnonzero(np.isin(labels, chosen) & [uid.startswith("train/") for uid in uids])
        truth, features = np.searchsorted(chosen, labels[rows]).astype(np.int32), stored[rows].astype(np.float32)
    else:
        uids, stored = photo_features("cifar_worse", place)
        table = _cifar_labels(place)
        train = np.flatnonzero([uid in table for uid in uids])
        rows = np.sort(generator.choice(train, N_CLEAN, replace=False))
        truth = np.array([int(table[uids[row]]["clean"]) for row in rows], np.int32)
        features = stored[rows].astype(np.float32)
    k = int(truth.max()) + 1
    path = _kept(place) / f"clean-{base}" / f"{seed}.npy"
    if not path.exists():
        opinion = _held_out(truth, features, k, seed)
        _store(path, lambda file: np.save(file, opinion))
    human = _people_of_cifar(place) if k == 10 else None
    return Clean(truth=truth, k=k, probabilities=np.load(path), human=human), features


@lru_cache(maxsize=4)
def photo_features(photos: str, place: Place) -> tuple[tuple[str, ...], NDArray[np.float16]]:
    """(uids, (n, d) features) of all photos, shared with the cache of the comparison of weights."""
    features, catalog = weights_sets.stored_features(photos, place)
    return tuple(read_uids(catalog)), np.asarray(features.values)


@lru_cache(maxsize=1)
def _cifar_labels(place: Place) -> dict[str, dict[str, str]]:
    with (place.data / "cifar10n" / "train_labels.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def _people_of_cifar(place: Place) -> NDArray[np.float64]:
    """(10, 10) P(worst of three labels | truth), of all 50,000."""
    table = _cifar_labels(place).values()
    counts = np.zeros((10, 10))
    np.add.at(counts, ([int(row["clean"]) for row in table], [int(row["worse"]) for row in table]), 1)
    return counts / counts.sum(axis=1, keepdims=True)


BASES = ("digits", "tiny", "cifar")
SETS: dict[str, DetectionSet] = {
    **{f"published {w}": DetectionSet(group="published", make=published(w), n_seeds=1) for w in ("aggre", "worse")},
    **{
        f"people {which}": DetectionSet(group="people", make=people(which), n_seeds=3)
        for which in ("aggre", "random1", "random2", "worse")
    },
    "fashion garment": DetectionSet(group="web", make=fashion("label", "verified"), n_seeds=3),
    "fashion shoes": DetectionSet(group="web", make=fashion("label_shoes", "verified_shoes"), n_seeds=3),
    "actions": DetectionSet(group="web", make=actions, n_seeds=3),
    **{
        f"webified {name}": DetectionSet(group="webified", make=webified(name), n_seeds=5)
        for name in ("tiny", "tiny_60", "tiny_clean", "actions")
    },
    **{
        f"{base}, {noise}": DetectionSet(group=noise, make=injected(base, noise), n_seeds=3, is_injected=True)
        for noise in NOISES
        for base in BASES
        if not (noise.startswith("human") and base == "tiny")
    },
}
"""In the order of the tables; `group` is the table that a set belongs to."""
