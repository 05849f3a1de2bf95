"""Decoding a JPEG to a 224 pixel view: reweigh against timm's evaluation transform and Pillow with `draft`.

    python benchmarks/decoding.py IMAGES.tar [--size 500x375] [--images 48] [--repetitions 7]

Claim: at least twice as fast as timm's transform on 500 x 375 JPEGs, one thread. The images of the tar are resized to
`--size` and encoded at quality 90 first. The ways take turns, each over all images; the fastest repetition of each
counts, as other programs can only make it slower. timm's transform ends in a normalised float tensor
(its prefetching loader leaves that out: second line), ours in uint8, which is normalised on the device with its batch.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from PIL import Image

from reweigh.images.decoding import Decoded
from reweigh.images.views import EvaluationView, encoded_view, view_pixels
from reweigh.timm_import import timm

MANY = 1 << 40


def encode_images(tar: Path, count: int, size: tuple[int, int] | None) -> list[bytes]:
    """`count` images of a tar, spread over it, as JPEGs of quality 90 and of the size, or as they are."""
    with tarfile.open(tar) as archive:
        members = [m for m in archive if m.isfile()]
        members = members[:: max(len(members) // count, 1)][:count]
        found = [archive.extractfile(m).read() for m in members]  # type: ignore[union-attr]
    return found if size is None else [_encode(data, size) for data in found]


def _encode(data: bytes, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def interleaved(
    ways: dict[str, Callable[[], Any]], repetitions: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Seconds of the fastest repetition of each way."""
    return {name: min(seconds) for name, seconds in timed(ways, repetitions, clock)[0].items()}


def timed(
    ways: dict[str, Callable[[], Any]], repetitions: int, *clocks: Callable[[], float]
) -> list[dict[str, list[float]]]:
    """For each clock, the seconds of every repetition of each way; the ways take turns."""
    seconds: list[dict[str, list[float]]] = [{name: [] for name in ways} for _ in clocks]
    for _ in range(repetitions):
        for name, way in ways.items():
            start = [clock() for clock in clocks]
            way()
            for number, clock in enumerate(clocks):
                seconds[number][name].append(clock() - start[number])
    return seconds


def whole(pixels: np.ndarray) -> Decoded:
    height, width, _ = pixels.shape
    return Decoded(pixels, height, width, (0.0, 0.0, float(height), float(width)))


def ways_to_decode(images: list[bytes], view: EvaluationView) -> dict[str, Callable[[], Any]]:
    """Name -> a pass over all images."""
    settings = {"interpolation": view.interpolation, "crop_pct": view.crop_pct, "is_training": False}
    transform = timm().data.create_transform((3, view.size, view.size), **settings)
    unnormalised = timm().data.create_transform((3, view.size, view.size), **settings, normalize=False)

    def drafted(data: bytes) -> Any:
        image = Image.open(io.BytesIO(data))
        image.draft("RGB", (view.resized, view.resized))
        return unnormalised(image.convert("RGB"))

    def opened(data: bytes) -> Image.Image:
        return Image.open(io.BytesIO(data)).convert("RGB")

    one: dict[str, Callable[[bytes], Any]] = {
        "timm, float": lambda data: transform(opened(data)),
        "timm, uint8": lambda data: unnormalised(opened(data)),
        "Pillow with draft, timm's resize, uint8": drafted,
        "reweigh, full scale": lambda data: view_pixels(view, whole(simplejpeg.decode_jpeg(data))),
        "reweigh": lambda data: encoded_view(view, data, MANY),
    }
    return {name: (lambda way=way: [way(data) for data in images]) for name, way in one.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tar", type=Path)
    parser.add_argument("--size", default="500x375", help="WIDTHxHEIGHT, or `stored` for the images as they are")
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--repetitions", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(1)
    size = None if args.size == "stored" else tuple(int(side) for side in args.size.split("x"))
    images = encode_images(args.tar, args.images, size)  # type: ignore[arg-type]
    best = interleaved(ways_to_decode(images, EvaluationView(size=224)), args.repetitions)
    print(f"{len(images)} JPEGs, {args.size}, {np.mean([len(d) for d in images]) / 1000:.0f} kB each, one thread")
    for name, seconds in best.items():
        rate = len(images) / seconds
        print(f"{name:42s} {1000 / rate:6.2f} ms  {rate:7.0f} images/s   reweigh: {seconds / best['reweigh']:.2f} x")


if __name__ == "__main__":
    main()
