"""The tables of `detection.py`, from the figures of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from detection_rivals import METHODS

Draws = Mapping[int, Mapping[str, Any]]
"""seed -> figures"""
OWN = ("ours", "ours + features")
COLUMNS = (
    ("F1", "f1"), ("AP", "ap"), ("AUROC", "auroc"), ("F1 at the best cut", "best_f1"), ("rate error", "rate_error"),
    ("class rate error", "class_rate_error"), ("averaged error", "class_averaged_error"), ("suggested right", "suggested_right"),
)  # fmt: skip
ONE_BY_ONE = ("published", "web", "webified", "none")
"""Groups whose sets have a column each."""
CLEAN = (("flagged", "flagged"), ("rate", "rate"))


def print_overview(
    cells: Mapping[str, Mapping[str, Draws]], groups: Mapping[str, Sequence[str]], methods: Sequence[str]
) -> None:
    """One table of all: F1 at the own cut, mean over the draws and sets of each group; of clean labels the share flagged."""
    columns: dict[str, list[str]] = {}
    for group, names in groups.items():
        there = [name for name in names if name in cells]
        own = {name: [name] for name in there} if group in ONE_BY_ONE else {group: there} if there else {}
        columns |= own
    columns = {title: names for title, names in columns.items() if names}
    lines: dict[str, list[float]] = {}
    for method in methods:
        lines[method] = [_mean_of(cells, names, method) for names in columns.values()]
    lines = {method: values for method, values in lines.items() if not np.isnan(values).all()}
    clean = [_is_clean(cells, names) for names in columns.values()]
    best = [
        (min if is_clean else max)((v for v in values if not np.isnan(v)), default=np.nan)
        for is_clean, *values in zip(clean, *lines.values(), strict=True)
    ]
    titles = [f"{title}: flagged" if is_clean else title for title, is_clean in zip(columns, clean, strict=True)]
    print(f"\n## All: F1 at the own cut\n\n| method | {' | '.join(titles)} |\n|---|{'---|' * len(columns)}")
    for method, values in lines.items():
        cells_of = (
            "" if np.isnan(v) else f"**{v:.3f}**" if round(v, 3) == round(b, 3) else f"{v:.3f}"
            for v, b in zip(values, best, strict=True)
        )
        print(f"| {method} | {' | '.join(cells_of)} |")


def print_group(group: str, sets: Mapping[str, Mapping[str, Draws]], methods: Sequence[str]) -> None:
    """One table: mean (sd of the draws) of each figure, the mean over the sets of the group, then the sets' F1 one by one."""
    if not sets:
        return
    rates = ", ".join(f"{name} {100 * _mean(own, 'true_rate'):.1f} %" for name, own in _any_method(sets).items())
    print(f"\n## {group}\n\nWrong labels: {rates}.\n")
    is_clean = all(_mean(own, "true_rate") == 0 for own in _any_method(sets).values())
    columns, each = (CLEAN, "flagged") if is_clean else (COLUMNS, "f1")
    print(f"| method | {' | '.join(title for title, _ in columns)} | {' | '.join(sets)} | CPU s | MiB |")
    print(f"|---|{'---|' * (len(columns) + len(sets) + 2)}")
    for method in methods:
        draws = {name: own[method] for name, own in sets.items() if method in own}
        if not draws or len(draws) < len(sets):
            continue
        figures = " | ".join(_over_sets(draws.values(), key) for _, key in columns)
        by_set = " | ".join(_said(own, each) for own in draws.values())
        seconds, mib = (max(_mean(own, key) for own in draws.values()) for key in ("seconds", "mib"))
        print(f"| {method} | {figures} | {by_set} | {seconds:.2f} | {mib:.0f} |")
    if not is_clean:
        _print_paired(sets)


def print_summary(cells: Mapping[str, Mapping[str, Draws]], methods: Sequence[str]) -> None:
    """Where ours loses: sets whose best rival has the higher mean F1, or flags less of what is clean."""
    print("\n## Where ours loses\n")
    print("| set | ours | best rival | difference, 95 % | draws lost |\n|---|---|---|---|---|")
    for name, sets in cells.items():
        own = next((method for method in reversed(OWN) if method in sets), None)
        is_clean = all(f["true_rate"] == 0 for draws in sets.values() for f in draws.values())
        key, sign = ("flagged", -1) if is_clean else ("f1", 1)
        rivals = [m for m in sets if not METHODS[m].is_ours and m in methods and _has(sets[m], key)]
        if own is None or not rivals:
            continue
        best = max(rivals, key=lambda m: sign * _mean(sets[m], key))
        gains = sign * paired(sets[own], sets[best], key)
        if gains.mean() < 0:
            lost = f"{int((gains < 0).sum())}/{len(gains)}"
            print(
                f"| {name} | {own} {_said(sets[own], key)} | {best} {_said(sets[best], key)} | {_interval(gains)} | {lost} |"
            )


