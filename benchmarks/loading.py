"""Decoding and augmenting for training: reweigh's loader against timm's loader and transforms, on the same JPEGs.

    python benchmarks/loading.py IMAGES.tar [--images 1500] [--size 500x375] [--workers 1 2] [--repetitions 3]

Claim: 2.5 times timm's images/s with a random part and a mirror image (plain), 2 times with TrivialAugment. The images of the
tar are resized to `--size` and written at quality 90 first; both give uint8 batches of 64 at 224 pixels, bicubic, from worker
processes whose start is not counted (a batch of each is read before the clock starts). The ways take turns; the fastest
repetition of each counts. Two more lines compare the processor time of one thread without
any worker, which other programs on the machine disturb least.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from decoding import encode_images, interleaved
from reweigh.catalog.tables import ImageLocation
from reweigh.images.settings import AugmentationSettings, ImageSettings
from reweigh.images.training_views import training_view
from reweigh.images.views import EvaluationView
from reweigh.timm_import import timm, timm_part, torchvision_part
from reweigh.training.loader import Item, training_batches

BATCH, SIZE = 64, 224
VIEW = EvaluationView(size=SIZE)
AUGMENTS = {"plain": "none", "trivial": "trivial"}


def theirs(folder: Path, augment: str, workers: int) -> Any:
    """timm's loader; TrivialAugment is torchvision's, as timm has none, at the place of timm's own policies."""
    timm()
    data = timm_part("data")
    dataset = data.create_dataset("", root=str(folder))
    loader = data.create_loader(
        dataset, input_size=(3, SIZE, SIZE), batch_size=BATCH, is_training=True, use_prefetcher=False, num_workers=workers,
        interpolation="bicubic", hflip=0.5, color_jitter=None, persistent_workers=False,
    )  # fmt: skip
    plain = data.create_transform(
        (3, SIZE, SIZE),
        is_training=True,
        use_prefetcher=True,
        interpolation="bicubic",
        color_jitter=None,
        separate=True,
    )
    first, second, last = plain
    middle = [torchvision_part("transforms").TrivialAugmentWide()] if augment == "trivial" else []
    dataset.transform = torchvision_part("transforms").Compose([first, *middle, second, last])
    loader.dataset.transform = dataset.transform
    loader.collate_fn = data.loader.fast_collate
    return loader


def ours(places: list[Path], augment: str, workers: int) -> Callable[[], Iterator[Any]]:
    settings = AugmentationSettings(augment=augment)  # type: ignore[arg-type]
    order = np.random.default_rng(0).permutation(len(places))
    items = [
        Item(epoch=0, rows=rows, locations=[ImageLocation(path=places[row]) for row in rows])
        for rows in (order[at : at + BATCH] for at in range(0, len(places), BATCH))
    ]
    return lambda: training_batches(
        items, VIEW, settings, seed=0, images=ImageSettings(), workers=workers, pinned=False
    )


def alone(folder: Path, places: list[Path]) -> dict[str, Callable[[], Any]]:
    """The same images through timm's data set and through ours, in this process."""
    ways: dict[str, Callable[[], Any]] = {}
    for label, augment in AUGMENTS.items():
        dataset = theirs(folder, augment, 0).dataset
        settings = AugmentationSettings(augment=augment)  # type: ignore[arg-type]
        ways[f"timm {label}"] = lambda dataset=dataset: [dataset[number] for number in range(len(places))]
        ways[f"reweigh {label}"] = lambda settings=settings: [
            training_view(VIEW, settings, place.read_bytes(), 10**8, np.random.default_rng(0)) for place in places
        ]
    return ways


def rate(begin: Callable[[], Iterator[Any]], clocked: dict[str, float], name: str, n: int) -> Callable[[], None]:
    """A way that reads all batches and notes its best images/s after the first batch."""

    def way() -> None:
        batches = begin()
        next(batches)
        start = time.perf_counter()
        for _ in batches:
            pass
        clocked[name] = max(clocked.get(name, 0.0), (n - BATCH) / (time.perf_counter() - start))

    return way


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tar", type=Path)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--size", default="500x375")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    encoded = encode_images(options.tar, options.images, (width, height))
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "class"
        folder.mkdir()
        places = [folder / f"{number:05d}.jpg" for number in range(len(encoded))]
        for place, data in zip(places, encoded, strict=True):
            place.write_bytes(data)
        ways = {}
        for workers in options.workers:
            for label, augment in AUGMENTS.items():
                for who, begin in (
                    ("timm", theirs(Path(scratch), augment, workers).__iter__),
                    ("reweigh", ours(places, augment, workers)),
                ):
                    name = f"{who} {label}, {workers} workers"
                    ways[name] = rate(begin, rates, name, len(encoded))
        interleaved(ways, options.repetitions)
        seconds = interleaved(alone(Path(scratch), places[:200]), options.repetitions, time.process_time)
    print(f"{len(encoded)} JPEGs of {options.size}, {len(os.sched_getaffinity(0))} cores; images/s")
    for workers in options.workers:
        for label in AUGMENTS:
            timms, own = rates[f"timm {label}, {workers} workers"], rates[f"reweigh {label}, {workers} workers"]
            print(f"{label:8} {workers} workers: timm {timms:6.0f}, reweigh {own:6.0f}, {own / timms:.2f} times")
    for label in AUGMENTS:
        timms, own = seconds[f"timm {label}"], seconds[f"reweigh {label}"]
        print(
            f"{label:8} one thread, processor time: timm {1e3 * timms / 200:.2f} ms an image, reweigh {1e3 * own / 200:.2f}, "
            f"{timms / own:.2f} times"
        )


if __name__ == "__main__":
    main()
