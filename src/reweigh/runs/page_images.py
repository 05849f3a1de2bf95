"""The images of the page: which are looked at first, and why each has its weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog, image_locations, read_classes, read_columns, read_labels
from reweigh.evidence.held_out import HeldOut
from reweigh.evidence.neighbours import NeighbourVotes
from reweigh.report.records import ClassImages, Shown
from reweigh.report.settings import ReportSettings
from reweigh.report.weight_records import Explanation, FactorBar, Neighbour
from reweigh.runs.stored_weighing import StoredWeighing
from reweigh.weighers.combine import explain

TEXT_COLUMNS = ("uid", "source", "rank", "title", "tags", "verified_label")
CONTESTED = "a copy of it under another label is more credible"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is known of the images that can be shown."""

    catalog: Catalog
    held_out: HeldOut
    predicted: NDArray[np.int32]
    """(n,) most probable class of each row of `held_out`"""
    weighing: StoredWeighing | None
    neighbours: NeighbourVotes | None
    settings: ReportSettings


@dataclass(frozen=True, kw_only=True)
class _Picked:
    """Positions in `held_out` of the shown images of a class."""

    label: int
    doubted: NDArray[np.int64]
    trusted: NDArray[np.int64]
    mean_credibility: float | None = None


def class_images(seen: Seen, judged: NDArray[np.int64], agreed: NDArray[np.int64]) -> tuple[ClassImages, ...]:
    """Images of each class to look at first: by credibility in a run that has it, else by the held-out prediction."""
    credibility = _credibility(seen)
    if credibility is None:
        chosen = _by_prediction(seen, judged, agreed)
    else:
        chosen = _by_credibility(seen.held_out.labels, credibility, seen.catalog.k, per=seen.settings.images_a_class)
    picked = np.concatenate([np.concatenate([p.doubted, p.trusted]) for p in chosen] or [np.zeros(0, np.int64)])
    in_full = {i for p in chosen[: seen.settings.classes_explained] for i in (*p.doubted.tolist(), *p.trusted.tolist())}
    shown = dict(zip(picked.tolist(), _shown(seen, picked, in_full), strict=True))
    return tuple(
        ClassImages(
            label=p.label, doubted=tuple(shown[i] for i in p.doubted.tolist()),
            trusted=tuple(shown[i] for i in p.trusted.tolist()), mean_credibility=p.mean_credibility,
        )
        for p in chosen
    )  # fmt: skip


def _credibility(seen: Seen) -> NDArray[np.float32] | None:
    """(n,) of the rows of `held_out`; NaN where there is none; None in a run without."""
    if seen.weighing is None or seen.weighing.credibility is None:
        return None
    found = np.full(len(seen.held_out.rows), np.nan, np.float32)
    _, here, there = np.intersect1d(seen.held_out.rows, seen.weighing.rows, assume_unique=True, return_indices=True)
    found[here] = seen.weighing.credibility[there]
    return found


