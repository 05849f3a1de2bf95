"""The section on labels, gathered from the verdicts of a finished run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, ImageLocation, image_locations, read_classes, read_columns, read_labels
from reweigh.errors import ReweighError
from reweigh.evidence.held_out import HeldOut
from reweigh.report.verdict_records import ConfusedPair, JudgedImage, Noise, NoiseTable, VerdictsData
from reweigh.runs.class_advice import LEAST, RULE, advised_pairs
from reweigh.runs.page_images import TEXT_COLUMNS, checked_class, origin, text_beside
from reweigh.runs.page_parts import Parts, other_parts
from reweigh.whole_files import read_json

VERDICTS, FACTS = "verdicts.parquet", "verdicts.json"
CLASS_ROWS, OTHER_ROWS, PAIRS = 1_000, 200, 60
"""Rows of a table at most."""
FEW = 20
"""Fewer images than this have no range, and come after the others."""


@dataclass(frozen=True, kw_only=True)
class PageVerdicts:
    """Verdicts on the m labelled rows of a catalog, as far as tables need them, and what is said of all together."""

    rows: NDArray[np.int64]
    """(m,) rows of the catalog, ascending"""
    probability_right: NDArray[np.float32]
    """(m,) NaN where nothing can be told"""
    wrong: NDArray[np.bool_]
    """(m,)"""
    review_order: NDArray[np.int32]
    """(m,) 1 = look at this one first"""
    place: Path
    """verdicts.parquet"""
    facts: dict[str, Any]
    """verdicts.json"""


def page_verdicts(run: Path, record: dict[str, Any], catalog: Catalog) -> PageVerdicts | None:
    """The verdicts that run.json points to; None for a run of an earlier version, which has none."""
    place = record["places"].get("verdicts")
    if place is None:
        return None
    table = pq.read_table(run / place / VERDICTS, columns=["probability_right", "wrong", "review_order"])
    rows = np.flatnonzero(read_labels(catalog) >= 0)
    if len(rows) != table.num_rows:
        raise ReweighError(
            f"{run / place / VERDICTS} has {table.num_rows:,} verdicts, {catalog.path} has {len(rows):,} labels: the catalog was "
            f"made anew since; judge it again: reweigh check {run}"
        )
    right = table["probability_right"].to_numpy().astype(np.float32)
    return PageVerdicts(
        rows=rows, probability_right=right, wrong=table["wrong"].to_numpy(), review_order=table["review_order"].to_numpy(),
        place=run / place / VERDICTS, facts=read_json(run / place / FACTS),
    )  # fmt: skip


def verdicts_data(found: PageVerdicts, catalog: Catalog, held_out: HeldOut, *, n_images: int) -> VerdictsData:
    """What the section shows; tables are of the training images, the first `n_images` to look at are of all splits."""
    facts, names = found.facts, read_classes(catalog).names
    rate, ends = facts["noise_rate"], facts["noise_rate_range"]
    agreed = np.bincount(held_out.labels[(held_out.labels >= 0) & (held_out.label_position == 0)], minlength=catalog.k)
    return VerdictsData(
        n=facts["n"],
        n_wrong=facts["n_wrong"],
        n_none_of_the_classes=facts["n_none_of_the_classes"],
        noise_rate=rate,
        noise_rate_range=None if None in ends else (ends[0], ends[1]),
        is_interval=facts["is_interval"],
        is_trusted=facts["is_trusted"],
        agreement=facts["agreement"],
        information=facts["information"] or 0.0,
        notes=tuple(facts["notes"]),
        classes=class_noise(facts, names, agreed),
        others=tuple(part_noise(found, parts, held_out) for parts in _parts(catalog, held_out)),
        pairs=_pairs(facts, names),
        rule=RULE,
        images=judged_images(found, catalog, names, n_images),
        n_images=len(found.rows),
    )


def class_noise(facts: dict[str, Any], names: tuple[str, ...], agreed: NDArray[np.int64]) -> NoiseTable:
    """Classes that have labels, largest rate first, those too small for a range after the others; the first CLASS_ROWS.

    agreed (k,): labels that are the held-out prediction.
    """
    of = facts["classes"]
    mostly: dict[int, int] = {}
    for given, truth, expected in facts["confusions"]:  # largest first
        if expected >= LEAST:
            mostly.setdefault(given, truth)
    filled = [c for c, n in enumerate(of["n"]) if n]
    filled.sort(key=lambda c: (of["low"][c] is None, -(of["noise"][c] or 0.0), -of["n_wrong"][c], c))
    rows = tuple(
        Noise(
            name=names[c], n=of["n"][c], n_wrong=of["n_wrong"][c], noise=of["noise"][c], low=of["low"][c], high=of["high"][c],
            agreement=int(agreed[c]) / of["n"][c], mostly=names[mostly[c]] if c in mostly else "",
        )
        for c in filled[:CLASS_ROWS]
    )  # fmt: skip
    return NoiseTable(of="class", rows=rows, n_all=len(filled))


def _parts(catalog: Catalog, held_out: HeldOut) -> list[Parts]:
    at = held_out.labels >= 0
    return other_parts(catalog, held_out.rows[at], held_out.labels[at])


def part_noise(found: PageVerdicts, parts: Parts, held_out: HeldOut) -> NoiseTable:
    """Mean of 1 - P(right) and flagged labels of each source or query, over the training images.

    Largest mean first, those of fewer than FEW images after the others.
    """
    at = np.flatnonzero(held_out.labels >= 0)
    place = np.searchsorted(found.rows, held_out.rows[at])
    k, numbers = len(parts.names), parts.numbers
    doubt = 1 - found.probability_right[place].astype(np.float64)
    known = ~np.isnan(doubt)
    n = np.bincount(numbers, minlength=k)
    n_wrong = np.bincount(numbers[found.wrong[place]], minlength=k)
    n_agreed = np.bincount(numbers[held_out.label_position[at] == 0], minlength=k)
    n_known = np.bincount(numbers[known], minlength=k)
    total = np.bincount(numbers[known], weights=doubt[known], minlength=k)
    mean = np.divide(total, n_known, out=np.full(k, np.nan), where=n_known > 0)
    filled = np.flatnonzero(n)
    order = filled[np.lexsort((-np.nan_to_num(mean[filled], nan=-1.0), n[filled] < FEW))][:OTHER_ROWS]
    rows = tuple(
        Noise(
            name=parts.names[c], n=int(n[c]), n_wrong=int(n_wrong[c]), noise=None if np.isnan(mean[c]) else float(mean[c]),
            agreement=float(n_agreed[c] / n[c]),
        )
        for c in order.tolist()
    )  # fmt: skip
    return NoiseTable(of=parts.of, rows=rows, n_all=len(filled))


def _pairs(facts: dict[str, Any], names: tuple[str, ...]) -> tuple[ConfusedPair, ...]:
    confusions = [(int(given), int(truth), float(expected)) for given, truth, expected in facts["confusions"]]
    return tuple(
        ConfusedPair(
            given=names[one.given], truth=names[one.truth], n=one.n, share=one.share, n_back=one.n_back, share_back=one.share_back,
            advice=one.advice,
        )
        for one in advised_pairs(confusions, np.array(facts["classes"]["n"], np.int64), most=PAIRS)
    )  # fmt: skip


def judged_images(
    found: PageVerdicts, catalog: Catalog, names: tuple[str, ...], n_images: int
) -> tuple[JudgedImage, ...]:
    """The first `n_images` in the order of review."""
    first = pq.read_table(found.place, filters=[("review_order", "<=", n_images)]).to_pylist()
    rows = found.rows[found.review_order <= n_images]  # both in the order of the catalog
    beside = read_columns(catalog, (*TEXT_COLUMNS, "query", "split"), rows).to_pylist()
    images = [
        _image(verdict, text, location, names)
        for verdict, text, location in zip(first, beside, image_locations(catalog, rows), strict=True)
    ]
    return tuple(sorted(images, key=lambda image: image.order))


def _image(
    verdict: dict[str, Any], text: dict[str, Any], location: ImageLocation, names: tuple[str, ...]
) -> JudgedImage:
    label = names[verdict["label"]]
    return JudgedImage(
        uid=verdict["uid"], location=location, order=verdict["review_order"], label=label,
        probability_right=verdict["probability_right"], wrong=verdict["wrong"], suggested=_name(verdict["suggested_label"], names),
        probability_suggested=verdict["probability_suggested"], also_plausible=_name(verdict["also_plausible"], names),
        none_of_the_classes=verdict["none_of_the_classes"], reason=verdict["reason"], split=text["split"], text=text_beside(text),
        origin=origin(text, beside=label), checked=checked_class(text["verified_label"], names),
    )  # fmt: skip


def _name(label: int | None, names: tuple[str, ...]) -> str:
    return "" if label is None else names[label]
