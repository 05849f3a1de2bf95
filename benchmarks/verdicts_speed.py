"""Claim: on 100,000 x 1,000 the whole posterior stays under 30 s and 250 MiB above the input (27 s on a busy machine, 13 CPU seconds,
128 MiB), a sixth of the memory of cleanlab's default filter and 5 times its CPU time; margins in blocks need nothing beside the
input (2 MiB against 475) and are 4 (CPU) to 10 (wall clock) times faster than cleanlab's: both are bound by reading the input.

    python benchmarks/verdicts_speed.py --folder /tmp/verdicts-speed [--rows 100000] [--classes 1000] [--repeats 3]
        [--top-rows 1000000] [--only 'margins; ours']

Made-up held-out probabilities, 30 % of the labels wrong, float32 in a file that is memory-mapped. Every job runs in a new process
and in turn, `repeats` times, so that all ratios come from one run: wall clock and CPU seconds, the least of the repeats; memory
is the largest anonymous resident set of the process and its children above what it held before, sampled every 20 ms
(pages of the file that are only mapped do not count). The million rows are given as the 20 most probable classes.
The last line reckons 16 million rows of 5,000 classes from the measured seconds and bytes a row: it was not run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 10_000
NOISE = 0.3
M = 20
CALLS, QUICK = 5, 5.0
"""A job that takes little time is called up to 5 times in its process: the first call also maps the pages of the file."""
PAPER_ROWS, PAPER_CLASSES = 16_000_000, 5_000


def write_dense(folder: Path, n: int, k: int, *, seed: int = 0) -> None:
    """probabilities.npy (n, k) float32 and rows.npz with labels and truth; images differ in how clear they are."""
    generator = np.random.default_rng(seed)
    truth, labels = _classes(n, k, generator)
    probabilities = np.lib.format.open_memmap(folder / "probabilities.npy", "w+", np.float32, (n, k))
    for start in range(0, n, BLOCK):
        own = truth[start : start + BLOCK]
        probabilities[start : start + BLOCK] = _softmax(own, k, generator)
    np.savez(folder / "rows.npz", labels=labels, truth=truth)


def write_top(folder: Path, n: int, k: int, *, seed: int = 1) -> None:
    """The same as the 20 largest a row: top_{indices,values,remaining}.npy and top_rows.npz."""
    from reweigh.probes.log_probabilities import compact

    generator = np.random.default_rng(seed)
    truth, labels = _classes(n, k, generator)
    made = {
        "indices": np.lib.format.open_memmap(folder / "top_indices.npy", "w+", np.int32, (n, M)),
        "values": np.lib.format.open_memmap(folder / "top_values.npy", "w+", np.float16, (n, M)),
        "remaining": np.lib.format.open_memmap(folder / "top_remaining.npy", "w+", np.float32, (n,)),
    }
    pool = _softmax(
        np.arange(k).repeat(-(-BLOCK // k)), k, generator
    )  # rows are drawn from these: a million would take minutes
    of_class = np.arange(len(pool)).reshape(k, -1)
    for start in range(0, n, BLOCK):
        own = truth[start : start + BLOCK]
        kept = compact(np.log(pool[of_class[own, generator.integers(0, of_class.shape[1], len(own))]]), m=M)
        for name, room in made.items():
            room[start : start + BLOCK] = getattr(kept, name)
    np.savez(folder / "top_rows.npz", labels=labels, truth=truth)


def _classes(n: int, k: int, generator: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    truth = generator.integers(0, k, n)
    labels = np.where(generator.random(n) < NOISE, generator.integers(0, k, n), truth)
    return truth.astype(np.int32), labels.astype(np.int32)


def _softmax(truth: NDArray[np.integer], k: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """(b, k): Gaussian scores, that of the truth higher by 2 to 10."""
    scores = generator.standard_normal((len(truth), k), dtype=np.float32) * 1.5
    scores[np.arange(len(truth)), truth] += generator.uniform(2, 10, len(truth)).astype(np.float32)
    np.exp(scores, out=scores)
    return scores / scores.sum(axis=1, keepdims=True)


def _cleanlab_ranking(method: str) -> Callable[..., Any]:
    def work(labels: NDArray, probabilities: NDArray) -> None:
        from cleanlab.rank import get_label_quality_scores

        get_label_quality_scores(labels, probabilities, method=method)

    return work


def _cleanlab_filter(filter_by: str, n_jobs: int | None) -> Callable[..., Any]:
    def work(labels: NDArray, probabilities: NDArray) -> NDArray[np.bool_]:
        from cleanlab.filter import find_label_issues

        return find_label_issues(labels, probabilities, filter_by=filter_by, n_jobs=n_jobs)

    return work


def _margins(labels: NDArray, probabilities: NDArray) -> None:
    from reweigh.metrics.label_rankings import margins

    margins(probabilities, labels)


def _self_confidence(labels: NDArray, probabilities: NDArray) -> None:
    from reweigh.metrics.label_rankings import self_confidence

    self_confidence(probabilities, labels)


def _ours(labels: NDArray, probabilities: Any) -> NDArray[np.bool_]:
    import reweigh

    return reweigh.label_verdicts(labels, probabilities).wrong


JOBS: dict[str, Callable[..., Any]] = {
    "margins": _margins,
    "cleanlab normalized_margin": _cleanlab_ranking("normalized_margin"),
    "self-confidence": _self_confidence,
    "cleanlab self_confidence": _cleanlab_ranking("self_confidence"),
    "cleanlab confidence_weighted_entropy": _cleanlab_ranking("confidence_weighted_entropy"),
    "ours": _ours,
    "cleanlab prune_by_noise_rate, default n_jobs": _cleanlab_filter("prune_by_noise_rate", None),
    "cleanlab prune_by_noise_rate, n_jobs=1": _cleanlab_filter("prune_by_noise_rate", 1),
    "cleanlab both, default n_jobs": _cleanlab_filter("both", None),
    "cleanlab both, n_jobs=1": _cleanlab_filter("both", 1),
    "ours, top-20": _ours,
}
RATIOS = (
    ("cleanlab normalized_margin", "margins"),
    ("cleanlab self_confidence", "self-confidence"),
    ("cleanlab prune_by_noise_rate, default n_jobs", "ours"),
    ("cleanlab both, default n_jobs", "ours"),
)


def run_one(name: str, folder: Path) -> dict[str, float]:
    """Figures of one job in this process; a small call first, so that imports are not timed."""
    labels, truth, probabilities = _given(name, folder)
    generator = np.random.default_rng(0)
    small = generator.dirichlet(np.ones(3), 60).astype(np.float32) + 3 * np.eye(3, dtype=np.float32)[np.arange(60) % 3]
    JOBS[name]((np.arange(60) % 3).astype(np.int32), small / small.sum(axis=1, keepdims=True))
    before = _anonymous(os.getpid())
    with Peak() as peak:
        began, each = time.perf_counter(), []
        while not each or (len(each) < CALLS and time.perf_counter() - began < QUICK):
            start, cpu = time.perf_counter(), sum(os.times()[:4])
            flags = JOBS[name](labels, probabilities)
            each.append((time.perf_counter() - start, sum(os.times()[:4]) - cpu))
        figures = {"first": each[0][0], "seconds": min(each)[0], "cpu": min(each)[1]}
    figures["mib"] = max(peak.mib - before, 0)
    if flags is not None:
        wrong = labels != truth
        figures["f1"] = float(2 * (flags & wrong).sum() / (flags.sum() + wrong.sum()))
    return figures


def _given(name: str, folder: Path) -> tuple[NDArray[np.int32], NDArray[np.int32], Any]:
    if name != "ours, top-20":
        rows = np.load(folder / "rows.npz")
        return rows["labels"], rows["truth"], np.load(folder / "probabilities.npy", mmap_mode="r")
    from reweigh.probes.log_probabilities import LogProbabilities

    rows = np.load(folder / "top_rows.npz")
    parts = {part: np.load(folder / f"top_{part}.npy", mmap_mode="r") for part in ("indices", "values", "remaining")}
    return rows["labels"], rows["truth"], LogProbabilities(k=_sizes(folder)["classes"], **parts)


class Peak:
    """The largest anonymous resident set of this process and its children, in MiB, while the block runs."""

    def __enter__(self) -> Peak:
        self.mib, self.is_over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.thread.join()

    def _watch(self) -> None:
        own = os.getpid()
        while not self.is_over.wait(0.02):
            children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
            self.mib = max(self.mib, _anonymous(own) + sum(_anonymous(int(child), unshared=True) for child in children))


def _anonymous(process: int, *, unshared: bool = False) -> float:
    """MiB of anonymous pages; of a child only those that are not its parent's. 0 for a process that has just ended."""
    path, wanted = Path(f"/proc/{process}/status"), "RssAnon"
    if unshared:
        path, wanted = Path(f"/proc/{process}/smaps_rollup"), "Private_Dirty"
    try:
        line = next((row for row in path.read_text().splitlines() if row.startswith(wanted)), "x 0")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return int(line.split()[1]) / 1024


