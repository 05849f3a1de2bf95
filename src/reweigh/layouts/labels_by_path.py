"""Labels that a list gives to paths, found by path: 12 bytes of memory an image, looked up a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.catalog.findings import Findings
from reweigh.catalog.grouping import position
from reweigh.catalog.text_numbers import text_numbers
from reweigh.layouts.indexing import batched
from reweigh.layouts.text_lists import label_number, read_pairs

NO_LABEL = -1


@dataclass(frozen=True, kw_only=True)
class LabelsByPath:
    """Paths by their numbers (`text_numbers`), ascending, each once, and the label of each; arrays (m,)."""

    numbers: NDArray[np.uint64]
    labels: NDArray[np.int32]


def labels_by_path(pairs: Iterable[tuple[str, int]], name: str, findings: Findings) -> LabelsByPath:
    """Of a path that stands twice the first label counts; those that differ are counted. name: the list's, for that count."""
    numbers, labels = [np.zeros(0, np.uint64)], [np.zeros(0, np.int32)]
    for block in batched(pairs):
        numbers.append(path_numbers([path for path, _ in block]))
        labels.append(np.array([label for _, label in block], np.int32))
    all_numbers, all_labels = np.concatenate(numbers), np.concatenate(labels)
    order = np.argsort(all_numbers, kind="stable")
    all_numbers, all_labels = all_numbers[order], all_labels[order]
    again = np.zeros(len(order), bool)
    again[1:] = all_numbers[1:] == all_numbers[:-1]
    firsts = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
    differing = int((all_labels != all_labels[firsts]).sum())
    if differing:
        findings.repaired[f"lines of {name} give a path another label than an earlier one, which counts"] += differing
    return LabelsByPath(numbers=all_numbers[~again], labels=all_labels[~again])


def read_labels_by_path(path: Path, k: int, findings: Findings, *, mark: str | None = None) -> LabelsByPath:
    """A list `path label`; a line without a label is counted. Raises ReweighError for a label that is none of 0..k-1."""
    pairs = ((name, label_number(text, k, path, line)) for line, name, text in read_pairs(path, findings, mark=mark))
    return labels_by_path(pairs, path.name, findings)


def find_labels(labels: LabelsByPath | None, numbers: NDArray[np.uint64]) -> NDArray[np.int32]:
    """(n,) the label of each path, NO_LABEL where the list lacks it; all of them where there is no list."""
    if labels is None or not len(labels.numbers):
        return np.full(len(numbers), NO_LABEL, np.int32)  # of no labels there is none to take
    at = position(numbers, labels.numbers)
    return np.where(at >= 0, labels.labels[at], NO_LABEL).astype(np.int32)


def path_numbers(paths: Sequence[str]) -> NDArray[np.uint64]:
    """(n,) the number of each path."""
    return text_numbers(pa.array(paths, pa.string()))
