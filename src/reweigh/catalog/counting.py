"""What indexing counts: sizes, splits, text, sources, what was repaired or skipped, and what a user should be warned of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reweigh.catalog.grouping import Grouping

EXAMPLES = 5
TEXTS = ("title", "description", "tags")


class Counts:
    """Sums over blocks of rows."""

    def __init__(self, k: int) -> None:
        self.n = 0
        self.sizes = np.zeros(k, np.int64)
        self._training_sizes = np.zeros(k, np.int64)
        self._splits: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._filled: Counter[str] = Counter()
        self._repaired = 0

    def add(self, block: pa.Table) -> None:
        """Count the block's rows."""
        self.n += block.num_rows
        labels = block["label"].to_numpy()
        in_train = np.asarray(pc.equal(block["split"], "train").combine_chunks())
        self.sizes += np.bincount(labels[labels >= 0], minlength=len(self.sizes))
        self._training_sizes += np.bincount(labels[(labels >= 0) & in_train], minlength=len(self.sizes))
        self._splits.update(_value_counts(block["split"]))
        self._sources.update(_value_counts(block["source"]))
        for name in (*TEXTS, "rank", "query", "verified_label", "verified"):
            self._filled[name] += _filled(block[name])
        self._repaired += int(pc.sum(block["_repaired"]).as_py() or 0)

    def summary(self, names: Sequence[str], grouping: Grouping, skipped: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """All counts as JSON; `warnings` holds whole sentences."""
        labelled = int(self.sizes.sum())
        return {
            "splits": {name: self._splits[name] for name in ("train", "val", "test") if self._splits[name]},
            "unlabelled": self.n - labelled,
            "class_sizes": {"min": int(self.sizes.min()), "median": float(np.median(self.sizes)), "max": int(self.sizes.max())},
            "sources": dict(sorted(self._sources.items())),
            "filled": {name: self._filled[name] for name in self._filled},
            "duplicates": grouping.duplicates,
            "repaired_texts": self._repaired,
            "skipped": {reason: {"count": len(names_), "examples": list(names_[:EXAMPLES])} for reason, names_ in skipped.items() if names_},
            "warnings": self._warnings(names, grouping),
        }

    def _warnings(self, names: Sequence[str], grouping: Grouping) -> list[str]:
        warnings = []
        empty = [name for name, size in zip(names, self.sizes, strict=True) if not size]
        if empty:
            warnings.append(f"{len(empty)} of {len(names)} classes have no image: {_some(empty)}")
        untrained = [n for n, size, all_ in zip(names, self._training_sizes, self.sizes, strict=True) if all_ and not size]
        if untrained:
            warnings.append(f"{len(untrained)} classes have no training image: {_some(untrained)}")
        if grouping.with_other_label:
            warnings.append(f"{grouping.with_other_label:,} images stand under more than one label with the same bytes")
        if grouping.across_splits:
            warnings.append(f"{grouping.across_splits:,} training images stand in the test or val split too, byte for byte")
        return warnings


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (" ..." if len(names) > EXAMPLES else "")


def _value_counts(values: pa.ChunkedArray) -> dict[str, int]:
    return {item["values"]: item["counts"] for item in pc.value_counts(values.drop_null()).to_pylist()}


def _filled(values: pa.ChunkedArray) -> int:
    """Rows with a value that is not empty."""
    if pa.types.is_string(values.type):
        return int(pc.sum(pc.greater(pc.utf8_length(values), 0)).as_py() or 0)
    if pa.types.is_list(values.type):
        return int(pc.sum(pc.greater(pc.list_value_length(values), 0)).as_py() or 0)
    return len(values) - values.null_count
