"""The two sets of CIFAR and the pickles that they are published as: images, own labels, names, and the workers' labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.layouts.restricted_pickle import read_pickle

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COARSE_CLASSES = 20
"""Of CIFAR-100."""


@dataclass(frozen=True, kw_only=True)
class CifarSet:
    """One of the two sets: its files, and the keys in them."""

    name: str
    k: int
    train: tuple[str, ...]
    test: str
    human: tuple[str, ...]
    """Names that the file of the workers' labels may have; the first is the published one."""
    label_sets: Mapping[str, str]
    """Option -> key in the file of labels; the first is the one where nothing is said."""
    coarse_sets: Mapping[str, str]
    """Option -> key of its coarse labels; {} for a set without."""
    own: str
    """Key of the images' own labels."""
    packed: str

    @property
    def files(self) -> tuple[str, ...]:
        """All files with images."""
        return (*self.train, self.test)


TEN = CifarSet(
    name="CIFAR-10", k=10, train=tuple(f"data_batch_{i}" for i in range(1, 6)), test="test_batch",
    human=("CIFAR-10_human.pt", "CIFAR-10_human.npy"),
    label_sets={
        "worse": "worse_label", "aggre": "aggre_label", "random1": "random_label1", "random2": "random_label2", "random3": "random_label3",
        "clean": "clean_label",
    },
    coarse_sets={}, own="labels", packed="cifar-10-python.tar.gz",
)  # fmt: skip
HUNDRED = CifarSet(
    name="CIFAR-100", k=100, train=("train",), test="test", human=("CIFAR-100_human.pt", "CIFAR-100_human.npy"),
    label_sets={"noisy": "noisy_label", "clean": "clean_label"},
    coarse_sets={"noisy": "noisy_coarse_label", "clean": "clean_coarse_label"}, own="fine_labels", packed="cifar-100-python.tar.gz",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names of the classes, and of the coarse ones where the set has them."""

    fine: tuple[str, ...]
    coarse: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Images of one file; arrays (n,)."""

    pixels: NDArray[np.uint8]
    """(n, 32, 32, 3)"""
    labels: NDArray[np.int64]
    coarse: NDArray[np.int64] | None


@dataclass(frozen=True, kw_only=True)
class HumanLabels:
    """The workers' labels of the training images, (n,) each, in the order of the images."""

    given: NDArray[np.int64]
    clean: NDArray[np.int64]
    coarse: NDArray[np.int64] | None


def read_batch(path: Path, cifar: CifarSet) -> Batch:
    """The images and own labels of one published file."""
    found = _fields(path)
    keys = ["data", cifar.own, *(["coarse_labels"] if cifar.coarse_sets else [])]
    data = found.get("data")
    labels = [own for own in (_numbers(found.get(key)) for key in keys[1:]) if own is not None]
    shape = data.shape if isinstance(data, np.ndarray) and data.dtype == np.uint8 else ()
    if len(labels) < len(keys) - 1 or any(shape != (len(own), 3072) for own in labels):
        raise ReweighError(
            f"{path} is no batch of {cifar.name}: looked for data (n, 3072) and n {' and '.join(keys[1:])}; "
            f"found {_shown(found)}."
        )
    if len(labels) > 1 and not _is_coarse(labels[1]):
        raise ReweighError(f"{path}: coarse_labels has labels outside of 0..{COARSE_CLASSES - 1}.")
    pixels = np.asarray(data).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Batch(pixels=pixels, labels=labels[0], coarse=labels[1] if len(labels) > 1 else None)


def read_human(path: Path, cifar: CifarSet, name: str) -> HumanLabels:
    """One label set and the clean labels, in the official order."""
    found = _fields(path)
    keys = [cifar.label_sets[name], "clean_label", *([cifar.coarse_sets[name]] if cifar.coarse_sets else [])]
    if not set(keys) <= set(found):
        raise ReweighError(f"{path} has no {' and '.join(repr(key) for key in keys)}; found {_shown(found)}.")
    read = [(key, _numbers(found[key])) for key in keys]
    values = [own for _, own in read if own is not None]
    if len(values) < len(keys) or len({len(own) for own in values}) > 1:
        shown = ", ".join(f"{key!r} {'no whole numbers' if own is None else len(own)}" for key, own in read)
        raise ReweighError(f"{path}: looked for one label an image, as many for each; found {shown}.")
    coarse = values[2] if len(values) > 2 else None
    if coarse is not None and not _is_coarse(coarse):
        raise ReweighError(f"{path}: {keys[2]!r} has labels outside of 0..{COARSE_CLASSES - 1}.")
    return HumanLabels(given=values[0], clean=values[1], coarse=coarse)


def read_names(folder: Path, cifar: CifarSet) -> Names:
    """CIFAR-10's names; CIFAR-100's as `meta` has them."""
    if cifar is TEN:
        return Names(fine=NAMES)
    found = _fields(folder / "meta")
    fine, coarse = (_texts(found.get(f"{kind}_label_names")) for kind in ("fine", "coarse"))
    for kind, values, k in (("fine", fine, cifar.k), ("coarse", coarse, COARSE_CLASSES)):
        if len(values) != k or len(set(values)) != k:
            raise ReweighError(
                f"{folder / 'meta'}: looked for {k} {kind}_label_names, all different; found {_shown(found)} with {len(values)}."
            )
    return Names(fine=fine, coarse=coarse)


def _fields(path: Path) -> dict[str, Any]:
    """The dict in a pickle, keys as texts (Python 2 wrote bytes); {} for anything else."""
    value = read_pickle(path)
    if not isinstance(value, dict):
        return {}
    texts = {key.decode("latin-1") if isinstance(key, bytes) else key: own for key, own in value.items()}
    return {key: own for key, own in texts.items() if isinstance(key, str)}


def _shown(found: Mapping[str, Any]) -> str:
    return ", ".join(repr(key[:40]).strip("'") for key in list(found)[:10]) or "no dict"


def _is_coarse(labels: NDArray[np.int64]) -> bool:
    return bool(((labels >= 0) & (labels < COARSE_CLASSES)).all())


def _numbers(value: Any) -> NDArray[np.int64] | None:
    """Whole numbers (n,) of an array or a list; None for anything else."""
    if isinstance(value, list) and not all(
        isinstance(own, int | np.integer) and abs(int(own)) < 1 << 31 for own in value
    ):
        return None
    if not isinstance(value, list | np.ndarray):
        return None
    numbers = np.asarray(value)
    return numbers.astype(np.int64) if numbers.ndim == 1 and numbers.dtype.kind in "iu" else None


def _texts(values: Any) -> tuple[str, ...]:
    """The texts of a list; () for anything else."""
    if not isinstance(values, list) or not all(isinstance(value, str | bytes) for value in values):
        return ()
    return tuple(value.decode("latin-1") if isinstance(value, bytes) else value for value in values)
