"""The content of a run's page, gathered from its folder, and the page written."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.summary import summarize
from reweigh.catalog.tables import Catalog, open_catalog, read_classes, read_labels
from reweigh.errors import ReweighError
from reweigh.evidence.held_out import HeldOut, load_held_out
from reweigh.evidence.table import EVIDENCE
from reweigh.metrics.accuracy import top_confusions
from reweigh.progress import Progress, silent
from reweigh.report.page import render
from reweigh.report.records import ReportData
from reweigh.runs.folder import stored_recipe
from reweigh.runs.measured import metrics_lines, notes_of
from reweigh.runs.model_facts import bags_said, training_said
from reweigh.runs.page_challenges import Diagnosed, challenges
from reweigh.runs.page_headline import cards, headline
from reweigh.runs.page_images import Seen, class_images
from reweigh.runs.page_results import comparisons
from reweigh.runs.page_scores import match_data, saliency_data
from reweigh.runs.page_verdicts import page_verdicts, verdicts_data
from reweigh.runs.page_weights import weights_data
from reweigh.runs.recipe import Recipe, last_round
from reweigh.runs.source import is_run
from reweigh.runs.stored_weighing import stored_weighing
from reweigh.runs.targets import said as targets_said
from reweigh.whole_files import read_json, write_bytes

CONFUSIONS = 200
FITTED = {
    "none": "{folds} folds that keep groups together",
    "folds": "{folds} folds that keep groups together, a network trained on the images for each",
    "early": "a network that has seen all images for few epochs",
}
"""`evidence.cross_fit` -> who predicted what"""


def write_page(run: Path, output: Path, *, progress: Progress = silent) -> Path:
    """Write the page of a finished run. Raises ReweighError where the run is not finished."""
    if not is_run(run):
        raise ReweighError(f"{run} is not a run: there is no run.json in it.")
    if not (run / "metrics.json").is_file() or "places" not in read_json(run / "run.json"):
        raise ReweighError(f"The run {run} is not finished; go on with: reweigh run {run}")
    if output.is_dir():
        raise ReweighError(f"{output} is a folder; name a file in it, such as {output / 'report.html'}.")
    recipe = stored_recipe(run)
    page = render(gather(run, recipe), recipe.report, progress=progress)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(output, page.encode())
    return output


def gather(run: Path, recipe: Recipe) -> ReportData:
    """All that the page shows."""
    record, metrics = read_json(run / "run.json"), read_json(run / "metrics.json")
    catalog = catalog_of_run(run)
    held_out = load_held_out(run / record["places"]["evidence"]["held_out"])
    names = read_classes(catalog).names
    judged, agreed = _per_class(held_out, catalog.k)
    predicted = predictions(held_out)
    labelled = held_out.labels >= 0
    pairs = top_confusions(held_out.labels[labelled], predicted[labelled], catalog.k, n=CONFUSIONS)
    header, lines = metrics_lines(metrics)
    confusion = (metrics["held_out"]["agreement"] or {}).get("confusion")
    labels = read_labels(catalog)
    weighing = stored_weighing(run, record, recipe, catalog)
    density, neighbours = (_piece(run, record, name) for name in ("density", "neighbours"))
    seen = Seen(
        catalog=catalog, held_out=held_out, predicted=predicted, weighing=weighing, neighbours=neighbours, settings=recipe.report
    )  # fmt: skip
    diagnosed = None if weighing is None else Diagnosed(
        weighing=weighing, held_out=held_out, density=density, neighbours=neighbours, labels=labels, names=names,
        recipe=last_round(recipe),
    )  # fmt: skip
    judged_labels = page_verdicts(run, record, catalog)
    facts = None if judged_labels is None else judged_labels.facts
    return ReportData(
        title=Path(record["data"]["path"]).name.removesuffix(".catalog"),
        headline=headline(metrics, facts),
        cards=cards(metrics, facts),
        header=header,
        results=tuple(lines),
        class_names=names,
        class_sizes=np.bincount(labels[labels >= 0], minlength=catalog.k),
        judged=judged,
        agreed=agreed,
        confusion=None if confusion is None else np.array(confusion, np.int64),
        confusions=tuple(pairs),
        images=class_images(seen, judged, agreed),
        data_facts=tuple((n, v) for n, v in summarize(catalog) if n != "WARNING"),
        run_facts=_run_facts(record, recipe, metrics),
        command=_command(run, record, recipe),
        warnings=tuple(catalog.counts["warnings"]),
        notes=tuple(notes_of(metrics)),
        comparisons=comparisons(metrics),
        challenges=() if diagnosed is None else challenges(diagnosed),
        weights=None if weighing is None else weights_data(weighing, catalog, names, metrics),
        matches=None if weighing is None else match_data(weighing.facts, catalog, names),
        saliency=saliency_data(metrics, catalog, names),
        verdicts=None
        if judged_labels is None
        else verdicts_data(judged_labels, catalog, held_out, n_images=recipe.report.images_to_review),
    )


def _piece(run: Path, record: dict[str, Any], name: str) -> Any:
    """A piece of the last round's evidence; None where it was not made."""
    place = record["places"]["evidence"].get(name)
    return None if place is None else EVIDENCE[name].load(run / place)