def print_goals(cells: Mapping[str, Mapping[str, Draws]]) -> None:
    """The goals of detection, as far as the sets are here."""
    print("\n## Goals\n\n| goal | wanted | found |\n|---|---|---|")
    people = [name for name in cells if name.startswith("people")]
    hard = ("pair 30 %", "uneven 5-70 %")
    asked = [
        ("F1, published worse", ">= .87", ["published worse"], "ours", "f1"),
        ("F1, published aggre", ">= .78", ["published aggre"], "ours", "f1"),
        ("F1, people's labels on lite0", ">= .65", people, "ours", "f1"),
        ("the same with features", ">= .67", people, "ours + features", "f1"),
        ("absolute rate error there", "<= .03", people, "ours + features", "rate_error"),
        ("flagged, clean digits", "<= .005", ["digits, none"], "ours + features", "flagged"),
        ("flagged, clean CIFAR-10 on lite0", "<= .04", ["cifar, none"], "ours + features", "flagged"),
        ("F1, digits, pair 30 %", ">= .94", ["digits, pair 30 %"], "ours + features", "f1"),
        ("F1, digits, uneven 5-70 %", ">= .92", ["digits, uneven 5-70 %"], "ours + features", "f1"),
        (
            "class rate error, digits, both",
            "<= .04",
            [f"digits, {noise}" for noise in hard],
            "ours + features",
            "class_rate_error",
        ),
    ]
    for title, wanted, names, method, key in asked:
        draws = [cells[name][method] for name in names if name in cells and method in cells[name]]
        if draws and len(draws) == len(names):
            print(f"| {title} | {wanted} | {np.mean([_absolute(own, key) for own in draws]):.3f} |")


def paired(own: Draws, other: Draws, key: str) -> NDArray[np.float64]:
    """(draws,) differences of a figure on the draws that both have."""
    return np.array([own[seed][key] - other[seed][key] for seed in sorted(set(own) & set(other))])


def _print_paired(sets: Mapping[str, Mapping[str, Draws]]) -> None:
    """F1 of ours less that of the rival with the best mean over the sets of this table."""
    for own in OWN:
        rivals = [
            m for m in METHODS
            if not METHODS[m].is_ours and all(m in s and _has(s[m], "f1") for s in sets.values())
        ]  # fmt: skip
        if not rivals or any(own not in methods for methods in sets.values()):
            continue
        best = max(rivals, key=lambda m: np.mean([_mean(methods[m], "f1") for methods in sets.values()]))
        each = {name: paired(methods[own], methods[best], "f1") for name, methods in sets.items()}
        parts = ", ".join(f"{name} {_interval(gains)}" for name, gains in each.items())
        mean = np.mean([gains.mean() for gains in each.values()])
        print(f"\n{own} over {best}, the best rival here: {mean:+.3f} ({parts})")


def _is_clean(cells: Mapping[str, Mapping[str, Draws]], names: Sequence[str]) -> bool:
    return all(f["true_rate"] == 0 for name in names for draws in cells[name].values() for f in draws.values())


def _mean_of(cells: Mapping[str, Mapping[str, Draws]], names: Sequence[str], method: str) -> float:
    """Mean over the sets of F1, or of the share flagged; NaN where a set lacks it."""
    key = "flagged" if _is_clean(cells, names) else "f1"
    return float(np.mean([_mean(cells[name].get(method, {0: {}}), key) for name in names]))


def _any_method(sets: Mapping[str, Mapping[str, Draws]]) -> dict[str, Draws]:
    return {name: next(iter(methods.values())) for name, methods in sets.items()}


def _has(draws: Draws, key: str) -> bool:
    return all(figures.get(key) is not None for figures in draws.values())


def _mean(draws: Draws, key: str) -> float:
    return float(np.mean([figures[key] for figures in draws.values()])) if _has(draws, key) else float("nan")


def _absolute(draws: Draws, key: str) -> float:
    return float(np.mean([abs(figures[key]) for figures in draws.values()]))


def _over_sets(draws: Any, key: str) -> str:
    """Mean over the sets; of errors the mean absolute one."""
    draws = list(draws)
    if not all(_has(own, key) for own in draws):
        return ""
    value = _absolute if key == "rate_error" else _mean
    return f"{np.mean([value(own, key) for own in draws]):.3f}"


def _said(draws: Draws, key: str) -> str:
    if not _has(draws, key):
        return ""
    values = np.array([figures[key] for figures in draws.values()])
    return f"{values.mean():.3f}" + (f" ({values.std(ddof=1):.3f})" if len(values) > 1 else "")


def _interval(gains: NDArray[np.float64]) -> str:
    """Mean and half of the 95 % interval by Student's t; of one draw the value."""
    n = len(gains)
    if n < 2:
        return f"{gains.mean():+.3f}"
    return f"{gains.mean():+.3f} ± {student.ppf(0.975, n - 1) * gains.std(ddof=1) / np.sqrt(n):.3f}"
