"""A model trained on a WebVision-like catalog, measured on an ImageNet-like one: classes by synset, the rest left out and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reweigh.catalog.tables import open_catalog, read_classes
from reweigh.errors import ReweighError
from reweigh.layouts.table_of_layouts import index
from reweigh.runs.evaluated import evaluate_run
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source
from reweigh.whole_files import read_json

BIRD, MACHINE, TENCH, DOG = "n02012849", "n03126707", "n01440764", "n02084071"
LEVELS = {TENCH: 40, BIRD: 120, MACHINE: 200, DOG: 90}
RECIPE = """
threads = 1
[backbone]
name = "pixels"
input_size = 6
[evidence]
n_folds = 3
[weights]
use = ["class_balance"]
"""


def image(path: Path, level: int, generator: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(level + 8 * generator.standard_normal((9, 12, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, "PNG")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`run` of three WebVision classes, two of them cranes; `imagenet.catalog` of four classes in another order."""
    place, generator = tmp_path_factory.mktemp("elsewhere"), np.random.default_rng(0)
    web, order = place / "webvision", (BIRD, MACHINE, TENCH)
    (web / "info").mkdir(parents=True)
    (web / "info" / "synsets.txt").write_text(f"{BIRD} crane\n{MACHINE} crane\n{TENCH} tench, Tinca tinca\n")
    lines = []
    for label, wnid in enumerate(order):
        for number in range(16):
            name = f"google/q000{label + 1}/{label}{number:03d}.jpg"
            image(web / name, LEVELS[wnid], generator)
            lines.append(f"{name} {label}\n")
    (web / "info" / "train_filelist_google.txt").write_text("".join(lines))
    for wnid, level in LEVELS.items():
        for number in range(4):
            image(place / "imagenet" / "train" / wnid / f"{wnid}_{number}.JPEG", level, generator)
            image(place / "imagenet" / "val" / wnid / f"ILSVRC2012_val_{level + number:08d}.JPEG", level, generator)
    index(web, place / "web.catalog")
    index(place / "imagenet", place / "imagenet.catalog")
    (place / "recipe.toml").write_text(RECIPE)
    run(Source(path=place / "web.catalog"), read_recipe(str(place / "recipe.toml"), []), output=place / "run")
    return place


def test_unmatched_classes_are_listed_and_refused(place: Path) -> None:
    with pytest.raises(
        ReweighError, match=rf"1 of 4 classes that the model does not know: {DOG}\. .*--allow-unmatched"
    ):
        evaluate_run(place / "run", place / "imagenet.catalog")


def test_classes_are_matched_by_synset_and_the_rest_is_left_out_and_counted(place: Path) -> None:
    result = evaluate_run(place / "run", place / "imagenet.catalog", allow_unmatched=True)
    figures = result.metrics["test"]["agreement"]
    assert figures["n"] == 12 and figures["top_1"] == 1.0, "grey levels are told apart where labels are translated"
    assert result.lines[-1][:2] == (f"left out: 1 classes without a match ({DOG})", "4")
    assert len(result.lines[-1]) == len(result.header)
    assert "classes matched: 3 by synset, 0 by name" in result.notes
    stored = next((place / "run" / "evaluations").glob("*/metrics.json"))
    assert read_json(stored)["classes"] == {"by_synset": 3, "by_name": 0, "unmatched": [DOG], "images_left_out": 4}


def test_one_crane_of_a_folder_is_neither_of_the_two(place: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    for name, level in (("crane", 120), ("tench", 40)):
        for number in range(3):
            image(tmp_path / "photos" / "test" / name / f"{number}.png", level, generator)
            image(tmp_path / "photos" / "train" / name / f"{number}.png", level, generator)
    with pytest.raises(ReweighError, match="1 of 2 classes that the model does not know: crane"):
        evaluate_run(place / "run", tmp_path / "photos")
    result = evaluate_run(place / "run", tmp_path / "photos", allow_unmatched=True)
    assert result.metrics["classes"]["by_name"] == 1 and result.metrics["test"]["agreement"]["n"] == 3


def test_no_class_in_common_is_an_error_even_where_unmatched_ones_are_allowed(place: Path, tmp_path: Path) -> None:
    image(tmp_path / "photos" / "blue" / "1.png", 9, np.random.default_rng(2))
    with pytest.raises(
        ReweighError, match=r"None of the 1 labelled images .* is of a class that the model knows: blue are not"
    ):
        evaluate_run(place / "run", tmp_path / "photos", allow_unmatched=True)


def test_the_two_cranes_have_different_names_in_the_catalog(place: Path) -> None:
    assert read_classes(open_catalog(place / "web.catalog")).names == (f"crane ({BIRD})", f"crane ({MACHINE})", "tench")
