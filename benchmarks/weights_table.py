"""The tables of `weights.py`, from the figures of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from weights_methods import Method

Cells = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""method -> seed -> figures"""
BASELINE, BALANCE, CEILING, AUTO, VISUAL = "baseline", "balance, shipped", "right rows +B", "auto +B", "visual +B"
CONFIDENCE = 0.95
QUESTIONS = (
    (AUTO, BALANCE, "weights, over balance alone"),
    (VISUAL, BALANCE, "weights from images alone, over balance alone"),
    (VISUAL, "held_out +B", "neighbours beside held-out predictions"),
    ("visual and density +B", VISUAL, "density among the visual factors"),
    ("auto and density +B", AUTO, "density beside all that auto takes"),
    ("clusters +B", BALANCE, "purity of clusters alone, over balance alone"),
    ("visual and clusters +B", VISUAL, "purity of clusters among the visual factors"),
    ("auto and clusters +B", AUTO, "purity of clusters beside all that auto takes"),
    ("auto and emphasis +B", AUTO, "emphasis on confusion after credibility"),
    ("visual, rank +B", VISUAL, "ranks"),
    (AUTO, "visual, rank +B", "own text"),
    ("own_text +B", BALANCE, "own text alone, over balance alone"),
    (AUTO, "auto, balance on counts", "balance on credible mass instead of counts"),
    (AUTO, "auto, product +B", "pooled instead of product"),
    (AUTO, "auto, geometric +B", "pooled instead of geometric"),
    ("auto, true share, gamma 1 +B", AUTO, "the true level"),
    ("auto, true share, gamma 2 +B", "auto, true share, gamma 1 +B", "gamma 2, at the true level"),
    (AUTO, "p(y) as weight +B", "pooled instead of p(y)"),
    (AUTO, "drop the true rate +B", "weights instead of dropping the true rate"),
)
"""(method, other, what the difference is of)"""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Differences of two methods on the same draws, in points."""

    mean: float
    half: float
    """Half of the interval by Student's t; NaN with one draw"""
    better: int
    n: int


