"""The figures of a run: measured once as a stage, said as a small table, and measured anew on other data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.splits import Splits
from reweigh.catalog.tables import Catalog, read_classes, read_labels
from reweigh.evaluation.comparison import compare
from reweigh.evaluation.measure import Evaluation, as_json
from reweigh.evaluation.on_catalog import answers, evaluate_held_out, evaluate_rows
from reweigh.evaluation.settings import EvaluationSettings
from reweigh.evidence.held_out import HeldOut
from reweigh.features.matrix import FeatureMatrix
from reweigh.features.store import Features, unreadable_rows
from reweigh.probes.linear import Head

Row = tuple[str, ...]
HEADER: Row = ("", "images", "top-1", "95 %", "top-5", "mean over classes", "95 %", "its top-5")
SETS = {"held_out": "training images, held out", "baseline": "test, without weights", "test": "test"}
AGAINST = {"agreement": "agreement", "verified_label": "accuracy, checked", "truth": "accuracy, truth"}
NEARLY_CLEAN = 0.95
"""From this share of labels that agree with held-out predictions on, there is little for weights to mend."""
KNOWN = {"verified_label": "checked labels", "truth": "the known truth"}
SOURCES = {
    "val": "tested on split val: there is no labelled split test",
    "set aside": "tested on images set aside from training, as there is no split test or val; their labels may be wrong too",
}


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A head and the features of the test images that it reads."""

    features: FeatureMatrix
    rows: NDArray[np.int64]
    """(n,) of these features"""
    catalog_rows: NDArray[np.int64]
    """(n,) the images in the catalog"""
    head: Head


def measure(
    catalog: Catalog,
    features: Features,
    splits: Splits,
    held_out: HeldOut,
    *,
    tested: Tested | None,
    baseline: Tested | None = None,
    settings: EvaluationSettings,
    seed: int,
) -> dict[str, Any]:
    """Results of a run as JSON: held-out predictions of the training images, and the model on the test images.

    `baseline`: the model without weights on the same test images, to be compared. Holds results only: no time, no path,
    no host.
    """

    def evaluated(one: Tested | None) -> Evaluation | None:
        if one is None:
            return None
        return evaluate_rows(
            catalog, one.features, one.rows, one.head, settings=settings, seed=seed, catalog_rows=one.catalog_rows
        )

    on_training = measure_held_out(catalog, features, splits, held_out, settings=settings, seed=seed)
    on_test, before, gain = evaluated(tested), evaluated(baseline), None
    if tested is not None and on_test is not None and before is not None:
        gain = compare(before, on_test, answers(catalog, tested.catalog_rows), settings=settings, seed=seed)
    return {
        **on_training,
        "is_trained": True,
        "test": None if on_test is None else {**as_json(on_test), "source": splits.source},
        "baseline": None if before is None else {**as_json(before), "source": splits.source},
        "gain": gain,
    }


def training_notes(trained: dict[str, Any], *, asks_for_bags: bool = False) -> list[str]:
    """What the user should know of a training: images that could not be read any more, a batch that was lowered, bags that it has not."""
    notes = []
    if asks_for_bags and trained["mode"] == "probe" and not trained.get("hidden"):
        notes.append(
            "no bags: a linear head on features has none. training.mode=finetune trains with them; on features hidden_layer.width=512 and "
            "hidden_layer.bags.size in the place of finetune.bags.size"
        )
    if trained.get("unreadable"):
        notes.append(
            f"{trained['unreadable']:,} images have become unreadable since they were indexed; nothing was learnt from them"
        )
    if trained.get("wanted_batch", 0) > trained.get("batch", 0):
        notes.append(
            f"the batch was lowered from {trained['wanted_batch']:,} to {trained['batch']:,}, the number of images"
        )
    return notes


