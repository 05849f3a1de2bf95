"""The figures of one cell of `detection.py`: what a method found against what is known, its seconds and memory."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection_rivals import Found, Method
from detection_sets import Example
from reweigh.metrics.accuracy import per_class
from reweigh.metrics.detection import auroc, average_precision, precision_at_rate


def cell_figures(method: Method, example: Example) -> dict[str, Any]:
    """Figures of a method on a draw, computed in a process of its own; {"failed": why} where it ended with an error."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            with os.fdopen(write, "w") as file:
                file.write(json.dumps(_answer(method, example)))
        finally:
            os._exit(0)  # whatever happens: a child must not go on with its parent's work
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"failed": "the process ended without an answer"}


def _answer(method: Method, example: Example) -> dict[str, Any]:
    try:
        return _figures(method, example)
    except Exception as error:  # noqa: BLE001 - a rival that fails on a set is a result, shown as such
        traceback.print_exc(file=sys.stderr)
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


def _figures(method: Method, example: Example) -> dict[str, Any]:
    method.find(*_small(example))  # what is imported on first use is neither its time nor its memory
    before = _reset_peak()
    start = time.process_time()  # of all threads: other programs take their part of the wall clock
    found = method.find(example.labels, example.probabilities, example.features)
    seconds = time.process_time() - start
    return {"seconds": seconds, "mib": _memory("VmHWM") - before, **against(found, example), **(found.facts or {})}


def against(found: Found, example: Example) -> dict[str, Any]:
    """Flags, order, rate and suggestions against what is known; a figure that cannot be had is absent."""
    known, wrong = example.is_known, example.is_wrong[example.is_known]
    made: dict[str, Any] = {"n": int(known.sum()), "true_rate": float(wrong.mean())}
    if found.flags is not None:
        made |= _of_flags(found, example)
    for name, scores in (("", found.scores), ("review_", None if found.review is None else found.review)):
        if scores is not None and wrong.any():
            own = np.asarray(scores, np.float64)[known]
            made[f"{name}ap"] = average_precision(own, ~wrong)
            made[f"{name}auroc"] = auroc(own, ~wrong)
            made[f"{name}at_rate"] = precision_at_rate(own, ~wrong)
    if found.scores is not None and wrong.any():
        made["best_f1"] = best_f1(np.asarray(found.scores, np.float64)[known], wrong)
    if found.class_noise is not None:
        made["class_rate_error"] = _class_rate_error(found.class_noise, example)
    if found.strangers is not None and (example.truth == -1).any():
        is_stranger = example.truth[known] == -1
        made["strangers_found"] = float(found.strangers[known][is_stranger].mean())
        made["right_called_strangers"] = float(found.strangers[known][~wrong].mean())
    return made


def best_f1(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    """F1 at the best cut of this order, which only an oracle knows; ties in row order."""
    hits = np.cumsum(wrong[np.argsort(scores, kind="stable")])
    return float((2 * hits / (np.arange(1, len(wrong) + 1) + wrong.sum())).max())


def _of_flags(found: Found, example: Example) -> dict[str, Any]:
    known, wrong = example.is_known, example.is_wrong[example.is_known]
    flags, labels = found.flags[known], example.labels[known]
    hits = flags & wrong
    rate = float(flags.mean()) if found.rate is None else found.rate
    made = {
        "flagged": float(flags.mean()),
        "flagged_right": float(flags[~wrong].mean()),
        "rate": rate,
        "rate_error": rate - float(wrong.mean()),
    }
    if wrong.any():
        made |= {
            "f1": float(2 * hits.sum() / (flags.sum() + wrong.sum())),
            "precision": float(hits.sum() / max(flags.sum(), 1)),
            "recall": float(hits.sum() / wrong.sum()),
        }
    sizes, misjudged = per_class(flags != wrong, labels, example.probabilities.shape[1])
    made["class_averaged_error"] = float((misjudged[sizes > 0] / sizes[sizes > 0]).mean())
    truth = example.truth[known]
    if found.suggested is not None and (hits & (truth >= 0)).any():
        at = hits & (truth >= 0)
        made["suggested_right"] = float((found.suggested[known][at] == truth[at]).mean())
    return made


def _class_rate_error(estimated: NDArray[np.floating], example: Example) -> float:
    """Mean absolute error over the given classes with 20 known rows or more; NaN where there is none."""
    known = example.is_known
    sizes, wrong = per_class(example.is_wrong[known], example.labels[known], example.probabilities.shape[1])
    large = sizes >= 20
    return float(np.nanmean(np.abs(estimated[large] - wrong[large] / sizes[large]))) if large.any() else float("nan")


def _small(example: Example) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32] | None]:
    """300 made-up rows of 3 classes, with features where the set has them."""
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 300)
    labels = np.where(generator.random(300) < 0.2, (truth + 1) % 3, truth).astype(np.int32)
    probabilities = generator.dirichlet(np.ones(3), 300) + 3 * np.eye(3)[truth]
    features = generator.standard_normal((300, 8)) + 3 * np.eye(8)[truth]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return labels, probabilities.astype(np.float32), None if example.features is None else features.astype(np.float32)


def _reset_peak() -> float:
    """MiB held now, from where the peak is counted."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(which: str) -> float:
    line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith(which))
    return int(line.split()[1]) / 1024