def _sizes(folder: Path) -> dict[str, int]:
    sizes: dict[str, int] = json.loads((folder / "sizes.json").read_text())
    return sizes


def _make(folder: Path, sizes: dict[str, int]) -> None:
    stored = folder / "sizes.json"
    if stored.exists() and _sizes(folder) == sizes:
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_dense(folder, sizes["rows"], sizes["classes"])
    if sizes["top_rows"]:
        write_top(folder, sizes["top_rows"], sizes["classes"])
    stored.write_text(json.dumps(sizes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--top-rows", type=int, default=1_000_000, help="0: leave them out")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="jobs with ; between")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(run_one(chosen.one, chosen.folder)))
        return
    sizes = {"rows": chosen.rows, "classes": chosen.classes, "top_rows": chosen.top_rows}
    _make(chosen.folder, sizes)
    names = [name.strip() for name in chosen.only.split(";") if name.strip()] or list(JOBS)
    names = [name for name in names if sizes["top_rows"] or name != "ours, top-20"]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(chosen.repeats):
        for name in names:
            if number and name == "ours, top-20":
                continue  # minutes; one is enough
            found[name].append(_in_new_process(name, chosen.folder))
            print(f"{number + 1} {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    print_table(found, sizes)


def _in_new_process(name: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--folder", str(folder), "--one", name]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{name} ended with an error:\n{ended.stderr}")
    figures: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return figures


def print_table(found: dict[str, list[dict[str, float]]], sizes: dict[str, int]) -> None:
    """The least seconds of the repeats, the most memory, ratios, and the large set on paper."""
    print(
        f"{sizes['rows']:,} x {sizes['classes']:,} float32, {os.cpu_count()} cores; top-20: {sizes['top_rows']:,} rows\n"
    )
    print(
        "| job | seconds, first call | the least | CPU seconds | MiB above the input | F1 |\n|---|---|---|---|---|---|"
    )
    best: dict[str, dict[str, float]] = {}
    for name, each in found.items():
        own = best[name] = {
            "first": min(f["first"] for f in each), "seconds": min(f["seconds"] for f in each), "cpu": min(f["cpu"] for f in each),
            "mib": max(f["mib"] for f in each), "f1": each[0].get("f1", float("nan")),
        }  # fmt: skip
        f1 = "" if np.isnan(own["f1"]) else f"{own['f1']:.3f}"
        print(f"| {name} | {own['first']:.3f} | {own['seconds']:.3f} | {own['cpu']:.3f} | {own['mib']:.0f} | {f1} |")
    print("\n| ratio | seconds, first call | the least | CPU seconds | MiB |\n|---|---|---|---|---|")
    for theirs, ours in RATIOS:
        if theirs in best and ours in best:
            times = " | ".join(
                f"{best[theirs][key] / max(best[ours][key], 1e-3):.1f}" for key in ("first", "seconds", "cpu")
            )
            print(f"| {theirs} / {ours} | {times} | {best[theirs]['mib']:.0f} / {best[ours]['mib']:.0f} |")
    if "ours, top-20" in best:
        own, times = best["ours, top-20"], PAPER_ROWS / sizes["top_rows"]
        stored = PAPER_ROWS * (M * 6 + 4)
        print(
            f"\n{PAPER_ROWS:,} x {PAPER_CLASSES:,} as top-20, on paper, as work and memory grow with the rows and not with "
            f"the classes: {times * own['seconds'] / 3600:.1f} h, {times * own['mib'] / 1024:.0f} GiB above {stored / 2**30:.0f} GiB "
            f"of memory-mapped input (measured: {1e6 * own['seconds'] / sizes['top_rows']:.0f} us and "
            f"{2**20 * own['mib'] / sizes['top_rows']:.0f} bytes a row)"
        )


if __name__ == "__main__":
    main()
