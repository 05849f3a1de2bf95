"""A user's program: it must pass a strict type checker, and run (test_user_program.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import reweigh


def held_out_share(features: np.ndarray, labels: np.ndarray) -> float:
    """Share of labels that agree with held-out predictions, for features of anything."""
    rows = np.arange(len(labels))
    held_out: reweigh.HeldOut = reweigh.make_held_out(
        reweigh.ArrayFeatures(features), rows, labels, rows, k=int(labels.max()) + 1, seed=0
    )
    return float((held_out.label_position == 0).mean())


def train(folder: Path, output: Path) -> Path:
    """A run on a folder of images; the model's folder."""
    recipe: reweigh.Recipe = reweigh.read_recipe("baseline", ["backbone.name=pixels", "backbone.input_size=8"])
    try:
        result = reweigh.run(reweigh.Source(path=folder), recipe, output=output)
    except reweigh.ReweighError as error:
        raise SystemExit(str(error)) from error
    catalog: reweigh.Catalog = reweigh.open_catalog(result.run / "catalog")
    assert catalog.n > 0
    table = reweigh.predict_images(result.run, folder, output / "predictions.csv").table
    assert table.num_rows == catalog.n
    return result.run / "model"