def measure_held_out(
    catalog: Catalog, features: Features, splits: Splits, held_out: HeldOut, *, settings: EvaluationSettings, seed: int
) -> dict[str, Any]:
    """The same for a run that was checked, not trained: it has no figures on test images."""
    on_training = as_json(evaluate_held_out(catalog, held_out, settings=settings, seed=seed))
    strength = held_out.strength
    return {
        "format": 1,
        "is_trained": False,
        "data": {
            "images": catalog.n,
            "classes": catalog.k,
            "class_names": list(read_classes(catalog).names),
            "training_images": len(splits.train),
            "unlabelled": int((read_labels(catalog) < 0).sum()),
            "unreadable": len(unreadable_rows(features)),
        },
        "held_out": {
            **on_training,
            "l2": held_out.l2,
            "loss": held_out.held_out_loss,
            "grid": None if strength is None else list(strength.grid),
            "grid_losses": None if strength is None else list(strength.held_out_losses),
            "unconverged_folds": list(held_out.unconverged_folds),
        },
        "test": None,
        "baseline": None,
        "gain": None,
    }


def metrics_lines(metrics: dict[str, Any]) -> tuple[Row, list[Row]]:
    """Header and rows of the small table: each set of images, against each kind of answer, and what weights gain.

    Where the labels of the test images are known to be right, agreement is accuracy and is not said twice.
    """
    weighed = " with weights" if metrics.get("baseline") else ""
    lines = []
    for name, title in SETS.items():
        figures = metrics.get(name)
        if not figures:
            continue
        place = f"{title}{weighed if name == 'test' else ''}"
        if "held_out" not in metrics:
            place = f"{title} ({figures['source']})"  # other data than the run's own
        lines += [_line(f"{place}: {AGAINST[kind]}", found) for kind, found in told(figures).items()]
    for number, model in enumerate(metrics.get("models", []), start=1):
        found = told(model["test"]) if model["test"] else {}
        lines += [_line(f"model {number}, {model['backbone']}: {AGAINST[kind]}", own) for kind, own in found.items()]
    gain = metrics.get("gain") or {}
    kinds = told(metrics["test"]) if gain else {}
    lines += [_gain_line(f"gain of the weights: {AGAINST[kind]}", gain[kind]) for kind in kinds]
    return HEADER, lines