def catalog_of_run(run: Path) -> Catalog:
    """The catalog that a run works on: its own, or the one it was given."""
    own = run / "catalog"
    return open_catalog(own if own.is_dir() else Path(read_json(run / "run.json")["data"]["path"]))


def predictions(held_out: HeldOut) -> NDArray[np.int32]:
    """(n,) most probable class of each row's exact held-out prediction."""
    return np.where(held_out.label_position == 0, held_out.labels, held_out.best_other).astype(np.int32)


def _per_class(held_out: HeldOut, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    labelled = held_out.labels >= 0
    agrees = labelled & (held_out.label_position == 0)
    return np.bincount(held_out.labels[labelled], minlength=k), np.bincount(held_out.labels[agrees], minlength=k)


def _run_facts(record: dict[str, Any], recipe: Recipe, metrics: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    versions = record["versions"]
    return (
        ("backbone", f"{recipe.backbone.name}, {recipe.device}, {recipe.precision}"),
        ("classifier", _classifier(recipe, metrics)),
        *((("targets", targets_said(recipe.targets, metrics["targets"])),) if metrics.get("targets") else ()),
        ("held-out predictions", FITTED[recipe.evidence.cross_fit].format(folds=recipe.evidence.n_folds)),
        ("seed", str(recipe.seed)),
        ("started", record["started"]),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("machine", ", ".join(f"{name} {value}" for name, value in record["machine"].items())),
    )


def _classifier(recipe: Recipe, metrics: dict[str, Any]) -> str:
    trained = metrics.get("training")
    if trained is not None and trained["mode"] != "probe":
        return f"{trained['network']}: {training_said(recipe, trained)}, weights on the {recipe.finetune.weights_on}"
    if trained is not None and trained.get("hidden"):
        return f"probe with a hidden layer of {trained['hidden']:,} units, weights on the {recipe.hidden_layer.weights_on}{bags_said(trained)}"
    if recipe.probe.l2:
        return f"linear probe, l2 {recipe.probe.l2:g}"
    return f"linear probe, l2 {metrics['held_out']['l2']:g} chosen by held-out loss"


def _command(run: Path, record: dict[str, Any], recipe: Recipe) -> str:
    """A command that makes the run again, from its resolved recipe; its options are those of `cli.options.layout_options`."""
    data, options = record["data"], dict(record["data"]["options"])
    words = ["reweigh", "run", data["path"], "--recipe", str(run / "recipe.toml"), "-o", "AGAIN"]
    words += ["--layout", data["layout"]] if data["layout"] else []
    for ours, theirs in options.pop("columns", {}).items():
        words += ["--column", f"{ours}={theirs}"]
    for tar in options.pop("tar", ()):
        words += ["--tar", tar]
    if not options.pop("hash", True):
        words.append("--no-hash")
    for name, value in options.items():
        words += ["--labels", value] if name == "labels" else ["--option", f"{name}={value}"]
    return shlex.join(words)
