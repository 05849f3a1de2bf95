"""Seconds and memory of all weights for a million made-up rows, held-out predictions and neighbours given.

    python benchmarks/weights_speed.py --rows 1000000 --features 256 --classes 1000 --folder /tmp/weights-speed [--urnet]

With `--urnet` the weights of the recipe `urnet`: clusters and image-text matching too; goal then: under 5 minutes. Else: under
2 minutes on two cores and under 2 GiB of memory beside the memory-mapped files. Each piece is timed apart;
memory is the largest anonymous resident set (file pages that are only mapped do not count), sampled every 50 ms.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reweigh.catalog.tables import plain_classes
from reweigh.evidence.images import Images, contested
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.neighbours import NeighbourVotes, label_share
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.table import EVIDENCE
from reweigh.features.matrix import ArrayFeatures
from reweigh.probes.log_probabilities import LogProbabilities
from reweigh.probes.settings import ProbeSettings
from reweigh.weighers.settings import WeightSettings
from reweigh.weighers.weighing import weigh_images

BLOCK = 20_000
URNET = ("duplicates", "held_out", "neighbours", "clusters", "image_text", "rank", "class_balance")
NAMES = ("duplicates", "held_out", "neighbours", "density", "rank", "own_text", "class_balance")


def write_data(folder: Path, n: int, d: int, k: int, *, seed: int = 0) -> None:
    """Features, log-probabilities, neighbours and texts of n rows in files of `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, k, n)
    labels = np.where(generator.random(n) < 0.3, generator.integers(0, k, n), truth).astype(np.int32)
    centres = generator.standard_normal((k, d)).astype(np.float32)
    features = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float16, (n, d))
    scores = np.lib.format.open_memmap(folder / "log_probabilities.npy", "w+", np.float16, (n, k))
    position, best_other = np.empty(n, np.int32), np.empty(n, np.int32)
    noise = generator.standard_normal((BLOCK, k)).astype(np.float32)
    for start in range(0, n, BLOCK):
        here = slice(start, min(start + BLOCK, n))
        size = here.stop - start
        features[here] = centres[truth[here]] + generator.standard_normal((size, d), dtype=np.float32)
        block = np.roll(noise[:size], int(generator.integers(k)), axis=1).copy()
        block[np.arange(size), truth[here]] += 6
        block -= np.log(np.exp(block).sum(axis=1, keepdims=True))
        scores[here] = block
        own = block[np.arange(size), labels[here]]
        position[here] = (block > own[:, None]).sum(axis=1)
        block[np.arange(size), labels[here]] = -np.inf
        best_other[here] = block.argmax(axis=1)
    by_class = np.argsort(truth, kind="stable")
    place = np.empty(n, np.int64)
    place[by_class] = np.arange(n)
    near = by_class[(place[:, None] + generator.integers(1, 200, (n, 20))) % n].astype(np.int32)
    np.save(folder / "neighbours.npy", near)
    np.savez(
        folder / "rows.npz",
        labels=labels,
        rank=generator.integers(1, 4000, n),
        source=generator.integers(0, 2, n),
        label_position=position,
        best_other=best_other,
    )
    words = [f"word{i}" for i in range(5000)] + [f"class{c}" for c in range(k)]
    with pq.ParquetWriter(folder / "texts.parquet", pa.schema([("title", pa.string())])) as writer:
        for start in range(0, n, BLOCK):
            own = truth[start : start + BLOCK]
            filler = generator.integers(0, 5000, (len(own), 5))
            texts = [
                " ".join(words[w] for w in row) + (f" class{c}" if c % 3 else "")
                for row, c in zip(filler, own, strict=True)
            ]
            writer.write_table(pa.table({"title": texts}))


def inputs_of(folder: Path, k: int) -> tuple[Images, EvidenceInputs, dict[str, Any]]:
    """The pieces that are given, memory-mapped, and what the others are made from."""
    rows = np.load(folder / "rows.npz")
    labels, n = rows["labels"], len(rows["labels"])
    at = np.arange(n)
    images = Images(
        rows=at, labels=labels, k=k, groups=at, copies=at, source=rows["source"].astype(np.int32), source_names=("flickr", "google"),
        rank=rows["rank"].astype(np.int32), is_fitted=~contested(at, labels), person=np.full(n, np.nan, np.float32),
    )  # fmt: skip
    texts = pq.ParquetFile(folder / "texts.parquet", memory_map=True)
    groups = [texts.metadata.row_group(i).num_rows for i in range(texts.num_row_groups)]
    starts = np.cumsum([0, *groups])

    def columns(names: Any, wanted: np.ndarray) -> pa.Table:
        first, last = np.searchsorted(starts, [wanted[0], wanted[-1]], side="right") - 1
        block = texts.read_row_groups(list(range(first, last + 1)))["title"].take(pa.array(wanted - starts[first]))
        there = {"title": block, "tags": pa.nulls(len(wanted), pa.list_(pa.string()))}
        return pa.table({name: there.get(name, pa.nulls(len(wanted), pa.string())) for name in names})

    inputs = EvidenceInputs(
        features=ArrayFeatures(np.load(folder / "features.npy", mmap_mode="r")), rows=at, labels=labels, groups=at, k=k,
        probe=ProbeSettings(), is_fitted=images.is_fitted, columns=columns, classes=plain_classes([f"class{c}" for c in range(k)]),
    )  # fmt: skip
    scores = np.load(folder / "log_probabilities.npy", mmap_mode="r")
    exact = {name: rows[name] for name in ("label_position", "best_other")}
    return images, inputs, {"log_probabilities": LogProbabilities(k=k, dense=scores), **exact}


class Peak:
    """The largest anonymous resident set of this process, in MiB, while the block runs."""

    def __enter__(self) -> Peak:
        self.mib, self.is_over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.is_over.wait(0.05):
            line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("RssAnon"))
            self.mib = max(self.mib, int(line.split()[1]) / 1024)


def timed(name: str, work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - began
    print(f"{name:<22} {seconds:8.1f} s", flush=True)
    return result, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--urnet", action="store_true")
    chosen = parser.parse_args()
    names = URNET if chosen.urnet else NAMES
    if not (chosen.folder / "texts.parquet").exists():
        timed("(making the data)", lambda: write_data(chosen.folder, chosen.rows, chosen.features, chosen.classes))
    images, inputs, given = inputs_of(chosen.folder, chosen.classes)
    neighbours = np.load(chosen.folder / "neighbours.npy", mmap_mode="r")
    total = 0.0
    with Peak() as peak:
        share, seconds = timed("neighbours' votes", lambda: label_share(neighbours, images.labels))
        total += seconds
        made: dict[str, Any] = {"images": images, "features": inputs.features, "held_out": argparse.Namespace(**given)}
        made["neighbours"] = NeighbourVotes(
            rows=images.rows,
            indices=neighbours,
            similarities=np.zeros((0, 0), np.float16),
            label_share=share[0],
            n_votes=share[1],
        )
        for name in ("agreement", *(("clusters", "label_text") if chosen.urnet else ("density", "own_text"))):
            make = EVIDENCE[name].make
            made[name], seconds = timed(name, lambda make=make: make(replace(inputs, made=made), EvidenceSettings(), 0))
            total += seconds
        weights, seconds = timed("factors and weights", lambda: weigh_images(images, made, names, WeightSettings()))
        total += seconds
    print(
        f"{'all':<22} {total:8.1f} s, {peak.mib:,.0f} MiB at the most; effective sample share {weights.effective_share:.2f}"
    )


if __name__ == "__main__":
    main()