def told(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures by kind of answer, agreement first; without agreement where an accuracy is the very same."""
    found = {kind: value for kind, value in figures["accuracy"].items() if value["n"]}
    agreement = figures["agreement"]
    if agreement and agreement not in found.values():
        return {"agreement": agreement, **found}
    return found


QUALITY_HEADER: Row = ("", "images", "AUROC", "95 %", "average precision", "precision at the noise rate", "Brier")


def quality_lines(metrics: dict[str, Any]) -> list[tuple[str, list[Row]]]:
    """(title, rows) of how well credibility, weight and each factor find wrong labels, for each kind of known answer."""
    quality = ((metrics.get("weights") or {}).get("quality") or {}).get("against", {})
    tables = []
    for kind, found in quality.items():
        if 0 < found["n_wrong"] < found["n"]:
            title = f"Finding wrong labels, against {KNOWN[kind]}: {found['n_wrong']:,} of {found['n']:,} are wrong"
            tables.append((title, [_quality_line(name, score) for name, score in found["scores"].items()]))
    return tables


def _quality_line(name: str, score: dict[str, Any]) -> Row:
    figures = score["figures"]
    return (
        name, f"{score['n_with_opinion']:,}", number(figures["auroc"]), number_interval(figures["auroc_interval"]),
        number(figures["average_precision"]), number(figures["precision_at_rate"]), number(figures["brier"]),
    )  # fmt: skip


def number(value: float | None) -> str:
    """A figure between 0 and 1 with three decimals; '-' where there is none."""
    return "-" if value is None else f"{value:.3f}"


def number_interval(value: list[float] | None) -> str:
    """An interval of such figures."""
    return "-" if value is None else f"{value[0]:.3f}-{value[1]:.3f}"


def notes_of(metrics: dict[str, Any]) -> list[str]:
    """What a reader of the table should know: images left out, an open choice, folds that did not converge."""
    held_out, test = metrics["held_out"], metrics["test"]
    notes = []
    if test and test["source"] in SOURCES:
        notes.append(SOURCES[test["source"]])
    if not metrics.get("is_trained", True):
        notes.append("checked, not trained: there is no model to test yet")
    elif test is None:
        notes.append("no test images: every class has too few images to set one aside")
    if metrics["data"]["unlabelled"]:
        notes.append(
            f"{metrics['data']['unlabelled']:,} images have no label: they get a prediction and are not trained on"
        )
    for name, figures in (("held out", held_out), ("test", test)):
        none = sum(value["n_none_of_the_classes"] for value in figures["accuracy"].values()) if figures else 0
        if none:
            notes.append(f"{name}: {none:,} checked images show none of the classes; they are left out of accuracy")
    notes += [*_notes_on_weights(metrics), *_notes_on_gain(metrics)]
    grid = held_out["grid"]
    if grid and held_out["l2"] in (grid[0], grid[-1]) and len(grid) > 1:
        end = "strongest" if held_out["l2"] == grid[0] else "weakest"
        notes.append(f"regularisation was chosen at the {end} end of its range (probe.l2_grid): {held_out['l2']:g}")
    if not metrics.get("training", {}).get("is_converged", True):
        notes.append("the classifier's fit ended at probe.max_iterations before it converged")
    if held_out["unconverged_folds"]:
        notes.append(
            f"{len(held_out['unconverged_folds'])} held-out fits ended at probe.max_iterations before they converged"
        )
    return notes


def _notes_on_weights(metrics: dict[str, Any]) -> list[str]:
    """How many images' worth the weights leave, overall and in the smallest class."""
    weights = metrics.get("weights")
    if not weights:
        return []
    name, own = metrics["data"]["class_names"][weights["smallest_class"]], weights["smallest_class_effective_share"]
    of_it = (
        f"the smallest class ({name}) has no weight"
        if own is None
        else f"in the smallest class ({name}) {share(own)} %"
    )
    return [f"effective sample share of the weights: {share(weights['effective_share'])} %, {of_it}"]


def _notes_on_gain(metrics: dict[str, Any]) -> list[str]:
    """Where weights have little to mend, and where they lost on the test images."""
    gain, agreement = metrics.get("gain"), metrics["held_out"]["agreement"]
    if not gain or not agreement:
        return []
    notes = []
    if agreement["top_1"] > NEARLY_CLEAN:
        notes.append(
            f"{share(agreement['top_1'])} % of the labels agree with held-out predictions: weights have little to mend here, "
            "and unusual images that are right lose weight too"
        )
    kind, found = list(gain.items())[-1]
    averaged = found["class_averaged_interval"]
    if averaged and averaged[1] < 0:
        notes.append(
            f"the weights lost {points(found['class_averaged'])} points averaged over classes ({AGAINST[kind]}, 95 %: "
            f"{signed_interval(averaged)}); --recipe balance or baseline may serve better on images like the test"
        )
    return notes


def _line(name: str, figures: dict[str, Any]) -> Row:
    return (
        name, f"{figures['n']:,}", share(figures["top_1"]), interval(figures["top_1_interval"]), share(figures["top_5"]),
        share(figures["class_averaged"]), interval(figures["class_averaged_interval"]), share(figures.get("class_averaged_top_5")),
    )  # fmt: skip


def _gain_line(name: str, gain: dict[str, Any]) -> Row:
    """Differences in points, with their signs."""
    return (
        name, f"{gain['n']:,}", points(gain["top_1"]), signed_interval(gain["top_1_interval"]), "-",
        points(gain["class_averaged"]), signed_interval(gain["class_averaged_interval"]), "-",
    )  # fmt: skip


def points(value: float | None) -> str:
    """A difference of shares in per cent points, signed."""
    return "-" if value is None else f"{100 * value:+.1f}"


def signed_interval(value: list[float] | None) -> str:
    """An interval of differences, such as `+1.2 to +3.4`."""
    return "-" if value is None else f"{100 * value[0]:+.1f} to {100 * value[1]:+.1f}"


def share(value: float | None) -> str:
    """A share as per cent with one decimal; '-' where there is none."""
    return "-" if value is None else f"{100 * value:.1f}"


def interval(value: list[float] | None) -> str:
    """An interval of shares as per cent."""
    return "-" if value is None else f"{100 * value[0]:.1f}-{100 * value[1]:.1f}"
