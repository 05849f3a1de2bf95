"""What was made, in a few lines: sizes, noise by class, kind and source, and what ranks and text tell of it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reweigh.catalog.tables import Classes
from reweigh.metrics.detection import auroc
from reweigh.text.class_words import own_text_similarity
from reweigh.webify.kinds import KINDS
from reweigh.webify.ranks import rank_fractions

Line = tuple[str, str]


def summarize(train: pa.Table, fixed: pa.Table, classes: Classes, *, n_max: int, is_chosen: bool) -> list[Line]:
    """Lines (name, value) on the made rows; tables with the columns of `tables.SCHEMA`. n_max 0: sizes stayed."""
    label = np.asarray(train["label"].to_numpy())
    is_right = label == np.asarray(train["truth"].to_numpy())
    n, sizes = len(label), np.bincount(label, minlength=len(classes.names))
    size = f"{sizes.min():,} to {sizes.max():,} images, median {np.median(sizes):,.0f}"
    if n_max:
        size += f"; n_max {n_max:,}{' (the largest that the images allow)' if is_chosen else ''}"
    lines = [
        ("training images", f"{n:,} of {len(sizes):,} classes"),
        ("class sizes", size),
        ("wrong labels", _share(int((~is_right).sum()), n)),
        ("wrong, by class", _spread(np.bincount(label[~is_right], minlength=len(sizes)), sizes)),
    ]
    kinds = Counter(train["kind"].to_pylist())
    lines += [(f"kind: {kind.replace('_', ' ')}", _share(kinds[kind], n)) for kind in KINDS[1:] if kinds[kind]]
    lines += _by_source(train, is_right)
    lines += [
        ("rank", _telling(_fractions(train), is_right)),
        ("own text", _telling(_own_text(train, classes), is_right)),
    ]
    splits = Counter(fixed["split"].to_pylist())
    said = ", ".join(f"{count:,} {split}" for split, count in sorted(splits.items()))
    return [*lines, ("test images", f"{said}, as they were" if said else "none")]


def _share(count: int, n: int) -> str:
    return f"{count:,} ({count / max(n, 1):.1%})"


def _spread(wrong: NDArray[np.integer], sizes: NDArray[np.integer]) -> str:
    rates = wrong[sizes > 0] / sizes[sizes > 0]
    return f"{rates.min():.0%} to {rates.max():.0%}, median {np.median(rates):.0%}"


def _by_source(train: pa.Table, is_right: NDArray[np.bool_]) -> list[Line]:
    """A line a source; nothing where the set has none."""
    sources = np.array(train["source"].fill_null("").to_pylist(), dtype=object)
    lines = []
    for name in sorted(set(sources.tolist()) - {""}):
        rows = sources == name
        lines.append((f"source {name}", f"{int(rows.sum()):,} images, {float((~is_right[rows]).mean()):.1%} wrong"))
    return lines


def _fractions(train: pa.Table) -> NDArray[np.float64]:
    """(n,) minus the rank fraction, so that more is better; NaN without a rank."""
    sources = pc.dictionary_encode(train["source"].combine_chunks()).indices.fill_null(-1)
    rank = np.asarray(train["rank"].fill_null(0).to_numpy())
    return -rank_fractions(rank, np.asarray(train["label"].to_numpy()), np.asarray(sources))


def _own_text(train: pa.Table, classes: Classes) -> NDArray[np.float64]:
    """(n,) cosine of each row's text with its label's words; NaN without text."""
    columns = (train[name].to_pylist() for name in ("title", "description", "tags"))
    texts = [
        " ".join([title or "", description or "", *(tags or ())])
        for title, description, tags in zip(*columns, strict=True)
    ]
    labels = np.asarray(train["label"].to_numpy())
    made = own_text_similarity(texts, labels, classes.words, classes.descriptions, queries=train["query"].to_pylist())
    return made.astype(np.float64)


def _telling(score: NDArray[np.float64], is_right: NDArray[np.bool_]) -> str:
    """AUROC of a score for right labels, and how many rows have it."""
    known = ~np.isnan(score)
    value = auroc(score[known], is_right[known])
    if not known.any():
        return "none"
    said = "cannot be told" if np.isnan(value) else f"AUROC {value:.3f} for right labels"
    return f"{said}, {known.mean():.0%} of the images have one"
