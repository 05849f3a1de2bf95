"""Claim: at their own cuts `reweigh.label_verdicts` finds the wrong labels of people (F1 .675, .685 with features; the best
filter of cleanlab .654) and of webified sets better than every filter of cleanlab and the usual rivals, and flags a third as many
clean labels of weak classifiers; with features also most kinds of noise that are put in. It loses where labels are flipped to
the classifier's own second choice; `docs/detection_benchmark.md` has all of it.

    OMP_NUM_THREADS=1 python benchmarks/detection.py --data ../shared/data --backbone local-dir:LITE0
        [--cache benchmarks/.cache] [--groups people,web] [--methods 'ours; argmax != label'] [--quick] [--minutes 8]

F1 is at the method's own cut, without a look at the truth. All methods get the same labels, the same held-out probabilities
(5 folds, L2 chosen on the given labels) and the same features; each searches its neighbours itself, within its seconds.
Seeds draw the rows, the noise and the folds. A cell (set, seed, method) is one file of the cache: killed and called again, it
computes what is missing. Cells of ours are made anew when the code of the verdicts changes, those of the others with VERSION.
`--quick`: one seed of the published probabilities, people's labels, and the digits.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import reweigh
from detection_figures import cell_figures
from detection_rivals import METHODS
from detection_sets import SETS, make_example
from detection_table import print_goals, print_group, print_overview, print_summary
from reweigh.whole_files import read_json, write_json
from weights_sets import Place

VERSION = 3
"""Raised when the arithmetic of this benchmark changes."""
LOADED = (
    "cleanlab.count", "cleanlab.filter", "cleanlab.rank", "faiss", "sklearn.cluster", "sklearn.decomposition",
    "sklearn.mixture", "sklearn.svm", "reweigh.features.neighbours", "reweigh.verdicts.arrays",
)  # fmt: skip
"""What the methods use, loaded once: each cell is a fork of this process."""
READ_BY_OURS = ("verdicts", "features", "probes")
Cells = dict[str, dict[str, dict[int, dict[str, Any]]]]
"""set -> method -> seed -> figures"""


def main() -> None:
    """Compute the missing cells, then print the tables and the goals."""
    chosen = _arguments()
    place = Place(
        data=chosen.data.resolve(), cache=(chosen.cache / "weights").resolve(), backbone=chosen.backbone
    )  # the photos' features are those of the comparison of weights
    for module in LOADED:
        import_module(module)
    code_of_ours()  # of what is loaded now, should the files change while this runs
    until = time.monotonic() + 60 * chosen.minutes if chosen.minutes else float("inf")
    methods = _named([m.strip() for m in chosen.methods.split(";") if m.strip()], METHODS)
    groups = _named([g.strip() for g in chosen.groups.split(";") if g.strip()], {s.group: 0 for s in SETS.values()})
    cells: Cells = {}
    for seed in range(1 if chosen.quick else chosen.seeds):
        for name, made in SETS.items():
            is_wanted = made.group in groups and seed < made.n_seeds
            if is_wanted and not (chosen.quick and not _is_quick(name)):
                for method, figures in draw_cells(name, seed, methods, place, until=until):
                    cells.setdefault(name, {}).setdefault(method, {})[seed] = figures
    by_group = {group: [name for name in SETS if SETS[name].group == group] for group in groups}
    print_overview(cells, by_group, methods)
    for group in groups:
        print_group(group, {name: cells[name] for name in by_group[group] if name in cells}, methods)
    print_summary(cells, methods)
    print_goals(cells)


def draw_cells(
    name: str, seed: int, methods: Sequence[str], place: Place, *, until: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(method, its figures) of one draw; it is made only where a cell is missing."""
    example = None
    for method in methods:
        path = cell_path(name, seed, method, place)
        if path.exists():
            figures = read_json(path)
        elif time.monotonic() > until:
            continue
        else:
            if example is None:
                example = make_example(name, seed, place)
            if METHODS[method].needs_features and example.features is None:
                continue
            figures = cell_figures(METHODS[method], example)
            if "failed" in figures:
                say(f"{name} {seed} {method}: {figures['failed']}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {"set": name, "seed": seed, "method": method, **figures})
            say(f"{name} {seed} {method}: F1 {figures.get('f1', float('nan')):.3f}, {figures.get('seconds', 0):.1f} s")
        if "failed" not in figures:
            yield method, figures


def cell_path(name: str, seed: int, method: str, place: Place) -> Path:
    """Where the figures of a draw and a method are kept."""
    own = re.sub(r"[^a-z0-9_]+", "-", method.lower()).strip("-")
    code = f"-{code_of_ours()}" if METHODS[method].is_ours else ""
    folder = place.cache.parent / "detection" / "cells" / re.sub(r"[^a-z0-9_]+", "-", name).strip("-")
    return folder / str(seed) / f"{own}-{VERSION}{code}.json"


@lru_cache(maxsize=1)
def code_of_ours() -> str:
    """A digest of the code that verdicts are made by."""
    root = Path(reweigh.__file__).parent
    files = sorted(file for part in READ_BY_OURS for file in (root / part).glob("*.py"))
    return hashlib.blake2b(b"".join(file.read_bytes() for file in files), digest_size=4).hexdigest()


def _is_quick(name: str) -> bool:
    return name.startswith(("published", "people", "digits"))


def _named(wanted: list[str], table: dict[str, Any]) -> list[str]:
    for name in wanted:
        if name not in table:
            sys.exit(f"{name!r} is not there; there are: {'; '.join(table)}")
    return wanted or list(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--backbone", required=True, help="local-dir:FOLDER of the backbone")
    parser.add_argument("--cache", type=Path, default=Path("benchmarks/.cache"))
    parser.add_argument("--groups", default="", help="tables, with ; between; all")
    parser.add_argument("--methods", default="", help="names with ; between; all")
    parser.add_argument("--seeds", type=int, default=5, help="at most; a set has 1, 3 or 5")
    parser.add_argument("--minutes", type=float, default=0, help="stop before a cell after this time; 0: never")
    parser.add_argument("--quick", action="store_true", help="one seed of the quick sets")
    return parser.parse_args()


def say(line: str) -> None:
    """Progress, apart from the tables."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
