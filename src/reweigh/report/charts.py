"""Charts as inline SVG: pure functions from numbers to marks, coloured by the page's own variables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
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
    """A list of names, bars and numbers: unlike a drawing of fixed width, its text stays legible on a narrow screen."""
    rows = [
        Markup(
            '<li><span class="name">{}</span><svg width="100%" height="12" aria-hidden="true">'
            '<rect width="{:.1f}%" height="12" rx="2" class="bar"/></svg><span class="value">{:,}</span></li>'
        ).format(names[label], 100 * int(sizes[label]) / top, int(sizes[label]))
        for label in order
    ]
    return Markup('<ol class="bars">') + Markup("").join(rows) + Markup("</ol>")


def _curve(sizes: NDArray[np.int64], top: int) -> Markup:
    """Sizes by rank of the class, on a logarithmic scale whose lowest line is no image."""
    places = np.unique(np.linspace(0, len(sizes) - 1, min(len(sizes), 400)).astype(int))
    scale = 170 / (np.log10(top) - np.log10(0.5))
    level = 190 - scale * (np.log10(np.maximum(sizes[places], 0.5)) - np.log10(0.5))
    across = 60 + 410 * places / max(len(sizes) - 1, 1)
    marks = []
    for value in (0, *(10**power for power in range(7) if 10**power <= top)):
        y = 190 - scale * (np.log10(max(value, 0.5)) - np.log10(0.5))
        marks.append(Markup('<line x1="60" x2="470" y1="{:.1f}" y2="{:.1f}" class="grid"/>').format(y, y))
        marks.append(Markup('<text x="52" y="{:.1f}" class="value" text-anchor="end">{:,}</text>').format(y + 4, value))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, level, strict=True))
    marks.append(Markup('<polyline points="{}" class="line"/>').format(points))
    marks.append(Markup('<text x="60" y="212" class="value">largest: {:,}</text>').format(int(sizes[0])))
    smallest = Markup('<text x="470" y="212" class="value" text-anchor="end">smallest: {:,}</text>')
    marks.append(smallest.format(int(sizes[-1])))
    title = f"Images of each of {len(sizes):,} classes, from {int(sizes[0]):,} in the largest to {int(sizes[-1]):,} in the smallest"
    return _svg(480, 220, marks, title, kind="fluid")


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
        marks += [
            _cell(left + cell * column, y, cell - 1, float(share[row, column]), same=row == column).format(
                _short(names[row], 60), _short(names[column], 60), int(counts[row, column])
            )
            for column in np.flatnonzero(counts[row]).tolist()
        ]
    title = "Given label (rows) against held-out prediction (columns)"
    return _svg(left + cell * k + 80, above + cell * k + 4, marks, title, kind="fixed")


def _cell(x: float, y: float, side: float, share: float, *, same: bool) -> Markup:
    """A square whose words are filled in later: given, predicted, count."""
    kind, dark = "same" if same else "other", 0.08 + 0.92 * share**0.6
    place = f'<rect x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}" class="{kind}" fill-opacity="{dark:.2f}">'
    return Markup(place + "<title>{} predicted as {}: {:,}</title></rect>")


def _short(name: str, length: int = 18) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def _svg(width: float, height: float, marks: Sequence[Markup], title: str, *, kind: str) -> Markup:
    """kind `fluid` shrinks with the page; `fixed` keeps its size, so that small text stays legible, and is scrolled."""
    opening = Markup(
        '<svg viewBox="0 0 {:.0f} {:.0f}" width="{:.0f}" height="{:.0f}" class="{}" role="img" aria-label="{}">'
    )
    return opening.format(width, height, width, height, kind, title) + Markup("").join(marks) + Markup("</svg>")
