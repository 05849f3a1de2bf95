"""The goals that `weights.py` measures: what was reached, and whether that is enough."""

from __future__ import annotations

from collections.abc import Mapping

from weights_methods import Method
from weights_table import (
    AUTO,
    BALANCE,
    BASELINE,
    CEILING,
    VISUAL,
    Cells,
    Paired,
    figure_mean,
    paired,
    share_of_gap,
    values,
)

Line = tuple[str, str, str, bool]
"""(goal, reached, target, whether it is met)"""
REPORTED = "reported"
"""The target of what has none."""


def print_goals(cells: Mapping[str, Cells], methods: Mapping[str, Method]) -> None:
    """Each goal whose cells are there: what was reached, and whether that is enough."""
    lines = [line for make in GOALS for line in make(cells, methods)]
    if lines:
        print("\n## Goals\n\n| goal | reached | target | |\n|---|---|---|---|")
        for what, reached, target, is_met in lines:
            print(f"| {what} | {reached} | {target} | {'' if target == REPORTED else 'met' if is_met else 'MISSED'} |")


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
            ("tiny: product against the pool", f"{behind.mean:+.2f}, ESS {ess:.2f} before balance", REPORTED, True)
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
