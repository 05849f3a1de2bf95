"""Claim: the similarity of 5,000 classes from WordNet takes under a minute on one core: 14 s (13.1 to 16.1, n = 3) and 400 MiB at
the peak, on a busy x86-64 machine (load 5.6 on 2 cores; python 3.11, numpy 2, scipy 1.17); 1,000 classes 0.7 s.

    python benchmarks/wordnet_speed.py [--classes 1000 5000] [--repeats 3]

Classes are nouns drawn at random (seed 0) from WordNet 3.0's 82,115; the process is held to one core, and each measurement is taken
anew. Beside it: reading data.noun (0.9 s), reading index.noun (0.4 s), and looking up 5,000 names (0.1 s). Needs WordNet's files (Debian: wordnet-base).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["OMP_NUM_THREADS"] = "1"

    from reweigh.text.wordnet import read_wordnet, similarity
    from reweigh.text.wordnet_names import noun_senses, read_noun_index

    wordnet, index = read_wordnet(), read_noun_index()
    generator = np.random.default_rng(0)
    names = generator.choice(sorted(index.lines), 5000).tolist()
    tasks: dict[str, Callable[[], Any]] = {
        "read data.noun": read_wordnet,
        "read index.noun": read_noun_index,
        "look up 5,000 names": lambda: [noun_senses(index, name) for name in names],
    }
    for k in args.classes:
        ids = [f"n{offset:08d}" for offset in generator.choice(wordnet.offsets, k, replace=False)]
        tasks[f"similarity of {k:,} classes"] = lambda ids=ids: similarity(wordnet, ids)  # type: ignore[misc]
    for name, task in tasks.items():
        seconds = [timed(task) for _ in range(args.repeats)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found = {"task": name, "seconds": [round(s, 3) for s in seconds], "median": round(float(np.median(seconds)), 3)}
        print(json.dumps({**found, "peak_mb": round(peak), "machine": platform.processor() or platform.machine()}))


def timed(task: Callable[[], Any]) -> float:
    """Seconds that the task takes."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
