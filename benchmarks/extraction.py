"""Extraction from encoded images to stored features, against a bare forward loop over decoded batches.

    python benchmarks/extraction.py IMAGES.tar --backbone local-dir:FOLDER [--size 500x375|stored] [--threads N]
        [--workers 0] [--precision auto] [--images 256] [--repetitions 3]

Claim: at least 95 % of the bare loop's speed on 64 x 64 JPEGs and 85 % on 500 x 375 (`--size`, encoded at quality 90).
The bare loop calls the same backbone on the same batches, already decoded and in memory; extraction reads byte ranges,
decodes, forwards, and writes, syncs and marks blocks. Loop and extraction take turns; the fastest repetition counts.
Processor time is what stays comparable where other programs hold the cores: with every core at work, it bounds the wall
clock; with a core to spare, decoding costs none of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from decoding import encode_images, timed
from reweigh.catalog.tables import ImageLocation
from reweigh.features.backbones import load_backbone, resolve_backbone, resolve_speed
from reweigh.features.decoding_ahead import available_workers, decoded_batches
from reweigh.features.devices import resolve_device
from reweigh.features.extraction import extract
from reweigh.features.settings import BackboneSettings, FeatureSettings
from reweigh.images.settings import ImageSettings


def write_file(images: list[bytes], path: Path) -> list[ImageLocation]:
    """All images one after the other in a file, and where each is."""
    path.write_bytes(b"".join(images))
    offsets = np.cumsum([0, *(len(data) for data in images)])
    return [ImageLocation(path, int(o), len(data)) for o, data in zip(offsets, images, strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tar", type=Path)
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--size", default="500x375")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--repetitions", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads or len(os.sched_getaffinity(0)))
    size = None if args.size == "stored" else tuple(int(side) for side in args.size.split("x"))
    device = resolve_device("auto")
    resolved = resolve_backbone(BackboneSettings(name=args.backbone), device=device)
    settings, precision = resolve_speed(resolved, device=device, precision=args.precision)
    backbone = load_backbone(settings, device=device, precision=precision)
    work = Path(tempfile.mkdtemp())
    places = write_file(encode_images(args.tar, args.images, size), work / "images.bin")  # type: ignore[arg-type]
    chosen = FeatureSettings(workers=args.workers)
    rows = [np.arange(s, min(s + chosen.batch_size, len(places))) for s in range(0, len(places), chosen.batch_size)]
    pinned = device.startswith("cuda")
    decoded = list(
        decoded_batches(
            rows, lambda r: [places[i] for i in r], backbone.view, images=ImageSettings(), workers=2, pinned=pinned
        )
    )

    def bare() -> None:
        torch.cat([backbone.forward(batch.images) for batch in decoded]).cpu()

    def ours() -> None:
        shutil.rmtree(work / "features", ignore_errors=True)
        extract(
            backbone, len(places), lambda r: [places[i] for i in r], lambda r: [str(i) for i in r],
            folder=work / "features", settings=chosen,
        )  # fmt: skip

    bare()
    wall, processor = timed({"bare": bare, "ours": ours}, args.repetitions, time.perf_counter, time.process_time)
    shutil.rmtree(work)
    network = f"{settings.name.rpartition('/')[2]} {precision} {settings.memory_format}"
    print(
        f"{len(places)} JPEGs ({args.size}), {network} on {device}, "
        f"{torch.get_num_threads()} threads, {available_workers(args.workers)} decoding"
    )
    for name, label in (("bare", "bare forward loop"), ("ours", "reweigh extraction")):
        rate, used = len(places) / min(wall[name]), min(processor[name]) / len(places)
        share, share_used = min(wall["bare"]) / min(wall[name]), min(processor["bare"]) / min(processor[name])
        print(
            f"{label:20s} {rate:8.1f} images/s {share:7.1%} of the bare loop's   "
            f"{1000 * used:6.2f} ms of processor time an image ({share_used:.1%})"
        )


if __name__ == "__main__":
    main()
