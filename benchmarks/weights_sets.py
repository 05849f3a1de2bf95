"""The sets of `weights.py`: each made anew from its seed, with its evidence, and what is right where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.tables import (
    Catalog,
    image_locations,
    is_catalog,
    open_catalog,
    read_classes,
    read_columns,
    read_labels,
    read_uids,
)
from reweigh.catalog.truth import read_kinds, read_truth
from reweigh.evidence.images import Images, images_of
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.table import EVIDENCE
from reweigh.features.extraction import extract, feature_key
from reweigh.features.matrix import ArrayFeatures
from reweigh.features.store import Features, is_complete, open_features
from reweigh.layouts.table_of_layouts import index
from reweigh.probes.settings import ProbeSettings
from reweigh.runs.recipe import read_recipe
from reweigh.runs.resolve import load, resolve
from reweigh.runs.source import Source
from reweigh.runs.webified import run_webify
from reweigh.webify.settings import WebifySettings
from reweigh.weighers.auto import choose
from reweigh.weighers.settings import AUTO, WeightSettings
from reweigh.weighers.weighing import kept_images
from reweigh.whole_files import read_json, write_json

NOT_KNOWN = -2
TEXTS = ("title", "tags", "description")


@dataclass(frozen=True, kw_only=True)
class Photos:
    """A data set as it is indexed, and the view that its features are of."""

    path: str
    """Below the folder of data."""
    options: dict[str, Any] = field(default_factory=dict)
    input_size: int = 128
    is_squashed: bool = False
    """Both sides resized instead of the middle cut out."""
    features_of: str = ""
    """Another of PHOTOS whose images, and so features, are the same ones by uid."""


PHOTOS: dict[str, Photos] = {
    "tiny": Photos(path="tiny_imagenet_40/labels.csv", options={"tar": ["tiny_imagenet_40/tiny_imagenet_40.tar"]}),
    "actions": Photos(path="web_actions/labels.csv", options={"tar": ["web_actions/web_actions.tar"]}),
    "cifar_worse": Photos(path="cifar10n", options={"labels": "worse"}),
    "cifar_aggre": Photos(path="cifar10n", options={"labels": "aggre"}, features_of="cifar_worse"),
    "fashion": Photos(
        path="fashion_web/labels.csv",
        options={"tar": ["fashion_web/fashion_web.tar"], "columns": {"verified_label": "verified"}},
        input_size=160,
        is_squashed=True,
    ),
    "fashion_shoes": Photos(
        path="fashion_web/labels.csv",
        options={
            "tar": ["fashion_web/fashion_web.tar"],
            "columns": {"label": "label_shoes", "verified_label": "verified_shoes"},
        },
        features_of="fashion",
    ),
}


@dataclass(frozen=True, kw_only=True)
class WebSet:
    """How a set is made from photos; what is given here is part of the key of its cells."""

    photos: str
    webify: dict[str, Any] | None = None
    """Settings of webify; None: the labels are wrong by themselves."""
    near: str = "wordnet"
    n_train: int = 0
    """Training rows drawn by the seed; 0: all."""
    n_test: int = 0
    test_share: float = 0.0
    """Share of the labelled rows that the seed sets aside, for photos without a test part."""


TINY = {"pool_classes": 8, "n_max": 100}
SETS: dict[str, WebSet] = {
    "tiny": WebSet(photos="tiny", webify=TINY),
    "actions": WebSet(photos="actions", webify={"keep_side": True, "noise": 0.4}, near="confusion"),
    "cifar_worse": WebSet(photos="cifar_worse", n_train=10_000, n_test=4_000),
    "cifar_aggre": WebSet(photos="cifar_aggre", n_train=10_000, n_test=4_000),
    "fashion": WebSet(photos="fashion", test_share=0.2),
    "fashion_shoes": WebSet(photos="fashion_shoes", test_share=0.2),
    "tiny_clean": WebSet(photos="tiny", webify={**TINY, "noise": 0.02}),
    "tiny_20": WebSet(photos="tiny", webify={**TINY, "noise": 0.2}),
    "tiny_60": WebSet(photos="tiny", webify={**TINY, "noise": 0.6}),
    "tiny_equal": WebSet(photos="tiny", webify={**TINY, "ratio": 1.0, "n_max": 40}),
    "tiny_useless": WebSet(photos="tiny", webify={**TINY, "text_signal": 0.0, "rank_signal": 0.0}),
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where things are."""

    data: Path
    cache: Path
    backbone: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """One draw of a set: m training rows that no weigher excludes, t test rows, and what is known of both."""

    features: ArrayFeatures
    rows: NDArray[np.int64]
    """(m,) training rows: positions into `features`"""
    labels: NDArray[np.int32]
    """(m,) given labels"""
    truth: NDArray[np.int32]
    """(m,) right classes, -1 none of the classes, -2 not known"""
    kinds: NDArray[np.str_]
    """(m,) kinds of error where webify made them, else empty"""
    test: NDArray[np.int64]
    """(t,) test rows: positions into `features`"""
    answers: NDArray[np.int32]
    """(t,) their right classes"""
    k: int
    images: Images
    evidence: dict[str, Any]
    """Pieces by name, of the m rows"""
    auto: tuple[str, ...]
    """What `auto` stands for here, in order"""
    l2: float
    """Chosen on held-out labels, as a run does"""
    seed: int

    @property
    def is_known(self) -> NDArray[np.bool_]:
        return self.truth > NOT_KNOWN

    @property
    def is_right(self) -> NDArray[np.bool_]:
        return self.labels == self.truth


