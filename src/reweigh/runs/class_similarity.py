"""How alike the classes of a clean set are: by WordNet, by a probe's confusion, by their order, or by a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, image_locations, read_classes, read_groups, read_split, read_uids
from reweigh.errors import ReweighError, nearest
from reweigh.progress import Progress
from reweigh.runs.recipe import Recipe
from reweigh.text.wordnet import NOUNS, WordNet, find_wordnet, has_synset, read_wordnet, synset
from reweigh.text.wordnet import similarity as wordnet_similarity

BLOCK = 4096


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a similarity may be made from."""

    catalog: Catalog
    truth: NDArray[np.int32]
    """(n,) right class of each row, below 0 = none"""
    recipe: Recipe
    """Its backbone, evidence and probe are those of the confusion."""
    is_backbone_named: bool
    """Whether the user named a backbone: then its features are extracted, whatever is stored."""
    seed: int
    progress: Progress
    is_forced: bool = False
    """Whether no other way will do, so that features are extracted by the recipe's own backbone too."""


@dataclass(frozen=True, kw_only=True)
class ClassSimilarity:
    """A similarity of all classes of a catalog."""

    values: NDArray[np.floating]
    """(k, k), 0 or more, 1 or the largest on the diagonal"""
    made_from: str
    """For the summary: what it was taken from, and why from nothing better."""


@dataclass(frozen=True, kw_only=True)
class Impossible:
    """A way that this catalog does not allow."""

    reason: str


def class_similarity(asked: Asked, near: str = "auto") -> ClassSimilarity:
    """By the way that `near` names: wordnet, confusion, order or a file .npy or .csv with a matrix (k, k).

    auto: WordNet where all classes have synsets and its files are found; else the confusion of held-out predictions where
    features are there or a backbone was named; else the order of the classes.
    Raises ReweighError for a way that is forced and impossible, and for a name that is none.
    """
    if near == "auto":
        reasons: list[str] = []
        for way in WAYS.values():
            made = way(asked)
            if isinstance(made, ClassSimilarity):
                said = "; ".join([made.made_from, *reasons])
                return ClassSimilarity(values=made.values, made_from=said)
            reasons.append(made.reason)
    if near in WAYS:
        made = WAYS[near](replace(asked, is_forced=True))
        if isinstance(made, Impossible):
            raise ReweighError(f"--near {near} is impossible for {asked.catalog.path}: {made.reason}.")
        return made
    if Path(near).suffix in (".npy", ".csv"):
        return _by_file(asked.catalog, Path(near))
    ways = ["auto", *WAYS]
    raise ReweighError(
        f"No --near {near!r}; there are: {', '.join(ways)}, or a file .npy or .csv.{nearest(near, ways)}"
    )


def glosses_of(catalog: Catalog) -> tuple[str | None, ...]:
    """WordNet's gloss of each class that has a synset; () where no class has one or WordNet's files are not here."""
    synsets = read_classes(catalog).synsets
    wordnet = _wordnet() if any(synsets) else Impossible(reason="")
    if isinstance(wordnet, Impossible):
        return ()
    return tuple(synset(wordnet, name).gloss if name and has_synset(wordnet, name) else None for name in synsets)


def _by_wordnet(asked: Asked) -> ClassSimilarity | Impossible:
    classes = read_classes(asked.catalog)
    without = [name for name, own in zip(classes.names, classes.synsets, strict=True) if not own]
    if without:
        return Impossible(reason=f"{len(without)} of {len(classes.names)} classes have no synset, e.g. {without[0]!r}")
    wordnet = _wordnet()
    if isinstance(wordnet, Impossible):
        return wordnet
    synsets = [name for name in classes.synsets if name]
    unknown = [name for name in synsets if not has_synset(wordnet, name)]
    if unknown:
        return Impossible(reason=f"{len(unknown)} of its synsets are not in WordNet 3.0, e.g. {unknown[0]!r}")
    values = wordnet_similarity(wordnet, synsets)
    return ClassSimilarity(values=values, made_from="WordNet, 1 / (1 + links between two synsets)")


