"""The tables and goals of `weights.py`, from the figures of its cells."""

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
    both = sorted(set(cells[method]) & set(cells[other]))
    gains = np.array([100 * (cells[method][s][figure] - cells[other][s][figure]) for s in both])
    n = len(gains)
    half = student.ppf((1 + CONFIDENCE) / 2, n - 1) * gains.std(ddof=1) / np.sqrt(n) if n > 1 else float("nan")
    return Paired(mean=float(gains.mean()), half=float(half), better=int((gains > 0).sum()), n=n)


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


def print_goals(cells: Mapping[str, Cells], methods: Mapping[str, Method]) -> None:
    """Each goal of METHODS, section 11, whose cells are there: what was reached, and whether that is enough."""
    lines = [line for make in GOALS for line in make(cells, methods)]
    if lines:
        print("\n## Goals\n\n| goal | reached | target | |\n|---|---|---|---|")
        for what, reached, target, is_met in lines:
            print(f"| {what} | {reached} | {target} | {'met' if is_met else 'MISSED'} |")


Line = tuple[str, str, str, bool]


def _has(cells: Mapping[str, Cells], name: str, *needed: str) -> bool:
    return all(method in cells.get(name, {}) for method in needed)


def _gain(what: str, gain: Paired, least: float, *, all_draws: bool = False) -> Line:
    reached = f"{gain.mean:+.2f} ± {gain.half:.2f}, {gain.better}/{gain.n}"
    is_met = gain.mean >= least and (not all_draws or gain.better == gain.n)
    return what, reached, f">= {least:+g}{', every draw' if all_draws else ''}", is_met


def _share(what: str, share: float | None, least: float) -> list[Line]:
    return [] if share is None else [(what, f"{100 * share:.0f} %", f">= {100 * least:g} %", share >= least)]


def pooling(cells: Mapping[str, Cells], methods: Mapping[str, Method]) -> list[Line]:
    """Gain, share of the gap and AUROC on the shipped 32 classes."""
    if not _has(cells, "tiny", BASELINE, AUTO, VISUAL, CEILING):
        return []
    tiny = cells["tiny"]
    lines = [_gain("tiny: auto +B over baseline", paired(tiny, AUTO, BASELINE), 14, all_draws=True)]
    lines += _share("tiny: auto +B, share of the gap", share_of_gap(tiny, AUTO), 0.88)
    lines += _share("tiny: visual +B, share of the gap", share_of_gap(tiny, VISUAL), 0.82)
    for method, least in ((AUTO, 0.94), (VISUAL, 0.90)):
        value = figure_mean(tiny, method, "auroc")
        lines.append((f"tiny: AUROC, {method.removesuffix(' +B')}", f"{value:.3f}", f">= {least:g}", value >= least))
    return lines


def rivals(cells: Mapping[str, Cells], methods: Mapping[str, Method]) -> list[Line]:
    """Against the trivial rival of the highest mean."""
    tiny = cells.get("tiny", {})
    there = [m for m, record in methods.items() if record.role == "rival" and m in tiny and m != "p(y) as weight +B"]
    if not there or AUTO not in tiny:
        return []
    best = max(there, key=lambda m: values(tiny, m).mean())
    drop = "drop the true rate +B"
    lines = [_gain(f"tiny: auto +B over the best trivial rival ({best})", paired(tiny, AUTO, best), 2, all_draws=True)]
    if drop in tiny and drop != best:
        lines.append(_gain(f"tiny: auto +B over {drop}", paired(tiny, AUTO, drop), 2, all_draws=True))
    return lines


def balance(cells: Mapping[str, Cells], methods: Mapping[str, Method]) -> list[Line]:
    """Shipped balance alone, and the product's effective share."""
    lines = []
    if _has(cells, "tiny", BALANCE, BASELINE):
        lines.append(_gain("tiny: balance alone", paired(cells["tiny"], BALANCE, BASELINE), 5))
    if _has(cells, "tiny", "auto, product +B", AUTO):
        ess = figure_mean(cells["tiny"], "auto, product +B", "ess_before_balance")
        behind = paired(cells["tiny"], "auto, product +B", AUTO)
        lines.append(
            ("tiny: product against the pool", f"{behind.mean:+.2f}, ESS {ess:.2f} before balance", "reported", True)
        )
    return lines


def harm(cells: Mapping[str, Cells], methods: Mapping[str, Method]) -> list[Line]:
    """Nearly clean labels: against balance alone where the test is class-averaged."""
    lines = [
        _gain(f"{name}: auto +B against balance alone", paired(cells[name], AUTO, BALANCE), -0.3)
        for name in ("tiny_clean", "cifar_aggre")
        if _has(cells, name, AUTO, BALANCE)
    ]
    if _has(cells, "fashion", AUTO, BASELINE):
        lines.append(_gain("fashion: auto +B against baseline", paired(cells["fashion"], AUTO, BASELINE), -0.5))
    if _has(cells, "fashion_shoes", AUTO, BALANCE):
        own = cells["fashion_shoes"]
        lines += [
            _gain(f"fashion_shoes: against balance, {figure}", paired(own, AUTO, BALANCE, figure), 0)
            for figure in ("class_averaged", "top_1")
        ]
    return lines


def side_information(cells: Mapping[str, Cells], methods: Mapping[str, Method]) -> list[Line]:
    """Text and ranks that say nothing."""
    if not _has(cells, "tiny_useless", AUTO, VISUAL):
        return []
    loss = paired(cells["tiny_useless"], AUTO, VISUAL, "auroc").mean / 100
    return [("tiny_useless: AUROC with text and ranks, less without", f"{loss:+.4f}", ">= -.005", loss >= -0.005)]


def levels(cells: Mapping[str, Cells], methods: Mapping[str, Method]) -> list[Line]:
    """Noise .2, .4, .6, from balance up; equal classes, from the baseline up."""
    lines = []
    for name in ("tiny_20", "tiny", "tiny_60"):
        if _has(cells, name, AUTO, BALANCE, CEILING):
            share = share_of_gap(cells[name], AUTO, base=BALANCE)
            lines += _share(f"{name}: auto +B over balance, share of right rows' gain", share, 0.75)
    if _has(cells, "tiny_equal", AUTO, BASELINE, CEILING):
        lines += _share("tiny_equal: auto +B, share of the gap", share_of_gap(cells["tiny_equal"], AUTO), 0.75)
    return lines


def real_noise(cells: Mapping[str, Cells], methods: Mapping[str, Method]) -> list[Line]:
    """Ranking the labels of CIFAR-10N worse."""
    if not _has(cells, "cifar_worse", AUTO):
        return []
    value = figure_mean(cells["cifar_worse"], AUTO, "auroc")
    return [("cifar_worse: AUROC, auto (visual)", f"{value:.3f}", ">= 0.91", value >= 0.91)]


GOALS = (pooling, rivals, balance, levels, side_information, harm, real_noise)
