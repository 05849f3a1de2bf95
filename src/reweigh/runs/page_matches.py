"""The section on image-text matching, gathered from the facts of a finished run's weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from reweigh.catalog.tables import Catalog, image_locations, read_uids
from reweigh.report.weight_records import Histogram, MatchData, ScoreBin, Scored
from reweigh.runs.stored_weighing import StoredWeighing

KNOWN_BY = {
    "classes": "each being a word of its own",
    "names": "known by parts of their names' words",
    "word_vectors": "known by word vectors",
    "sentences": "known by a sentence encoder",
}


def match_data(weighing: StoredWeighing, catalog: Catalog, names: tuple[str, ...]) -> MatchData | None:
    """What the section shows; None where no cosines were made."""
    facts = weighing.facts["factors"].get("image_text")
    if facts is None or facts["scores"]["mean"] is None:
        return None
    scores = facts["scores"]
    return MatchData(
        said=said(facts),
        histogram=Histogram(counts=np.array(scores["counts"], np.int64), low=-1.0, high=1.0, mean=scores["mean"]),
        bins=tuple(
            ScoreBin(name=name, n=one["n"], images=_images(one["examples"], weighing, catalog, names))
            for name, one in scores["bins"].items()
        ),
    )


def said(facts: dict[str, Any]) -> str:
    """`They learnt from 568 images, the first ranks of google, and from labels, known by word vectors.`"""
    n = f"{facts['learnt_from']:,} images"
    trusted = facts["trusted"]
    whose = (
        f"{n} whose labels agree most with held-out predictions"
        if trusted == "no ranks"
        else f"{n}, the first ranks of {trusted}"
    )
    missing = facts["labels_without_text"]
    unknown = (
        f" {missing:,} {'label has' if missing == 1 else 'labels have'} no known word, and their images no score."
        if missing
        else ""
    )
    return f"They learnt from {whose}, and from the labels, {KNOWN_BY[facts['label_text']]}.{unknown}"


def _images(
    examples: list[list[float]], weighing: StoredWeighing, catalog: Catalog, names: tuple[str, ...]
) -> tuple[Scored, ...]:
    rows = np.array([row for row, _ in examples], np.int64)
    labels = weighing.labels[np.searchsorted(weighing.rows, rows)]
    return tuple(
        Scored(uid=uid, location=location, label=names[label], score=score)
        for uid, location, label, (_, score) in zip(
            read_uids(catalog, rows), image_locations(catalog, rows), labels.tolist(), examples, strict=True
        )
    )
