"""Charts as inline SVG: pure functions from numbers to marks, coloured by the page's own variables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

BARS = 40
"""Up to this many classes each has its own named bar."""
HEAT = 40
"""Up to this many classes the whole confusion is drawn."""


def class_sizes(names: Sequence[str], sizes: NDArray[np.int64]) -> Markup:
    """Images of each class, largest first: a named bar each, or one falling curve where there are many."""
    order = np.argsort(-sizes, kind="stable")
    top = max(int(sizes.max(initial=0)), 1)
    return _named_bars(names, sizes, order, top) if len(names) <= BARS else _curve(sizes[order], top)


def _named_bars(names: Sequence[str], sizes: NDArray[np.int64], order: NDArray[np.int64], top: int) -> Markup:
    rows = []
    for place, label in enumerate(order):
        y, width = 22 * place, max(560 * int(sizes[label]) / top, 0.5)
        name = names[label] if len(names[label]) <= 24 else f"{names[label][:23]}…"
        rows.append(
            Markup('<text x="172" y="{}" class="name" text-anchor="end">{}</text>').format(y + 14, name)
            + Markup(
                '<rect x="180" y="{}" width="{:.1f}" height="14" rx="2" class="bar"><title>{}: {:,}</title></rect>'
            ).format(y + 3, width, names[label], int(sizes[label]))
            + Markup('<text x="{:.1f}" y="{}" class="value">{:,}</text>').format(186 + width, y + 14, int(sizes[label]))
        )
    return _svg(800, 22 * len(order), rows, "Images of each class, largest first")


def _curve(sizes: NDArray[np.int64], top: int) -> Markup:
    """Sizes by rank of the class, on a logarithmic scale."""
    places = np.unique(np.linspace(0, len(sizes) - 1, min(len(sizes), 400)).astype(int))
    height = np.log10(np.maximum(sizes[places], 0.5)) - np.log10(0.5)
    scale = 180 / (np.log10(max(top, 1)) - np.log10(0.5))
    points = " ".join(
        f"{60 + 720 * p / max(len(sizes) - 1, 1):.1f},{200 - scale * h:.1f}"
        for p, h in zip(places, height, strict=True)
    )
    marks = [Markup('<polyline points="{}" class="line"/>').format(points)]
    for value in (1, 10, 100, 1_000, 10_000, 100_000):
        if value <= top:
            y = 200 - scale * (np.log10(value) - np.log10(0.5))
            marks.append(Markup('<line x1="60" x2="780" y1="{:.1f}" y2="{:.1f}" class="grid"/>').format(y, y))
            marks.append(
                Markup('<text x="52" y="{:.1f}" class="value" text-anchor="end">{:,}</text>').format(y + 4, value)
            )
    marks.append(
        Markup(
            '<text x="60" y="222" class="value">largest class</text><text x="780" y="222" class="value" text-anchor="end">smallest</text>'
        )
    )
    return _svg(800, 230, marks, "Images of each class, from the largest to the smallest")


def heat_map(names: Sequence[str], counts: NDArray[np.int64]) -> Markup:
    """(k, k) counts as a square of cells, each row's share by how dark it is; k at most HEAT."""
    k, cell = len(names), 18 if len(names) > 20 else 26
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left, above = 150, 110
    marks = []
    for row in range(k):
        y = above + cell * row
        marks.append(
            Markup('<text x="{}" y="{}" class="name" text-anchor="end">{}</text>').format(
                left - 6, y + cell * 0.7, _short(names[row])
            )
        )
        marks.append(
            Markup('<text transform="translate({},{}) rotate(-50)" class="name">{}</text>').format(
                left + cell * (row + 0.7), above - 6, _short(names[row])
            )
        )
        for column in range(k):
            if counts[row, column]:
                kind = "same" if row == column else "other"
                marks.append(
                    Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}" fill-opacity="{:.2f}"><title>{} predicted as {}: {:,}</title></rect>').format(
                        left + cell * column, y, cell - 1, cell - 1, kind, 0.08 + 0.92 * float(share[row, column]) ** 0.6, names[row], names[column],
                        int(counts[row, column]),
                    )
                )  # fmt: skip
    return _svg(
        left + cell * k + 60, above + cell * k + 4, marks, "Given label (rows) against held-out prediction (columns)"
    )


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"


def _svg(width: float, height: float, marks: Sequence[Markup], title: str) -> Markup:
    return (
        Markup('<svg viewBox="0 0 {:.0f} {:.0f}" style="max-width:{:.0f}px" role="img" aria-label="{}">').format(
            width, height, width, escape(title)
        )
        + Markup("").join(marks)
        + Markup("</svg>")
    )