def print_set(
    name: str, cells: Cells, methods: Mapping[str, Method], at_best: Sequence[str], grid: Sequence[float]
) -> None:
    """Both tables of one set."""
    if BASELINE not in cells:
        return
    one = next(iter(cells[BASELINE].values()))
    scored = list(cells.get(AUTO, {}).values())
    wrong = 100 * (1 - np.mean([f["truth"] for f in scored])) if scored else float("nan")
    strengths = "/".join(f"{figures['l2']:g}" for _, figures in sorted(cells[BASELINE].items()))
    print(f"\n## {name}: {one['train']:,} training rows, {wrong:.1f} % wrong, l2 chosen {strengths}\n")
    print(
        "| method | class-averaged (sd) | over baseline, 95 % | better | top-1 | share of gap | AUROC | ESS | ESS before balance | mean | Brier |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for method in (m for m in methods if m in cells):
        print(_row(method, methods[method], cells))
    chosen = {m: best_l2(cells, m, grid) for m in at_best}
    chosen = {m: l2 for m, l2 in chosen.items() if l2 is not None}
    if chosen:
        _print_best(cells, chosen, grid)
    _print_questions(cells)
    _print_detection(cells)


def _row(method: str, record: Method, cells: Cells) -> str:
    own, mark = values(cells, method), {"oracle": " (oracle)", "ceiling": " (ceiling)"}.get(record.role, "")
    gain = paired(cells, method, BASELINE)
    share = share_of_gap(cells, method)
    difference = "" if method == BASELINE else f"{gain.mean:+.2f} ± {gain.half:.2f}"
    return (
        f"| {method}{mark} | {own.mean():.2f} ({own.std(ddof=1) if len(own) > 1 else 0:.2f}) | {difference} "
        f"| {'' if method == BASELINE else f'{gain.better}/{gain.n}'} | {values(cells, method, 'top_1').mean():.2f} "
        f"| {'' if method == BASELINE else _said(share, '.0f', ' %', 100)} | {_mean(cells, method, 'auroc')} "
        f"| {_mean(cells, method, 'ess', '.2f')} "
        f"| {_mean(cells, method, 'ess_before_balance', '.2f')} | {_mean(cells, method, 'mean', '.2f')} | {_mean(cells, method, 'brier')} |"
    )


def _print_best(cells: Cells, chosen: Mapping[str, float], grid: Sequence[float]) -> None:
    print(
        "\nEach at its own best L2 of the grid, chosen on the test rows by the mean over the draws: an upper bound.\n"
    )
    print(
        f"| method | {' | '.join(f'{l2:g}' for l2 in grid)} | best | over the baseline's best, 95 % | better | share of gap |"
    )
    print(f"|---|{'---|' * (len(grid) + 4)}")
    base = f"{BASELINE} @ {chosen[BASELINE]:g}" if BASELINE in chosen else None
    top = f"{CEILING} @ {chosen[CEILING]:g}" if CEILING in chosen else None
    for method, l2 in chosen.items():
        own = f"{method} @ {l2:g}"
        along = " | ".join(_cell(cells, f"{method} @ {step:g}") for step in grid)
        tail = " | | |"
        if base and method != BASELINE:
            gain = paired(cells, own, base)
            share = share_of_gap(cells, own, base=base, top=top) if top else None
            tail = f"{gain.mean:+.2f} ± {gain.half:.2f} | {gain.better}/{gain.n} | {_said(share, '.0f', ' %', 100)} |"
        print(f"| {method} | {along} | {values(cells, own).mean():.2f} | {tail}")


def _print_questions(cells: Cells) -> None:
    asked = [question for question in QUESTIONS if question[0] in cells and question[1] in cells]
    print("\n| what | difference, 95 % | better | by draw | top-1 |\n|---|---|---|---|---|")
    for method, other, what in asked:
        gain, by_draw = paired(cells, method, other), differences(cells, method, other)
        each = " ".join(f"{value:+.1f}" for value in by_draw)
        top = paired(cells, method, other, "top_1")
        print(f"| {what} | {gain.mean:+.2f} ± {gain.half:.2f} | {gain.better}/{gain.n} | {each} | {top.mean:+.2f} |")


def _print_detection(cells: Cells) -> None:
    """AUROC of each factor where it has an opinion, and of the pools against each kind of error."""
    factors = [own.get("factors", {}) for _, own in sorted(cells.get(AUTO, {}).items())]
    for name in dict.fromkeys(name for own in factors for name in own):
        known = [own[name] for own in factors if name in own]
        aurocs = [own["auroc"] for own in known if own["auroc"] is not None]
        curves = sorted({str(v) for own in known for k, v in own.items() if k not in ("auroc", "opinions")})
        each = "/".join(f"{value:.3f}" for value in aurocs)
        print(
            f"\nfactor {name}: AUROC {each}, opinion on {np.mean([o['opinions'] for o in known]):.0%} {' '.join(curves)}"
        )
    for method in (m for m in (VISUAL, AUTO) if m in cells):
        found = [own.get("by_kind", {}) for own in cells[method].values()]
        kinds = sorted({kind for own in found for kind in own})
        if kinds:
            means = (f"{kind} {np.mean([own[kind]['auroc'] for own in found if kind in own]):.3f}" for kind in kinds)
            print(f"\n{method} by kind: {', '.join(means)}")


def _cell(cells: Cells, name: str) -> str:
    return f"{values(cells, name).mean():.2f}" if name in cells else ""


def best_l2(cells: Cells, method: str, grid: Sequence[float]) -> float | None:
    """The strength of the highest mean; of those tried in the most draws; None where none was."""
    tried = [l2 for l2 in grid if f"{method} @ {l2:g}" in cells]
    n = max((len(cells[f"{method} @ {l2:g}"]) for l2 in tried), default=0)
    tried = [l2 for l2 in tried if len(cells[f"{method} @ {l2:g}"]) == n]
    return max(tried, key=lambda l2: values(cells, f"{method} @ {l2:g}").mean()) if tried else None


def values(cells: Cells, method: str, figure: str = "class_averaged") -> NDArray[np.float64]:
    """(seeds,) figures in per cent, by seed."""
    return 100 * np.array([own[figure] for _, own in sorted(cells[method].items())], np.float64)


def paired(cells: Cells, method: str, other: str, figure: str = "class_averaged") -> Paired:
    """Over the draws that both have."""
    gains = differences(cells, method, other, figure)
    n = len(gains)
    half = student.ppf((1 + CONFIDENCE) / 2, n - 1) * gains.std(ddof=1) / np.sqrt(n) if n > 1 else float("nan")
    return Paired(mean=float(gains.mean()), half=float(half), better=int((gains > 0).sum()), n=n)


def differences(cells: Cells, method: str, other: str, figure: str = "class_averaged") -> NDArray[np.float64]:
    """(draws,) of a figure in points, of the draws that both have."""
    both = sorted(set(cells[method]) & set(cells[other]))
    return np.array([100 * (cells[method][s][figure] - cells[other][s][figure]) for s in both])


def share_of_gap(cells: Cells, method: str, *, base: str = BASELINE, top: str = CEILING) -> float | None:
    """Mean gain over `base` as a share of that of `top`; None where `top` gains less than half a point."""
    if top not in cells or base not in cells:
        return None
    whole = paired(cells, top, base).mean
    return paired(cells, method, base).mean / whole if whole >= 0.5 else None


def _mean(cells: Cells, method: str, figure: str, form: str = ".3f") -> str:
    known = [own[figure] for own in cells[method].values() if own.get(figure) is not None]
    return f"{np.mean(known):{form}}" if known else ""


def _said(value: float | None, form: str, unit: str = "", times: float = 1) -> str:
    return "" if value is None else f"{times * value:{form}}{unit}"


def figure_mean(cells: Cells, method: str, figure: str) -> float:
    """Mean over the draws of a figure as it is stored."""
    return float(np.mean([own[figure] for own in cells[method].values()]))
