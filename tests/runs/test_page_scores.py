"""The page of a run with URNet's pieces: image-text matching, clusters among the remedies, words for what was learnt from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reweigh.runs.page_scores import said, saliency_data
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source

SETTINGS = [
    "backbone.name=pixels", "backbone.input_size=4", "evidence.n_folds=3", "threads=1", "precision=float32",
    "weights.image_text.steps=20", "weights.image_text.n_folds=2", "training.baseline=false",
]  # fmt: skip
FACTS = {
    "kind": "credibility",
    "learnt_from": 568,
    "trusted": "google",
    "labels_without_text": 0,
    "label_text": "word_vectors",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scores") / "photos"
    generator = np.random.default_rng(0)
    for label, name in enumerate(("green", "red")):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            colour = ((60, 150, 60), (150, 60, 60))[(label + (number % 10 == 0)) % 2]
            pixels = np.clip(colour + 30 * generator.standard_normal((16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")
    return folder


def page_of(photos: Path, place: Path, recipe: str, *changes: str) -> str:
    run(Source(path=photos), read_recipe(recipe, [*SETTINGS, *changes]), output=place)
    return (place / "report.html").read_text().split("</style>")[1]


def test_the_shipped_recipe_tells_its_clusters_and_its_calibrated_cosines(photos: Path, tmp_path: Path) -> None:
    page = page_of(photos, tmp_path / "run", "urnet")
    assert "clusters: images in clusters that their class fills count more" in page
    assert "Image and label text" in page and "Score 0.9 to 1: " in page
    assert "the weigher calibrates it before it is pooled" in page


def test_the_printed_recipe_tells_what_it_does_instead(photos: Path, tmp_path: Path) -> None:
    page = page_of(photos, tmp_path / "run", "urnet_paper", "training.mode=probe")
    assert "cluster_weight: each cluster of a class has a weight of its own" in page
    assert "The weight is multiplied by the cosine as it is" in page and "calibrates" not in page


def test_what_the_networks_learnt_from_is_told() -> None:
    assert (
        "They learnt from 568 images, the first ranks of google, and from the labels, known by word vectors."
        in said(FACTS)
    )
    assert "first ranks of those whose source is not known" in said({**FACTS, "trusted": "no source"})
    assert "whose labels agree most with held-out predictions" in said({**FACTS, "trusted": "no ranks"})
    assert "3 labels have no known word, and their images no score." in said({**FACTS, "labels_without_text": 3})
    assert "1 label has no known word" in said({**FACTS, "labels_without_text": 1})


def test_equal_shares_are_no_saliency() -> None:
    training = {"saliency": {"size": 2}, "bags": {"size": 2, "pooling": "mean"}}
    assert saliency_data({"training": training}, None, ()) is None  # type: ignore[arg-type]
    assert saliency_data({}, None, ()) is None  # type: ignore[arg-type]