def make_case(name: str, seed: int, place: Place) -> Case:
    """The set of this name drawn by `seed`, all of its evidence made with the shipped settings."""
    made = SETS[name]
    catalog = set_catalog(name, made, seed, place)
    features = _matrix(catalog, made, place)
    answers = _answers(catalog)
    train, test = _split(catalog, made, answers, seed)
    images = images_of(catalog, train)
    has_text = any(catalog.counts["filled"].get(text, 0) for text in TEXTS)
    auto = choose(WeightSettings(use=(AUTO,)), images, has_text=has_text).names
    kept, _ = kept_images(images, auto, WeightSettings())
    train = train[kept]
    images = images_of(catalog, train)
    evidence = _evidence(catalog, features, images, seed)
    kinds = read_kinds(catalog)
    return Case(
        features=features, rows=train, labels=images.labels, truth=answers[train],
        kinds=np.array([""] * len(train) if kinds is None else [kinds[row] for row in train.tolist()]),
        test=test, answers=answers[test], k=catalog.k, images=images, evidence=evidence, auto=auto,
        l2=evidence["held_out"].l2, seed=seed,
    )  # fmt: skip


def _answers(catalog: Catalog) -> NDArray[np.int32]:
    """(n,) the truth where a catalog has it, else what people said: a class, -1 none of them, -2 not known."""
    truth = read_truth(catalog)
    if truth is not None:
        return truth
    verified = read_columns(catalog, ["verified_label"])["verified_label"].fill_null(NOT_KNOWN).to_numpy()
    return np.asarray(verified, np.int32)