def _by_credibility(labels: NDArray[np.int32], credibility: NDArray[np.float32], k: int, *, per: int) -> list[_Picked]:
    """Of every class with a credibility, least mean first: its least and its most credible rows, none of them twice."""
    known = np.flatnonzero(~np.isnan(credibility) & (labels >= 0))
    order = known[np.lexsort((credibility[known], labels[known]))]
    start = np.searchsorted(labels[order], np.arange(k + 1))
    total = np.bincount(labels[known], weights=credibility[known], minlength=k)
    mean = total / np.maximum(np.diff(start), 1)
    chosen = []
    for label in sorted(np.flatnonzero(np.diff(start)).tolist(), key=lambda c: (mean[c], c)):
        own = order[start[label] : start[label + 1]]
        low = own[: min(per, (len(own) + 1) // 2)]
        high = own[len(low) :][::-1][:per]
        chosen.append(_Picked(label=label, doubted=low, trusted=high, mean_credibility=float(mean[label])))
    return chosen


def _by_prediction(seen: Seen, judged: NDArray[np.int64], agreed: NDArray[np.int64]) -> list[_Picked]:
    """For each class with a disagreement, least agreement first: its most doubted and its most trusted rows."""
    held_out, per = seen.held_out, seen.settings.images_a_class
    margin = held_out.label_log_probability.astype(np.float64) - held_out.best_other_log_probability
    margin = np.where(np.isfinite(margin), margin, 0.0)
    order = np.lexsort((margin, held_out.labels))
    start = np.searchsorted(held_out.labels[order], np.arange(seen.catalog.k + 1))
    classes = [c for c in range(seen.catalog.k) if agreed[c] < judged[c]]
    classes.sort(key=lambda c: (agreed[c] / judged[c], -judged[c], c))
    chosen = []
    for label in classes:
        own = order[start[label] : start[label + 1]]
        low, high = own[:per], own[::-1][:per]
        low, high = low[held_out.label_position[low] > 0], high[held_out.label_position[high] == 0]
        chosen.append(_Picked(label=label, doubted=low, trusted=high))
    return chosen


def _shown(seen: Seen, picked: NDArray[np.int64], in_full: set[int]) -> list[Shown]:
    held_out, names = seen.held_out, read_classes(seen.catalog).names
    rows = held_out.rows[picked]
    own = np.exp(held_out.label_log_probability[picked])
    best = np.exp(np.maximum(held_out.label_log_probability[picked], held_out.best_other_log_probability[picked]))
    near = _neighbours(seen, rows[[i in in_full for i in picked.tolist()]], names)
    texts = read_columns(seen.catalog, TEXT_COLUMNS, rows).to_pylist()
    return [
        Shown(
            uid=text["uid"], location=location, label=names[held_out.labels[i]], predicted=names[seen.predicted[i]],
            label_probability=float(own[place]), predicted_probability=float(best[place]),
            text=text_beside(text), origin=origin(text), checked=checked_class(text["verified_label"], names),
            explanation=None if seen.weighing is None else explanation(seen.weighing, int(row), near.get(int(row), ())),
        )
        for place, (i, row, location, text) in enumerate(
            zip(picked, rows, image_locations(seen.catalog, rows), texts, strict=True)
        )
    ]  # fmt: skip


def explanation(weighing: StoredWeighing, row: int, neighbours: tuple[Neighbour, ...] = ()) -> Explanation:
    """Why a row of the catalog has its weight: its factors, what the combiner makes of them, and the balance."""
    at, facts = int(np.searchsorted(weighing.rows, row)), weighing.facts
    said = {name: fact for name, fact in facts["factors"].items() if fact["kind"] != "exclude"}
    values = {name: float(weighing.factors[name][at]) for name in said}
    adds = _adds(facts, values, {name: fact["group"] for name, fact in said.items()})
    means = facts.get("means", {})
    bars = [
        FactorBar(
            name=name, kind="person" if fact["group"] == "person" else fact["kind"],
            value=None if np.isnan(values[name]) else values[name], mean=means.get(name), adds=adds.get(name),
        )
        for name, fact in said.items()
    ]  # fmt: skip
    credibility = None if weighing.credibility is None else float(weighing.credibility[at])
    weight = float(weighing.weights[at])
    return Explanation(
        combiner=facts["combiner"] or "",
        factors=tuple(bar for bar in bars if bar.kind != "balance"),
        intercept=facts.get("intercept", 0.0),
        credibility=credibility,
        sharpness=facts["sharpness"] or 1.0,
        balances=tuple(bar for bar in bars if bar.kind == "balance"),
        weight=weight,
        because=CONTESTED if weight == 0 and credibility != 0 and facts["contested_copies_left_out"] else "",
        neighbours=neighbours,
    )


def _adds(facts: dict[str, Any], values: dict[str, float], groups: dict[str, str]) -> dict[str, float]:
    return explain(facts, values, groups) if facts["combiner"] == "pooled" else {}


def _neighbours(seen: Seen, rows: NDArray[np.int64], names: tuple[str, ...]) -> dict[int, tuple[Neighbour, ...]]:
    """By row of the catalog, the nearest of those that were found, as many as the page shows."""
    votes, most = seen.neighbours, seen.settings.neighbours_an_image
    if votes is None or not most or not len(rows):
        return {}
    at = np.minimum(np.searchsorted(votes.rows, rows), len(votes.rows) - 1)
    near = votes.indices[at, :most]
    near[votes.rows[at] != rows] = -1
    known = votes.rows[np.maximum(near, 0)]
    labels = read_labels(seen.catalog)
    places = image_locations(seen.catalog, known.ravel())
    found = {}
    for i, row in enumerate(rows.tolist()):
        found[row] = tuple(
            Neighbour(
                location=places[i * near.shape[1] + j], label="no label" if labels[other] < 0 else names[labels[other]],
                has_same_label=bool(labels[other] == labels[row]),
            )
            for j, other in enumerate(known[i].tolist())
            if near[i, j] >= 0
        )  # fmt: skip
    return found


def checked_class(label: int | None, names: tuple[str, ...]) -> str:
    """What a person said an image shows; empty where nobody looked."""
    if label is None:
        return ""
    return names[label] if label >= 0 else "none of the classes"


def text_beside(row: dict[str, Any]) -> str:
    """Title and tags in one line."""
    return " · ".join(part for part in (row["title"] or "", ", ".join(row["tags"] or [])) if part)


def origin(row: dict[str, Any], *, beside: str | None = None) -> str:
    """`google, rank 12`; where a class is given with `beside`, the query too unless it is the class's name."""
    rank = "" if row["rank"] is None else f"rank {row['rank']}"
    query = "" if beside is None or row["query"] in (None, beside) else f"“{row['query']}”"
    return ", ".join(part for part in (row["source"] or "", query, rank) if part)
