"""The arithmetic of one image's weight as text, such as `0.6 × 0.5 × 0.75 × 0.7 = 0.16`."""

from __future__ import annotations

import math

from reweigh.report.weight_records import Explanation, FactorBar

DIGITS = 6
"""Decimals of the smallest figure that is still written out."""


def plain(value: float) -> str:
    """A figure with two decimals and no idle zeros, more where it is nearly 0 or 1: `0.6`, `0.75`, `1.3`, `0.004`, `0.998`."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    size = min(abs(value), 1 - value) if 0.99 < value < 1 else abs(value)
    digits = 2 if size >= 0.01 else min(DIGITS, math.ceil(-math.log10(size)))
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0", "0") else text.replace("-", "−")


def figure(value: float) -> str:
    """A credibility in a column: two decimals, or one digit where it is smaller: `0.60`, `0.004`."""
    return f"{value:.2f}" if value == 0 or value >= 0.01 else plain(value)


def signed(value: float) -> str:
    """Log-odds with their sign: `+1.25`, `−0.40`, `0.00`."""
    return f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0.00"


def credibility_line(explained: Explanation) -> str:
    """What the combiner makes of the factors, as an equation; empty where no factor speaks of labels."""
    if explained.credibility is None:
        return ""
    if any(bar.kind == "person" and bar.value is not None for bar in explained.factors):
        return f"a person looked: credibility {plain(explained.credibility)}, whatever the factors say"
    equations = {"pooled": _pooled, "product": _product, "geometric": _geometric}
    make = equations.get(explained.combiner)
    return f"credibility {plain(explained.credibility)}" if make is None else make(explained, explained.credibility)


def weight_line(explained: Explanation) -> str:
    """From the credibility to the weight: `0.16 × 1.31 (class_balance), scaled: weight 0.4`."""
    if explained.because and explained.weight == 0:
        return f"weight 0: {explained.because}"
    parts = [] if explained.credibility is None else [_powered(explained.credibility, explained.sharpness)]
    parts += [f"{plain(bar.value)} ({bar.name})" for bar in explained.balances if bar.value is not None]
    return f"{' × '.join(parts) or '1'}, scaled: weight {plain(explained.weight)}"


def _powered(value: float, sharpness: float) -> str:
    return plain(value) if sharpness == 1 else f"{plain(value)}^{plain(sharpness)}"


def _pooled(explained: Explanation, credibility: float) -> str:
    """Log-odds: where all images start, and what the factors add."""
    added = sum(bar.adds for bar in explained.factors if bar.adds is not None)
    total = explained.intercept + added
    return (
        f"start {signed(explained.intercept)}, factors {signed(added)}, log-odds {signed(total)}: "
        f"credibility {plain(credibility)}"
    )


def _product(explained: Explanation, credibility: float) -> str:
    """As URNet's slides print it; in brackets the mean that stands for no opinion."""
    spoken = [
        bar for bar in explained.factors if bar.kind != "person" and (bar.value is not None or bar.mean is not None)
    ]
    if len(spoken) == 1:
        return f"one factor: credibility {plain(credibility)}"
    return f"{' × '.join(_of_product(bar) for bar in spoken)} = {plain(credibility)}"


def _of_product(bar: FactorBar) -> str:
    if bar.value is None:
        return f"({plain(bar.mean or 0.0)})"
    return plain(bar.value / bar.mean if bar.kind == "multiplier" and bar.mean else bar.value)


def _geometric(explained: Explanation, credibility: float) -> str:
    """The root of the product of those that have an opinion."""
    known = [plain(bar.value) for bar in explained.factors if bar.value is not None and bar.kind != "person"]
    if not known:
        return f"no factor has an opinion: {plain(credibility)}, the mean of the other images"
    if len(known) == 1:
        return f"one factor has an opinion: {plain(credibility)}"
    return f"({' × '.join(known)})^(1/{len(known)}) = {plain(credibility)}"