def _split(
    catalog: Catalog, made: WebSet, answers: NDArray[np.int32], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(training rows, test rows whose right class is known), ascending."""
    generator = np.random.default_rng([seed, 5])
    labels = read_labels(catalog)
    is_train = np.array(read_columns(catalog, ["split"])["split"].to_pylist(), dtype=object) == "train"
    train, test = np.flatnonzero(is_train & (labels >= 0)), np.flatnonzero(~is_train)
    if made.test_share:
        shuffled = generator.permutation(train)
        n_test = round(made.test_share * len(shuffled))
        train, test = np.sort(shuffled[n_test:]), np.sort(shuffled[:n_test])
    if made.n_train:
        train = np.sort(generator.choice(train, made.n_train, replace=False))
        test = np.sort(generator.choice(test, made.n_test, replace=False))
    return train, test[answers[test] >= 0]


def _evidence(catalog: Catalog, features: ArrayFeatures, images: Images, seed: int) -> dict[str, Any]:
    """Every piece of the table that the catalog has something for."""

    def columns(names: Sequence[str], at: NDArray[np.int64]) -> pa.Table:
        return read_columns(catalog, names, images.rows[at])

    inputs = EvidenceInputs(
        features=features, rows=images.rows, labels=images.labels, groups=images.groups, k=catalog.k,
        probe=ProbeSettings(), is_fitted=images.is_fitted, columns=columns, classes=read_classes(catalog),
    )  # fmt: skip
    made: dict[str, Any] = {"images": images, "features": features}
    for name, info in EVIDENCE.items():
        made[name] = info.make(replace(inputs, made=made), EvidenceSettings(), seed)
    return made


def set_catalog(name: str, made: WebSet, seed: int, place: Place) -> Catalog:
    """The catalog of a draw: webified once and kept, or that of the photos themselves."""
    source = indexed(made.photos, place)
    if made.webify is None:
        return source
    stored_features(made.photos, place)  # the confusion of classes reads the features beside the source
    path = place.cache / "sets" / f"{name}-{seed}.catalog"
    recipe = path.with_suffix(".json")
    wanted = {"webify": dict(made.webify), "near": made.near, "from": source.fingerprint}
    if is_catalog(path) and recipe.exists() and read_json(recipe) == wanted:
        return open_catalog(path)
    if path.exists():
        raise SystemExit(f"{path} was made with other settings than those of now; remove it to make it anew.")
    webified = run_webify(Source(path=source.path), path, WebifySettings(**made.webify), seed=seed, near=made.near)
    write_json(recipe, wanted)
    return webified.catalog


def indexed(photos: str, place: Place) -> Catalog:
    path = place.cache / "photos" / f"{photos}.catalog"
    if is_catalog(path):
        return open_catalog(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = PHOTOS[photos]
    options = dict(chosen.options)
    if "tar" in options:
        options["tar"] = [str(place.data / tar) for tar in options["tar"]]
    return index(place.data / chosen.path, path, options=options)


def stored_features(photos: str, place: Place) -> tuple[Features, Catalog]:
    """Features of all photos, extracted once, and the catalog whose rows they are of."""
    chosen = PHOTOS[photos]
    if chosen.features_of:
        return stored_features(chosen.features_of, place)
    catalog = indexed(photos, place)
    backbone = _squashed(place) if chosen.is_squashed else place.backbone
    changes = [f"backbone.name={backbone}", f"backbone.input_size={chosen.input_size}"]
    stored = catalog.path / "features.json"
    if stored.exists() and (record := read_json(stored))["backbone"] == changes:
        folder = catalog.path / "features" / record["key"]
        if is_complete(folder):
            return open_features(folder), catalog
    recipe = resolve(read_recipe("baseline", changes))
    network = load(recipe)
    key = feature_key(network, fingerprint=catalog.fingerprint, rows=None, images=recipe.images)
    features = extract(
        network, catalog.n, lambda at: image_locations(catalog, at), lambda at: read_uids(catalog, at),
        folder=catalog.path / "features" / key, settings=recipe.features, images=recipe.images,
    )  # fmt: skip
    write_json(stored, {"backbone": changes, "key": key})
    return features, catalog


def _squashed(place: Place) -> str:
    """The same local backbone with a view that keeps the whole image: heads and shoes are at the ends of a tall photo."""
    original = Path(place.backbone.removeprefix("local-dir:"))
    folder = place.cache / "squashed_backbone"
    folder.mkdir(parents=True, exist_ok=True)
    config = read_json(original / "config.json")
    config["pretrained_cfg"] |= {"crop_mode": "squash", "crop_pct": 1.0}
    write_json(folder / "config.json", config)
    weights = folder / "model.safetensors"
    if not weights.exists():
        weights.symlink_to(original / "model.safetensors")
    return f"local-dir:{folder}"


def _matrix(catalog: Catalog, made: WebSet, place: Place) -> ArrayFeatures:
    """Features in the rows of this catalog, found by uid."""
    features, source = stored_features(made.photos, place)
    at = {uid: row for row, uid in enumerate(read_uids(source))}
    return ArrayFeatures(np.asarray(features.values)[[at[uid] for uid in read_uids(catalog)]])
