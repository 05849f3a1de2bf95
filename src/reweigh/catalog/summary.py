"""A catalog in a few lines, as the command line prints it."""

from __future__ import annotations

from reweigh.catalog.tables import Catalog

MOST_SHOWN = 6


def summarize(catalog: Catalog) -> list[tuple[str, str]]:
    """(name, value) lines: images, classes, class sizes, text coverage, sources, and what was skipped or should warn."""
    counts, n = catalog.counts, max(catalog.n, 1)
    sizes = counts["class_sizes"]
    lines = [
        ("images", f"{catalog.n:,} ({', '.join(f'{name} {count:,}' for name, count in counts['splits'].items())})"),
        ("classes", f"{catalog.k:,}, of {sizes['min']:,} to {sizes['max']:,} images, median {sizes['median']:,.0f}"),
    ]
    if counts["unlabelled"]:
        lines.append(("without a label", f"{counts['unlabelled']:,}"))
    filled = counts["filled"]
    text = [
        f"{name} {filled[name] / n:.0%}" for name in ("title", "description", "tags", "rank", "query") if filled[name]
    ]
    lines.append(("text beside images", ", ".join(text) or "none"))
    if counts["sources"]:
        shown = [f"{name} {count:,}" for name, count in list(counts["sources"].items())[:MOST_SHOWN]]
        more = len(counts["sources"]) - len(shown)
        lines.append(("sources", ", ".join(shown) + (f" and {more:,} more" if more else "")))
    checked = filled["verified_label"] or filled["verified"]
    if checked:
        lines.append(("checked labels", f"{checked:,}"))
    if counts["duplicates"]:
        lines.append(("exact duplicates", f"{counts['duplicates']:,}, each kept in one group with its first"))
    if counts["repaired_texts"]:
        lines.append(("texts repaired", f"{counts['repaired_texts']:,} (Unicode normal form)"))
    for reason, found in counts["skipped"].items():
        lines.append((f"skipped: {reason}", f"{found['count']:,}, e.g. {', '.join(found['examples'][:3])}"))
    lines += [("read", note) for note in counts.get("notes", ())]
    return lines + [("WARNING", warning) for warning in counts["warnings"]]
