"""What indexing counts: sizes, splits, text, sources, what was repaired or skipped, what a user is to be warned of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reweigh.catalog.findings import EXAMPLES, Findings, sentences
from reweigh.catalog.grouping import Grouping, across_splits, duplicates, under_other_label
from reweigh.catalog.schema import SPLITS

MOST_SOURCES, OTHERS = 1000, "others"
"""Sources that are counted one by one; where hosts are the source, there may be a million."""
TEXTS = ("title", "description", "tags")


class Counts:
    """Sums over blocks of rows."""

    def __init__(self, k: int) -> None:
        self.n = 0
        self.sizes = np.zeros(k, np.int64)
        self.training_sizes = np.zeros(k, np.int64)
        self.splits: Counter[str] = Counter()
        self.sources: Counter[str] = Counter()
        self.filled: Counter[str] = Counter()
        self.repaired = 0

    def add(self, block: pa.Table) -> None:
        """Count the block's rows."""
        self.n += block.num_rows
        labels = block["label"].to_numpy()
        in_train = np.asarray(pc.equal(block["split"], "train").combine_chunks())
        self.sizes += np.bincount(labels[labels >= 0], minlength=len(self.sizes))
        self.training_sizes += np.bincount(labels[(labels >= 0) & in_train], minlength=len(self.sizes))
        self.splits.update(_value_counts(block["split"]))
        for source, count in _value_counts(block["source"]).items():
            self.sources[source if source in self.sources or len(self.sources) < MOST_SOURCES else OTHERS] += count
        for name in (*TEXTS, "rank", "query", "verified_label", "verified"):
            self.filled[name] += _filled(block[name])
        self.repaired += int(pc.sum(block["_repaired"]).as_py() or 0)


def summary(
    counts: Counts,
    names: Sequence[str],
    grouping: Grouping,
    findings: Findings,
) -> dict[str, Any]:
    """All counts as JSON; `warnings` and `notes` hold whole sentences, the reader's own first."""
    sizes = counts.sizes
    return {
        "splits": {name: counts.splits[name] for name in SPLITS if counts.splits[name]},
        "unlabelled": counts.n - int(sizes.sum()),
        "class_sizes": {"min": int(sizes.min()), "median": float(np.median(sizes)), "max": int(sizes.max())},
        "sources": dict(sorted(counts.sources.items(), key=lambda item: (-item[1], item[0]))),
        "filled": dict(counts.filled),
        "duplicates": duplicates(grouping),
        "repaired_texts": counts.repaired,
        "skipped": {
            reason: {"count": count, "examples": findings.examples[reason]}
            for reason, count in sorted(findings.skipped.items())
            if count
        },
        "notes": findings.notes,
        "warnings": [*sentences(findings), *_warnings(counts, names, grouping)],
    }


def _warnings(counts: Counts, names: Sequence[str], grouping: Grouping) -> list[str]:
    warnings = []
    empty = [name for name, size in zip(names, counts.sizes, strict=True) if not size]
    if empty:
        warnings.append(f"{len(empty)} of {len(names)} classes have no image: {_some(empty)}")
    both = zip(names, counts.training_sizes, counts.sizes, strict=True)
    untrained = [name for name, trained, size in both if size and not trained]
    if untrained:
        warnings.append(f"{len(untrained)} of {len(names)} classes have no training image: {_some(untrained)}")
    for found, what in (
        (under_other_label(grouping), "the same image, byte for byte, stands under different labels"),
        (across_splits(grouping), "the same image, byte for byte, stands in train and in val or test"),
    ):
        if found:
            pairs = _some([" = ".join(pair) for pair in found])
            times = "once" if len(found) == 1 else f"{len(found):,} times"
            warnings.append(f"{times} {what}: {pairs}")
    return warnings


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (" ..." if len(names) > EXAMPLES else "")


def _value_counts(values: pa.ChunkedArray) -> dict[str, int]:
    return {item["values"]: item["counts"] for item in pc.value_counts(values.drop_null()).to_pylist()}


def _filled(values: pa.ChunkedArray) -> int:
    """Rows with a value that is not empty."""
    if pa.types.is_string(values.type):
        return int(pc.sum(pc.greater(pc.binary_length(values), 0)).as_py() or 0)
    if pa.types.is_list(values.type):
        return int(pc.sum(pc.greater(pc.list_value_length(values), 0)).as_py() or 0)
    return len(values) - values.null_count
