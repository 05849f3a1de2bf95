"""The section on weights, gathered from a finished run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import Catalog
from reweigh.report.arithmetic import plain, signed
from reweigh.report.weight_records import Distribution, Histogram, QualityTable, Rate, RateTable, WeightsData
from reweigh.runs.measured import KNOWN
from reweigh.runs.page_parts import other_parts
from reweigh.runs.stored_weighing import StoredWeighing
from reweigh.weighers.weighing import FEW

BINS = 24
CLASS_ROWS, OTHER_ROWS = 1_000, 200
"""Rows of a table of rates at most."""
FEW_KNOWN = 20
"""With fewer wrong, or right, labels than this the figures of quality come with a caution."""
MOST_CURVES = 4
"""Curves that are told one by one."""


def weights_data(
    weighing: StoredWeighing, catalog: Catalog, names: tuple[str, ...], metrics: dict[str, Any]
) -> WeightsData:
    """What the section shows; metrics: those of the run, whose `weights` say what was used and how good it is."""
    facts, measured = weighing.facts, metrics["weights"]
    share, smallest = facts["effective_share"], facts["smallest_class_effective_share"]
    return WeightsData(
        combined=combined(weighing),
        used=tuple(measured["used"]),
        not_used=tuple((name, why) for name, why in measured["not_used"]),
        n=len(weighing.rows),
        n_weighed=int(weighing.is_weighed.sum()),
        effective_share=share,
        smallest_class=names[facts["smallest_class"]],
        smallest_class_share=smallest,
        distributions=tuple(distributions(weighing)),
        classes=rates(weighing, weighing.labels, names, of="class", n_rows=CLASS_ROWS),
        others=tuple(
            rates(weighing, parts.numbers, parts.names, of=parts.of, n_rows=OTHER_ROWS)
            for parts in other_parts(catalog, weighing.rows, weighing.labels)
        ),
        quality=quality_tables(measured["quality"]),
        warnings=_warnings(share, smallest, names[facts["smallest_class"]]),
    )


def combined(weighing: StoredWeighing) -> str:
    """The combiner and its numbers in a sentence or two."""
    facts, settings = weighing.facts, weighing.settings
    balances = [name for name, fact in facts["factors"].items() if fact["kind"] == "balance"]
    said = {
        "pooled": "Factors that look at the same thing are averaged in log-odds and these means added",
        "geometric": "The credibility is the root of the product of the factors that have an opinion",
        "product": "The credibility is the product of the factors; where one has no opinion its mean stands",
        None: "No factor speaks of labels",
    }.get(facts["combiner"], f"The combiner is {facts['combiner']}")
    if any(fact["kind"] == "multiplier" for fact in facts["factors"].values()):
        said += "; multipliers are divided by their mean, so that it is no probability"
    if facts["combiner"] == "pooled":
        times = ", ".join(f"{group} × {plain(value)}" for group, value in facts["coefficients"].items())
        said += f" ({times}; start {signed(facts['intercept'])})"
    if facts["combiner"] is not None:
        power = "" if facts["sharpness"] == 1 else f"^{plain(facts['sharpness'])}"
        said += f". Weight = credibility{power}{''.join(f' × {name}' for name in balances)}"
    elif balances:
        said += f". Weight = {' × '.join(balances)}"
    cut = facts["clipped"]
    return f"{said}, mean 1; weights above {plain(settings.clip)} times the mean are cut, {'none was' if not cut else f'{cut:,} were'}."


def distributions(weighing: StoredWeighing) -> list[Distribution]:
    """Weight, credibility, then every factor but those that exclude, over the images that were weighed."""
    here = weighing.is_weighed
    found = [_distribution("weight", "weight", "", weighing.weights[here], "")]
    if weighing.credibility is not None:
        found.append(_distribution("credibility", "credibility", "", weighing.credibility[here], ""))
    for name, fact in weighing.facts["factors"].items():
        if fact["kind"] != "exclude":
            found.append(
                _distribution(name, fact["kind"], fact["group"], weighing.factors[name][here], curves_said(fact))
            )
    return found


def _distribution(name: str, kind: str, group: str, values: NDArray[np.float32], said: str) -> Distribution:
    known = values[~np.isnan(values)]
    return Distribution(
        name=name, kind=kind, group=group, said=said, histogram=histogram_of(known, ends_at_one=kind == "credibility" and known.max(initial=0) <= 1),
        without_opinion=1 - len(known) / max(len(values), 1),
    )  # fmt: skip


def histogram_of(values: NDArray[np.floating], *, ends_at_one: bool) -> Histogram | None:
    """Counts of values >= 0 in BINS equal bins from 0 to 1, or to the largest; None without values."""
    if not len(values):
        return None
    high = 1.0 if ends_at_one else float(values.max()) or 1.0
    counts, _ = np.histogram(np.clip(values, 0, high), bins=BINS, range=(0, high))
    return Histogram(counts=counts.astype(np.int64), low=0.0, high=high, mean=float(values.mean(dtype=np.float64)))


def curves_said(fact: dict[str, Any]) -> str:
    """`rising (644 images)`, or `google: falling (884 images); flickr: flat, says nothing`."""
    curves = fact.get("curves", {})
    said = []
    for name, curve in list(curves.items())[:MOST_CURVES]:
        silent = ", so it says nothing" if curve["curve"] in ("flat", "too few") else ""
        who = "" if name == "all" else f"{name}: "
        said.append(f"{who}{curve['curve']} ({curve['rows']:,} images){silent}")
    more = len(curves) - len(said)
    said += [f"and {more:,} more"] if more > 0 else []
    return f"curve {'; '.join(said)}" if said else ""


def rates(
    weighing: StoredWeighing, parts: NDArray[np.integer], names: tuple[str, ...], *, of: str, n_rows: int
) -> RateTable:
    """Rates of each part that has images, least mean credibility first, then by name's number; the first `n_rows`.

    parts (n,): number of each image's class, source or query. Images that were not weighed count as images, weigh 0 and
    have no credibility.
    """
    k = len(names)
    n = np.bincount(parts, minlength=k)
    weight = np.bincount(parts, weights=weighing.weights, minlength=k)
    image_share, weight_share = n / max(n.sum(), 1), weight / max(weight.sum(), 1e-30)
    mass, mean = np.full(k, np.nan), np.full(k, np.nan)
    if weighing.credibility is not None:
        known = weighing.is_weighed
        counted = np.bincount(parts[known], minlength=k)
        mass = np.bincount(parts[known], weights=weighing.credibility[known], minlength=k)
        mean = np.divide(mass, counted, out=np.full(k, np.nan), where=counted > 0)
    effective = [None] * k if of != "class" else weighing.facts["class_effective_shares"]
    filled = np.flatnonzero(n)
    order = filled[np.lexsort((-n[filled], np.nan_to_num(mean[filled], nan=2.0)))][:n_rows]
    rows = tuple(
        Rate(
            name=names[c], n=int(n[c]), mass=_number(mass[c]), mean_credibility=_number(mean[c]),
            image_share=float(image_share[c]), weight_share=float(weight_share[c]), effective_share=effective[c],
        )
        for c in order.tolist()
    )  # fmt: skip
    return RateTable(of=of, rows=rows, n_all=len(filled))


def quality_tables(quality: dict[str, Any] | None) -> tuple[QualityTable, ...]:
    """A table for each set of answers by which both right and wrong labels are known; the credibility first, the weight last.

    None where nothing speaks of labels: weights of balance alone were not made to find wrong ones.
    """
    return tuple(
        _quality_table(kind, found)
        for kind, found in ((quality or {}).get("against") or {}).items()
        if 0 < found["n_wrong"] < found["n"] and set(found["scores"]) != {"weight"}
    )


def _quality_table(kind: str, found: dict[str, Any]) -> QualityTable:
    kinds = list(found["kinds"])
    scores = sorted(found["scores"], key=lambda name: {"credibility": 0, "weight": 2}.get(name, 1))
    rare = min(found["n_wrong"], found["n"] - found["n_wrong"])
    wrong = found["n_wrong"] <= found["n"] - found["n_wrong"]
    return QualityTable(
        title=f"Against {KNOWN[kind]}: {found['n_wrong']:,} of {found['n']:,} labels are wrong",
        header=(
            "", "images", "AUROC", "average precision", "precision at the noise rate", "Brier",
            *(f"AUROC, {name} ({found['kinds'][name]:,})" for name in kinds),
        ),
        rows=tuple(_quality_row(name, found["scores"][name], kinds) for name in scores),
        caution=f"Only {rare:,} {'wrong' if wrong else 'right'} labels are known: the figures say little." if rare < FEW_KNOWN else "",
    )  # fmt: skip


def _quality_row(name: str, score: dict[str, Any], kinds: list[str]) -> tuple[str, ...]:
    figures = score["figures"]
    told = [_with_interval(figures, key) for key in ("auroc", "average_precision", "precision_at_rate", "brier")]
    by_kind = [_with_interval(score["by_kind"].get(kind, {}), "auroc") for kind in kinds]
    return (name, f"{score['n_with_opinion']}", *told, *by_kind)


def _with_interval(figures: dict[str, Any], key: str) -> str:
    """`0.985 0.973–0.994`; a dash where it was not measured."""
    value, interval = figures.get(key), figures.get(f"{key}_interval")
    if value is None:
        return "–"
    return f"{value:.3f}" if interval is None else f"{value:.3f} {interval[0]:.3f}–{interval[1]:.3f}"


def _warnings(share: float, smallest: float | None, name: str) -> tuple[str, ...]:
    found = []
    if share < FEW:
        found.append(
            f"The effective sample share is {share:.3f}, under {FEW}: few images decide. A product of many factors does that; "
            "weights.combiner=pooled does not."
        )
    if smallest is not None and smallest < FEW:
        found.append(f"The effective sample share of the smallest class, {name}, is {smallest:.3f}, under {FEW}.")
    return tuple(found)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
