"""`predict`: a run's model on new images, into a table."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import is_catalog, open_catalog, read_split
from reweigh.errors import ReweighError, one_line
from reweigh.evaluation.new_images import predict
from reweigh.features.model_folder import load_model
from reweigh.images.several_views import several_views
from reweigh.layouts.find_images import find_images
from reweigh.progress import Progress, silent
from reweigh.runs.resolve import set_threads
from reweigh.runs.trained_model import trained_model

WRITERS = {".csv": pyarrow.csv.write_csv, ".parquet": pyarrow.parquet.write_table}


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What `predict` has to say when it is done."""

    table: pa.Table
    lines: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is wanted of a prediction beside the table."""

    top: int = 5
    views: str = "center"
    scales: tuple[float, ...] = (1.0,)
    probabilities: Path | None = None
    """A new folder for the probabilities of all classes, or the `top_m` largest."""
    top_m: int | None = None
    submission: Path | None = None
    """A file in WebVision's form; of a catalog with test images it holds these alone."""
    split: str | None = None
    """Images of this split of a catalog: train, val or test; None: all."""


def predict_images(
    run: Path, path: Path, output: Path, asked: Asked | None = None, *, progress: Progress = silent
) -> Predicted:
    """Predict the images at `path` (a file, folder, list, tar or catalog) with the model of `run` (or RUN/models/N) and write `output`.

    Raises ReweighError for a run without a model, a path without images and an output of another form than .csv or .parquet.
    """
    if output.suffix.lower() not in WRITERS:
        raise ReweighError(f"Predictions are written as {' or '.join(WRITERS)}; found {output.name!r}.")
    if output.is_dir():
        raise ReweighError(f"{output} is a folder; name a file in it, such as {output / 'predictions.csv'}.")
    asked = asked or Asked()
    if asked.top_m is not None and asked.probabilities is None:
        raise ReweighError("--top-m says how many probabilities --probabilities keeps; name a folder for them.")
    if asked.probabilities is not None and asked.probabilities.exists():
        raise ReweighError(f"{asked.probabilities} is there already; probabilities are written to a new folder.")
    chosen = trained_model(run)
    recipe = chosen.recipe
    set_threads(recipe.threads)
    findings = Findings()
    split = _split(path, asked)
    images = list(find_images(path, findings, split=split))
    if not images:
        if split is not None:
            raise ReweighError(f"{path} has no images of split {split!r}; without --split, all are predicted.")
        raise ReweighError(
            f"No images at {path}: looked for image files in a folder, a list of paths, a tar or a catalog."
        )
    model = load_model(chosen.place / "model", device=recipe.device, precision=recipe.precision)
    with tempfile.TemporaryDirectory() as scratch:
        table = predict(
            model, images, workspace=Path(scratch) / "features", top=asked.top, settings=recipe.features, progress=progress,
            views=several_views(model.backbone.view, asked.views, asked.scales), probabilities=asked.probabilities, top_m=asked.top_m,
            submission=asked.submission,
        )  # fmt: skip
    write_table(table, output)
    left = [
        (f"left out: {reason}", f"{count:,}, e.g. {one_line(findings.examples[reason][0])}")
        for reason, count in findings.skipped.items()
    ]
    of = [("split", split)] if split is not None else []
    return Predicted(table=table, lines=of + summary(table) + left)


def _split(path: Path, asked: Asked) -> str | None:
    """What is asked for; a submission has a line for each test image and no other. Raises ReweighError for a catalog without any."""
    if asked.split is not None or asked.submission is None or not is_catalog(path):
        return asked.split
    if not read_split(open_catalog(path), "test").any():
        raise ReweighError(
            f"A submission has a line for each test image, and {path} has none; --split val or --split train makes one of others."
        )
    return "test"


def write_table(table: pa.Table, output: Path) -> None:
    """As .csv or .parquet, whole or not at all."""
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f"{output.name}.partial")
    WRITERS[output.suffix.lower()](table, beside)
    beside.replace(output)


def summary(table: pa.Table) -> list[tuple[str, str]]:
    """Images, unreadable ones, and the classes predicted most."""
    labels = table["label"].drop_null()
    counted = sorted(
        ((v["counts"], v["values"]) for v in labels.value_counts().to_pylist()), key=lambda c: (-c[0], c[1])
    )
    lines = [("images", f"{table.num_rows:,}")]
    if table["unreadable"].null_count < table.num_rows:
        lines.append(("unreadable", f"{table.num_rows - table['unreadable'].null_count:,}"))
    if counted:
        lines.append(("predicted", ", ".join(f"{name} {count:,}" for count, name in counted[:5])))
        lines.append(("mean probability", f"{np.mean(table['probability'].drop_null().to_numpy()):.2f}"))
    return lines
