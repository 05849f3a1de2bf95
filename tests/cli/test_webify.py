"""`reweigh webify` at the command line: a folder of images becomes a web set, and mistakes are one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reweigh.catalog.tables import open_catalog, read_labels
from reweigh.catalog.truth import read_kinds, read_truth

from .conftest import PIXELS, Call, Photos, half_written

CLASSES = ("ape", "bee", "cow", "dog")


def test_a_folder_of_images_becomes_a_web_set_that_runs(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    photos(classes=CLASSES, n=40)
    said = reweigh("webify", "photos", "-o", "web", "--near", "order", "--pool", 1, "--ratio", 2, "--seed", 3)
    assert said.status == 0, said.err
    assert "near taken from" in said.out and "kind: out of set" in said.out and "catalog: web" in said.out
    assert open_catalog(tmp_path / "web").k == 3 and open_catalog(tmp_path / "web.source").k == 4
    assert not half_written(tmp_path)
    ran = reweigh("run", "web", "--recipe", "baseline", "-o", "run", *PIXELS)
    assert ran.status == 0, ran.err


def test_options_reach_the_settings(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    photos(classes=CLASSES, n=30)
    assert reweigh("index", "photos", "-o", "clean").status == 0
    assert reweigh("webify", "clean", "-o", "side", "--keep", "side", "--near", "order", "--noise", 0.5).status == 0
    assert set(read_kinds(open_catalog(tmp_path / "side")) or ()) == {"right", "near", "far"}
    assert reweigh("webify", "clean", "--n-max", 9, "--set", "notext=1", "--near", "order").status == 0
    made = open_catalog(tmp_path / "clean.web.catalog")
    assert made.options["n_max"] == 9 and made.counts["filled"]["title"] == 0
    np.savetxt(tmp_path / "m.csv", np.roll(np.eye(4), 1, axis=1), delimiter=",")
    assert reweigh("webify", "clean", "-o", "flipped", "--corruption", "m.csv").status == 0
    flipped = open_catalog(tmp_path / "flipped")
    truth = read_truth(flipped)
    assert truth is not None and (read_labels(flipped) == (truth + 1) % 4).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--noise", "1.5"], "webify.noise is a share from 0 to 1, found 1.5."),
        (["--corruption", "pear"], "No corruption 'pear'; there are: uniform, pair"),
        (["--corruption", "none.npy"], "No matrix at none.npy"),
        (["--set", "dupes=1"], "No setting 'dupes' of webify"),
        (["--near", "wordnet"], "--near wordnet is impossible"),
        (["--pool", "4"], "A pool of 4 classes leaves none"),
        (["--near", "order", "--n-max", "500"], "training images; n_max 500 needs"),
        (["-o", "clean"], "clean exists; a catalog is never rewritten"),
        (["--keep", "side", "--set", "duplicates=.1"], "keep_side adds no image"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    reweigh: Call, photos: Photos, tmp_path: Path, arguments: list[str], message: str
) -> None:
    photos(classes=CLASSES, n=6)
    assert reweigh("index", "photos", "-o", "clean").status == 0
    given = arguments if "-o" in arguments else ["-o", "web", *arguments]
    assert message in reweigh("webify", "clean", *given).error
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix not in (".npy", ".csv")) == ["clean", "photos"]
