"""Own text: how much an image's title, tags and description speak of its label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.stored_arrays import load_arrays, save_arrays
from reweigh.text.class_words import BLOCK_ROWS, TextBlock, similarity_of_blocks
from reweigh.whole_files import read_json, write_json

COLUMNS = ("title", "tags", "description", "query")
ARRAYS = ("rows", "similarity")
COUNTS = ("n_without_text", "n_without_keyword")
FACTS = "own_text.json"


@dataclass(frozen=True, kw_only=True)
class OwnText:
    """What the texts of n rows say of their labels."""

    rows: NDArray[np.int64]
    """(n,) positions into the features"""
    similarity: NDArray[np.float32]
    """(n,) cosine of the row's words with its label's, 0..1; NaN = no opinion"""
    n_without_text: int
    """Rows with neither title nor tags nor description."""
    n_without_keyword: int
    """Rows with text, but without a word of any class's name or description."""


def make_own_text(inputs: EvidenceInputs, settings: EvidenceSettings, seed: int) -> OwnText:
    """Similarity of each row's text to its label's words; no opinion anywhere without columns of text or classes."""
    n = len(inputs.rows)
    if inputs.columns is None or inputs.classes is None:
        nothing = np.full(n, np.nan, np.float32)
        return OwnText(rows=inputs.rows, similarity=nothing, n_without_text=n, n_without_keyword=0)
    found = similarity_of_blocks(
        _blocks(inputs), np.asarray(inputs.labels), inputs.classes.words, inputs.classes.descriptions
    )
    is_mute = np.isnan(found.similarity) & found.has_text & (np.asarray(inputs.labels) >= 0)
    return OwnText(
        rows=inputs.rows,
        similarity=found.similarity,
        n_without_text=int((~found.has_text).sum()),
        n_without_keyword=int(is_mute.sum()),
    )


def _blocks(inputs: EvidenceInputs) -> Iterator[TextBlock]:
    """Texts and queries of all rows, a block at a time: those of millions of images are never held together."""
    assert inputs.columns is not None
    n = len(inputs.rows)
    for start in range(0, n, BLOCK_ROWS):
        inputs.progress("own-text", start, n)
        table = inputs.columns(COLUMNS, np.arange(start, min(start + BLOCK_ROWS, n), dtype=np.int64))
        yield joined_texts(table), table["query"].to_pylist()
    inputs.progress("own-text", n, n)


def joined_texts(table: pa.Table) -> list[str]:
    """Title, tags and description of each row in one text; empty where there is none."""
    columns = (table[name].to_pylist() for name in ("title", "tags", "description"))
    return [
        " ".join(part for part in (title, *(tags or ()), description) if part)
        for title, tags, description in zip(*columns, strict=True)
    ]


def save_own_text(record: OwnText, folder: Path) -> None:
    """Write NAME.npy of each array and own_text.json into an existing folder."""
    save_arrays(record, folder, ARRAYS)
    write_json(folder / FACTS, {name: getattr(record, name) for name in COUNTS})


def load_own_text(folder: Path) -> OwnText:
    """The record of a folder. Raises ReweighError where a file is missing."""
    arrays = load_arrays(folder, ARRAYS, what="own text")
    if not (folder / FACTS).exists():
        raise ReweighError(f"No own text in {folder}: {FACTS} is missing.")
    facts = read_json(folder / FACTS)
    return OwnText(
        rows=arrays["rows"],
        similarity=arrays["similarity"],
        n_without_text=facts["n_without_text"],
        n_without_keyword=facts["n_without_keyword"],
    )
