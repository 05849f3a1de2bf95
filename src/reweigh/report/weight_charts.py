"""Charts of weights as inline SVG: histograms, and figures with their intervals."""

from __future__ import annotations

import math

from markupsafe import Markup

from reweigh.report.arithmetic import plain
from reweigh.report.weight_records import Comparison, Histogram, Interval

WIDTH, HEIGHT = 240, 56


def histogram(record: Histogram, name: str) -> Markup:
    """Bars of equal bins; a bin with a single image is still seen; a line at the mean. The ends are written below it."""
    top = max(int(record.counts.max(initial=0)), 1)
    step = WIDTH / max(len(record.counts), 1)
    marks = []
    for place, count in enumerate(record.counts.tolist()):
        if count:
            high = max(HEIGHT * count / top, 1.5)
            marks.append(f'<rect x="{place * step:.1f}" y="{HEIGHT - high:.1f}" width="{step - 1:.1f}" height="{high:.1f}" class="bar"/>')  # fmt: skip
    span = record.high - record.low
    at = WIDTH * (record.mean - record.low) / span if span > 0 else WIDTH / 2
    marks.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{HEIGHT}" class="mean"/>')
    marks.append(f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT}" y2="{HEIGHT}" class="grid"/>')
    title = f"{name}: {int(record.counts.sum()):,} images from {plain(record.low)} to {plain(record.high)}, mean {plain(record.mean)}"
    opening = Markup(
        '<svg viewBox="0 0 {} {}" class="histogram" preserveAspectRatio="none" role="img" aria-label="{}">'
    )
    return opening.format(WIDTH, HEIGHT + 1, title) + Markup("".join(marks)) + Markup("</svg>")  # numbers only


def scale_of(comparison: Comparison) -> Interval:
    """Ends of the axis in per cent, whole tens around both intervals."""
    values = [
        comparison.before,
        comparison.after,
        *(comparison.before_interval or ()),
        *(comparison.after_interval or ()),
    ]
    low, high = 10 * math.floor(10 * min(values) + 1e-9), 10 * math.ceil(10 * max(values) - 1e-9)
    return float(low), float(high if high > low else low + 10)


def whisker(value: float, interval: Interval | None, scale: Interval, kind: str) -> Markup:
    """A dot with its interval on an axis; kind `before` or `after`. It stretches with the page, its dot does not."""
    low, high = scale

    def at(share: float) -> str:
        return f"{100 * (100 * share - low) / (high - low):.2f}%"

    marks = ['<line x1="0" x2="100%" y1="9" y2="9" class="grid"/>']
    if interval is not None:
        left, right = at(interval[0]), at(interval[1])
        marks.append(f'<line x1="{left}" x2="{right}" y1="9" y2="9" class="whisker {kind}"/>')
        marks += [f'<line x1="{x}" x2="{x}" y1="5" y2="13" class="whisker {kind}"/>' for x in (left, right)]
    marks.append(f'<circle cx="{at(value)}" cy="9" r="5" class="{kind}"/>')
    return Markup('<svg width="100%" height="18" aria-hidden="true">' + "".join(marks) + "</svg>")  # numbers only
