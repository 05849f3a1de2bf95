"""What several views and several models gain: draws of `tiny`, recipe `auto` at two image sizes, their probabilities averaged with weights.

    OMP_NUM_THREADS=1 python benchmarks/several_models.py --data ../shared/data --backbone local-dir:LITE0
        [--cache benchmarks/.cache/weights] [--seeds 5] [--views center,ten] [--sizes 128,160]

Runs and predictions stay in the cache, so a second call goes on where the first stopped. Top-1 and top-5 of the test images, which
are clean: mean and standard deviation over the draws, the gain over the first row with its paired 95 % interval.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablation_urnet import figures_of, interval, spread
from reweigh.catalog.tables import Catalog, read_uids
from reweigh.catalog.truth import read_truth
from reweigh.evaluation.stored_predictions import StoredPredictions, mixed, read_predictions
from weights_sets import SETS, Place, set_catalog

WEIGHTS = ((1.0, 1.0), (1.0, 2.0), (1.0, 4.0))
"""Of the first and the second image size."""


def predictions(catalog: Catalog, folder: Path, place: Place, sizes: list[int], views: str) -> list[StoredPredictions]:
    """Of the test images (split `val`), by a model of each image size on the weights of the first."""
    run = folder / "run"
    settings = [f"backbone.name={place.backbone}", f"backbone.input_size={sizes[0]}", "threads=1"]
    more = [word for size in sizes[1:] for word in ("--model", f"backbone.input_size={size}")]
    if not (run / "report.html").exists():
        reweigh("run", str(catalog.path), "-o", str(run), *[word for s in settings for word in ("--set", s)], *more)
    found = []
    for number, size in enumerate(sizes):
        kept = folder / f"{size}-{views}"
        if not kept.exists():
            model = run if number == 0 else run / "models" / str(number)
            asked = ["--split", "val", "--views", views, "--probabilities", str(kept), "-o", f"{kept}.csv"]
            reweigh("predict", str(model), str(catalog.path), *asked)
        found.append(read_predictions(kept))
    return found


def reweigh(*words: str) -> None:
    """Run the command; its own lines go to the errors."""
    subprocess.run([sys.executable, "-m", "reweigh", *words], check=True, stdout=sys.stderr)


def rows_of(models: list[StoredPredictions], sizes: list[int], views: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """(what it is, log-probabilities (t, k))"""
    for size, model in zip(sizes, models, strict=True):
        yield f"{size} px, {views}", np.concatenate(list(mixed([model])))
    for first, second in WEIGHTS:
        name = f"{sizes[0]} and {sizes[1]} px, {first:g} : {second:g}, {views}"
        yield name, np.concatenate(list(mixed(models[:2], [first, second])))


def main() -> None:
    """Make what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--cache", type=Path, default=Path("benchmarks/.cache/weights"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--views", default="center")
    parser.add_argument("--sizes", default="128,160")
    chosen = parser.parse_args()
    place = Place(data=chosen.data.resolve(), cache=chosen.cache.resolve(), backbone=chosen.backbone)
    sizes = [int(size) for size in chosen.sizes.split(",")]
    found: dict[str, list[dict[str, float | None]]] = {}
    for seed in range(chosen.seeds):
        catalog = set_catalog("tiny", SETS["tiny"], seed, place)
        folder = place.cache / "several_models" / str(seed)
        truth = read_truth(catalog)
        assert truth is not None
        answer = dict(zip(read_uids(catalog), truth.tolist(), strict=True))
        for views in chosen.views.split(","):
            models = predictions(catalog, folder, place, sizes, views)
            answers = np.array([answer[name] for name in models[0].names], np.int32)
            for name, log_p in rows_of(models, sizes, views):
                found.setdefault(name, []).append(figures_of(log_p, answers, catalog.k))
    print("| views and models | top-1 | top-5 | gain, top-1 | gain, top-5 |\n|---|---|---|---|---|")
    first = next(iter(found.values()))
    for name, own in found.items():
        gains = [interval([f[top] for f in own], [f[top] for f in first]) for top in ("top_1", "top_5")]
        said = [spread([f[top] for f in own]) for top in ("top_1", "top_5")]
        print(f"| {name} | {' | '.join(said)} | {' | '.join(gains if own is not first else ['', ''])} |")


if __name__ == "__main__":
    main()