def _wordnet() -> WordNet | Impossible:
    """WordNet where its files are; files that are there and broken are an error."""
    try:
        folder = find_wordnet()
    except ReweighError as missing:
        return Impossible(reason=str(missing).rstrip("."))
    return _read(str(folder), (folder / NOUNS).stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read(folder: str, changed: int) -> WordNet:
    """The file is read once for similarities and for glosses, as long as it stays what it is."""
    return read_wordnet(folder)


def _by_confusion(asked: Asked) -> ClassSimilarity | Impossible:
    stored = _stored(asked.catalog)
    is_extracting = asked.is_backbone_named or (stored is None and asked.is_forced)
    if stored is None and not is_extracting:
        return Impossible(reason="no stored features of all its images, and no backbone named")
    from reweigh.evidence.held_out import make_held_out
    from reweigh.features.store import describe_features, open_features, unreadable_rows

    features = _extracted(asked) if is_extracting or stored is None else open_features(stored)
    is_train = read_split(asked.catalog, "train").copy()
    is_train[unreadable_rows(features)] = False
    rows = np.flatnonzero(is_train & (asked.truth >= 0))
    made = make_held_out(
        features, rows, asked.truth[rows], read_groups(asked.catalog)[rows], k=asked.catalog.k, settings=asked.recipe.evidence,
        probe=asked.recipe.probe, seed=asked.seed, uids=lambda at: read_uids(asked.catalog, at), progress=asked.progress,
    )  # fmt: skip
    mass = np.zeros((asked.catalog.k, asked.catalog.k))
    for start in range(0, len(rows), BLOCK):
        block = np.exp(made.log_probabilities.read(start, min(start + BLOCK, len(rows))))
        np.add.at(mass, made.labels[start : start + BLOCK], block)
    name = describe_features(features)["backbone"]["name"]
    return ClassSimilarity(
        values=confusion_similarity(mass), made_from=f"confusion of held-out predictions, features of {name}"
    )


def confusion_similarity(mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, k) mean probability of one class for images of the other, both ways averaged; mass (k, k): row = right class,
    column = probability summed over its images. A class without images has that of the others for it, halved."""
    mean = mass / np.maximum(mass.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray((mean + mean.T) / 2)


def _stored(catalog: Catalog) -> Path | None:
    """A folder of the catalog's cache with features of all its rows, the first by name."""
    from reweigh.features.store import is_complete, open_features

    folders = sorted(p for p in (catalog.path / "features").glob("*") if is_complete(p))
    return next((p for p in folders if open_features(p).n == catalog.n), None)


def _extracted(asked: Asked):  # type: ignore[no-untyped-def]
    """Features by the recipe's backbone, in the catalog's cache: made now, or used again."""
    from reweigh.features.extraction import extract, feature_key
    from reweigh.runs.resolve import load, resolve

    recipe, catalog = resolve(asked.recipe), asked.catalog
    backbone = load(recipe)
    key = feature_key(backbone, fingerprint=catalog.fingerprint, rows=None, images=recipe.images)
    return extract(
        backbone, catalog.n, lambda at: image_locations(catalog, at), lambda at: read_uids(catalog, at),
        folder=catalog.path / "features" / key, settings=recipe.features, images=recipe.images, progress=asked.progress,
    )  # fmt: skip


def _by_order(asked: Asked) -> ClassSimilarity:
    number = np.arange(asked.catalog.k)
    values = 1 / (1 + np.abs(number[:, None] - number))
    return ClassSimilarity(values=values, made_from="the order of the classes (neighbouring numbers)")


def _by_file(catalog: Catalog, path: Path) -> ClassSimilarity:
    from reweigh.webify.flips import read_matrix
    from reweigh.webify.kinds import check_similarity

    values = check_similarity(read_matrix(path), read_classes(catalog).names)
    return ClassSimilarity(values=values, made_from=path.name)


WAYS: dict[str, Callable[[Asked], ClassSimilarity | Impossible]] = {
    "wordnet": _by_wordnet,
    "confusion": _by_confusion,
    "order": _by_order,
}
"""The ways by name; `auto` takes the first that is possible."""
