"""URNet's five pieces, alone and added up in the paper's order, for a linear head and for a small network trained on the images.

    OMP_NUM_THREADS=1 python benchmarks/ablation_urnet.py --data ../shared/data --backbone local-dir:LITE0
        [--cache benchmarks/.cache/weights] [--sets tiny,cifar_worse,fashion] [--seeds 5] [--heads probe,network]
        [--rows 'baseline; + class'] [--l2 0.02] [--epochs 40] [--minutes 60]

Top-1 and top-5, and averaged over classes, of every row: mean and standard deviation over the seeds, the gain over the
baseline with its paired 95 % interval, and the share of the gap to `right rows +B` that is closed. Each seed draws set,
folds and first weights anew. One setting for all sets and noise levels, last epoch; right labels are read for testing only. The
network is a ResNet-10 at 32 pixels from random weights; evidence comes from the backbone's features in both. A cell
(set, seed, row, head) is one file of the cache: killed and called again, it computes what is missing. Cells do not know that
the code of `src` changed: take a new --cache then.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ablation_methods import CEILING, PIECES, Lesson
from reweigh.catalog.tables import Catalog, image_locations, read_uids
from reweigh.features.backbones import resolve_backbone
from reweigh.features.extraction import extract
from reweigh.features.settings import BackboneSettings, FeatureSettings
from reweigh.images.settings import AugmentationSettings, ImageSettings
from reweigh.metrics.accuracy import class_averaged, label_positions, per_class
from reweigh.probes.linear import fit_probe, predict
from reweigh.training.finetune_training import trained_network
from reweigh.training.finetuning import FinetuneTask, finetune
from reweigh.training.inputs import OnImages
from reweigh.training.settings import BagSettings, FinetuneSettings
from reweigh.whole_files import read_json, write_json
from weights_figures import fit_generalised
from weights_methods import Training
from weights_sets import PHOTOS, SETS, Case, Place, make_case, set_catalog

VERSION = 1
NETWORK = BackboneSettings(name="resnet10t", input_size=32)
FIGURES = ("top_1", "top_1_by_class", "top_5", "top_5_by_class")
AT_LEAST_FOR_TOP_5 = 6


def settings_of(lesson: Lesson, epochs: int) -> FinetuneSettings:
    """One setting for everything."""
    return FinetuneSettings(
        network=NETWORK, start="random", epochs=epochs, batch=126, learning_rate=0.2, weight_decay=5e-4, warmup_epochs=2.0, log_steps=10**6,
        loss=lesson.loss, augmentation=AugmentationSettings(crop="padded"),  # type: ignore[arg-type]
        bags=BagSettings(size=3, pooling=lesson.bags) if lesson.bags else BagSettings(),  # type: ignore[arg-type]
    )  # fmt: skip


def probe_predictions(case: Case, lesson: Lesson) -> NDArray[np.float32]:
    """(t, k) log-probabilities of the test images."""
    if lesson.loss != "cross_entropy":
        assert isinstance(lesson.targets, np.ndarray)
        given = Training(weights=lesson.weights, targets=lesson.targets, loss="generalised")
        head = fit_generalised(case, given, l2=case.l2)
    else:
        head = fit_probe(case.features, case.rows, lesson.targets, k=case.k, l2=case.l2, weights=lesson.weights)
    return np.concatenate(list(predict(head, case.features, case.test)))


def network_predictions(case: Case, lesson: Lesson, catalog: Catalog, epochs: int) -> NDArray[np.float32]:
    """The same of a network trained on the images."""
    settings = settings_of(lesson, epochs)
    network = resolve_backbone(NETWORK, device="cpu", is_pretrained=False)
    weights = None if (lesson.weights == 1).all() else lesson.weights
    task = FinetuneTask(
        settings=settings, network=network, k=case.k, rows=case.rows, targets=lesson.targets, labels=np.maximum(lesson.labels, 0),
        weights=weights, locate=lambda rows: image_locations(catalog, rows), uids=lambda rows: read_uids(catalog, rows),
        images=ImageSettings(), device="cpu", precision="bfloat16", seed=case.seed,
    )  # fmt: skip
    on = OnImages(settings=settings, network=network, locate=task.locate)
    scratch = Path(tempfile.mkdtemp())
    try:
        made = finetune(task, scratch / "training", key="")
        last = "bag.fc4" if lesson.bags and weights is None else "head"
        backbone, head = trained_network(made, on, device="cpu", last=last)
        features = extract(
            backbone, len(case.test), lambda at: image_locations(catalog, case.test[at]), lambda at: read_uids(catalog, case.test[at]),
            folder=scratch / "features", settings=FeatureSettings(), images=ImageSettings(),
        )  # fmt: skip
        return np.concatenate(list(predict(head, features, np.arange(len(case.test)))))
    finally:
        shutil.rmtree(scratch)


def figures_of(log_p: NDArray[np.float32], answers: NDArray[np.int32], k: int) -> dict[str, float | None]:
    """Shares; None for top-5 of five classes and fewer."""
    position = label_positions(log_p, answers)
    found: dict[str, float | None] = {}
    for top in (1, 5):
        hits = position < top
        is_possible = top == 1 or k >= AT_LEAST_FOR_TOP_5
        found[f"top_{top}"] = float(hits.mean()) if is_possible else None
        found[f"top_{top}_by_class"] = class_averaged(*per_class(hits, answers, k)) if is_possible else None
    return found


def cells(
    name: str, seed: int, wanted: list[tuple[str, str]], place: Place, epochs: int, until: float, l2: float
) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """((row, head), figures) of one draw; the draw is made only where a cell is missing."""
    case: Case | None = None
    catalog: Catalog | None = None
    for row, head in wanted:
        path = cell_path(name, seed, row, head, place, epochs, l2)
        if path.exists():
            yield (row, head), read_json(path)
            continue
        if time.monotonic() > until:
            continue
        if case is None or catalog is None:
            case, catalog = make_case(name, seed, place), set_catalog(name, SETS[name], seed, place)
        start = time.perf_counter()
        lesson = PIECES[row].make(case, head)
        tested = replace(case, l2=l2 or case.l2)
        log_p = (
            probe_predictions(tested, lesson) if head == "probe" else network_predictions(case, lesson, catalog, epochs)
        )
        figures = {
            **figures_of(log_p, case.answers, case.k),
            "train": len(case.rows),
            "wrong": float((~case.is_right)[case.is_known].mean()),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"set": name, "seed": seed, "row": row, "head": head, **figures})
        print(
            f"{name} {seed} {head} {row}: {figures['top_1_by_class']:.4f}, {time.perf_counter() - start:.0f} s",
            file=sys.stderr,
            flush=True,
        )
        yield (row, head), figures


def cell_path(name: str, seed: int, row: str, head: str, place: Place, epochs: int, l2: float) -> Path:
    """Where a cell lies, by all that it depends on but the code of `src`."""
    made = SETS[name]
    plain = Lesson(weights=np.ones(1), targets=np.zeros(1, np.int32), labels=np.zeros(1, np.int32))
    reads = {
        "version": VERSION, "set": asdict(made), "photos": asdict(PHOTOS[made.photos]), "seed": seed, "backbone": Path(place.backbone).name,
        "row": PIECES[row].reads, "head": head, "network": asdict(settings_of(plain, epochs)) if head == "network" else None,
        **({"l2": l2} if l2 and head == "probe" else {}),
    }  # fmt: skip
    digest = hashlib.blake2b(json.dumps(reads, sort_keys=True).encode(), digest_size=6).hexdigest()
    slug = re.sub(r"[^a-z0-9]+", "-", row.lower()).strip("-")
    return place.cache / "ablation" / name / head / str(seed) / f"{slug}-{digest}.json"


def show(name: str, head: str, found: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> None:
    """The table of one set and head."""
    if "baseline" not in found:
        return
    one = next(iter(found["baseline"].values()))
    print(f"\n## {name}, {head}: {one['train']:,} training images, {100 * one['wrong']:.1f} % wrong\n")
    print(
        "| row | seeds | top-1 | top-1 by class | top-5 | top-5 by class | gain (by class) | share of the gap | paper |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for row in PIECES:
        if row in found:
            print(line(row, found))


def line(row: str, found: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> str:
    """One row: means, deviations, the paired gain over the baseline and the share of the gap to the ceiling."""
    own, base, ceiling = found[row], found["baseline"], found.get(CEILING, {})
    said = [spread([f[name] for f in own.values()]) for name in FIGURES]
    shared = sorted(set(own) & set(base))
    gain = interval([own[s]["top_1_by_class"] for s in shared], [base[s]["top_1_by_class"] for s in shared])
    gap = [100 * (ceiling[s]["top_1_by_class"] - base[s]["top_1_by_class"]) for s in shared if s in ceiling]
    if row == "baseline":
        gain, share = "", ""
    elif len(gap) == len(shared) and np.mean(gap) > 0:
        gained = np.mean([100 * (own[s]["top_1_by_class"] - base[s]["top_1_by_class"]) for s in shared])
        share = f"{100 * gained / np.mean(gap):.0f} %"
    else:
        share = ""
    return f"| {row} | {len(own)} | {' | '.join(said)} | {gain} | {share} | {PIECES[row].paper} |"


def interval(own: list[Any], base: list[Any]) -> str:
    """`+1.8 ± 1.0`: mean paired gain of these shares in per cent, and half its 95 % interval."""
    gains = 100 * (np.array(own, float) - np.array(base, float))
    n = len(gains)
    half = student.ppf(0.975, n - 1) * gains.std(ddof=1) / n**0.5 if n > 1 else float("nan")
    return f"{gains.mean():+.1f} ± {half:.1f}"


def spread(values: list[float | None]) -> str:
    """`57.5 (1.2)`: mean and standard deviation in per cent."""
    known = [100 * v for v in values if v is not None]
    if not known:
        return ""
    return f"{np.mean(known):.1f} ({np.std(known, ddof=1) if len(known) > 1 else float('nan'):.1f})"


def main() -> None:
    """Compute the missing cells, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--cache", type=Path, default=Path("benchmarks/.cache/weights"))
    parser.add_argument("--sets", default="tiny,cifar_worse,fashion")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--heads", default="probe,network")
    parser.add_argument("--rows", default="", help="names with ; between; all")
    parser.add_argument(
        "--l2", type=float, default=0.0, help="of the linear head; 0: chosen on held-out labels, as a run does"
    )
    parser.add_argument("--epochs", type=int, default=40, help="of the network")
    parser.add_argument("--minutes", type=float, default=0, help="stop before a cell after this time; 0: never")
    chosen = parser.parse_args()
    place = Place(data=chosen.data.resolve(), cache=chosen.cache.resolve(), backbone=chosen.backbone)
    rows = [r.strip() for r in chosen.rows.split(";") if r.strip()] or list(PIECES)
    until = time.monotonic() + 60 * chosen.minutes if chosen.minutes else float("inf")
    for name in chosen.sets.split(","):
        for head in chosen.heads.split(","):
            wanted = [(row, head) for row in rows if head in PIECES[row].heads]
            found: dict[str, dict[int, dict[str, Any]]] = {}
            for seed in range(chosen.seeds):
                for (row, _), figures in cells(name, seed, wanted, place, chosen.epochs, until, chosen.l2):
                    found.setdefault(row, {})[seed] = figures
            show(name, head, found)


if __name__ == "__main__":
    main()
