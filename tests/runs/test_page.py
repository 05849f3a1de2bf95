"""The page of a real run: what it gathers from the folder, and that it is there with and without weights."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reweigh.cli.options import layout_options
from reweigh.report.records import ReportData
from reweigh.report.weight_records import Explanation
from reweigh.runs.folder import stored_recipe
from reweigh.runs.page import _command, catalog_of_run, gather
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source
from reweigh.runs.stored_weighing import stored_weighing
from reweigh.whole_files import read_json

CHANGES = [
    "backbone.name=pixels",
    "backbone.input_size=6",
    "evidence.n_folds=3",
    "threads=1",
    "report.classes_explained=1",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes about a grey level, 60 and 24 images; 6 of each lie in the other's folder, one of them stands twice."""
    folder = tmp_path_factory.mktemp("page") / "photos"
    generator = np.random.default_rng(0)
    for name, level, n in (("dark", 70, 60), ("light", 180, 24)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(n):
            place = folder / (name if number >= 6 else {"dark": "light", "light": "dark"}[name])
            place.mkdir(exist_ok=True)
            pixels = np.clip(level + 40 * generator.standard_normal((8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"{name}-{number:03d}.png")
    return folder


def made(photos: Path, recipe: str, *changes: str) -> tuple[Path, ReportData]:
    output = photos.parent / "-".join([recipe, *changes])
    run(Source(path=photos), read_recipe(recipe, [*CHANGES, *changes]), output=output)
    return output, gather(output, stored_recipe(output))


@pytest.fixture(scope="module")
def auto(photos: Path) -> tuple[Path, ReportData]:
    return made(photos, "auto")


def test_a_baseline_run_has_no_weights_on_its_page(photos: Path) -> None:
    output, data = made(photos, "baseline")
    assert data.weights is None and data.challenges == () and data.comparisons == ()
    page = (output / "report.html").read_text()
    assert "Five challenges" not in page
    assert "Images by class" not in page, "the verdicts say what to look at, and no weight asks for a reason"
    assert 'id="review-images"' in page


def test_the_first_images_of_a_class_are_the_least_credible_with_their_factors(auto: tuple[Path, ReportData]) -> None:
    output, data = auto
    for images in data.images:
        doubted, trusted = (
            [one.explanation.credibility for one in side if one.explanation is not None and one.explanation.credibility is not None]
            for side in (images.doubted, images.trusted)
        )  # fmt: skip
        assert len(doubted) == 3 and len(trusted) == 3
        assert doubted == sorted(doubted) and trusted == sorted(trusted, reverse=True)
        assert max(doubted) < min(trusted)
    means = [images.mean_credibility for images in data.images]
    assert means == sorted(means)  # type: ignore[type-var]
    wrong = [
        one for images in data.images for one in images.doubted if images.label != ("dark" not in one.uid.split("/")[1])
    ]
    assert len(wrong) >= 5, "the images in the wrong folder are the ones to look at first"
    page = (output / "report.html").read_text()
    assert page.count('class="factors"') == 6, "report.classes_explained is 1"
    assert "Five challenges" in page and "Without and with weights" in page


def test_factors_and_start_add_up_to_the_stored_credibility(auto: tuple[Path, ReportData]) -> None:
    shown = [one.explanation for images in auto[1].images for one in (*images.doubted, *images.trusted)]
    assert shown
    for one in shown:
        assert isinstance(one, Explanation) and one.credibility is not None
        total = one.intercept + sum(bar.adds for bar in one.factors if bar.adds is not None)
        assert 1 / (1 + np.exp(-total)) == pytest.approx(one.credibility, abs=1e-5)


def test_neighbours_of_an_explained_image_are_others_with_their_labels(auto: tuple[Path, ReportData]) -> None:
    first, other = auto[1].images
    for one in (*first.doubted, *first.trusted):
        assert one.explanation is not None and len(one.explanation.neighbours) == 4
        for near in one.explanation.neighbours:
            assert near.location != one.location
            assert near.location.path.parent.name == near.label
            assert near.has_same_label == (near.label == one.label)
    assert all(one.explanation is not None and not one.explanation.neighbours for one in other.doubted)


def test_rates_of_the_classes_are_those_of_the_training_images(auto: tuple[Path, ReportData]) -> None:
    weights = auto[1].weights
    assert weights is not None
    rows = {rate.name: rate for rate in weights.classes.rows}
    assert sum(rate.n for rate in rows.values()) == weights.n
    assert sum(rate.weight_share for rate in rows.values()) == pytest.approx(1)
    assert rows["dark"].weight_share == pytest.approx(0.5, abs=1e-4), "class_balance gives both the same"
    assert all(rate.mass == pytest.approx(rate.mean_credibility * rate.n) for rate in rows.values())  # type: ignore[operator]
    names = [one.name for one in weights.distributions]
    assert names[:2] == ["weight", "credibility"] and "duplicates" not in names
    assert all(
        one.histogram is None or one.histogram.counts.sum() <= weights.n_weighed for one in weights.distributions
    )


def test_the_challenges_say_which_remedy_is_on(photos: Path, auto: tuple[Path, ReportData]) -> None:
    assert [one.is_on for one in auto[1].challenges] == [True, auto[1].challenges[1].is_on, True, False, False]
    balance = made(photos, "balance")[1]
    assert [one.is_on for one in balance.challenges] == [True, False, False, False, False]
    assert balance.weights is not None and balance.weights.classes.rows[0].mass is None
    assert all(images.mean_credibility is None for images in balance.images)


def test_bags_and_targets_are_remedies_that_can_be_on(photos: Path) -> None:
    one = made(photos, "auto", "hidden_layer.width=4", "hidden_layer.bags.size=3", "targets.policy=bootstrap")[1]
    assert [one.is_on for one in one.challenges[3:]] == [True, True]
    assert (
        "bags of 3 images of a class" in one.challenges[3].remedy
        and "hidden_layer.bags.size" in one.challenges[3].remedy
    )


def test_the_command_on_the_page_reads_the_same_data(tmp_path: Path, auto: tuple[Path, ReportData]) -> None:
    options = {
        "columns": {"label": "kind", "verified_label": "who said"}, "tar": ["a b.tar", "c.tar"], "labels": "noisy", "hash": False,
        "split": "train", "images": "/x y",
    }  # fmt: skip
    record = read_json(auto[0] / "run.json")
    record["data"] |= {"options": options, "layout": "table"}
    words = shlex.split(_command(auto[0], record, stored_recipe(auto[0])))
    given: dict[str, list[str]] = {}
    for name, value in pairwise(words):
        if name.startswith("--"):
            given.setdefault(name, []).append(value)
    assert (
        layout_options(
            given["--column"],
            [Path(t) for t in given["--tar"]],
            given["--labels"][0],
            "--no-hash" in given,
            given["--option"],
        )
        == options
    )


@pytest.mark.parametrize("combiner", ["product", "geometric"])
def test_other_combiners_write_their_own_arithmetic(photos: Path, combiner: str) -> None:
    output, data = made(photos, "auto", f"weights.combiner={combiner}")
    page = (output / "report.html").read_text()
    assert {"product": " × ", "geometric": "^(1/"}[combiner] in page
    one = data.images[0].doubted[0].explanation
    assert one is not None and all(bar.adds is None for bar in one.factors)


def test_a_curriculum_has_multipliers_and_is_told_from_a_probability(photos: Path) -> None:
    data = made(photos, "curriculum")[1]
    assert data.weights is not None and "no probability" in data.weights.combined
    assert "credibility" not in data.challenges[2].meaning
    assert data.challenges[1].is_on


def test_a_run_that_says_nothing_of_weights_has_none(auto: tuple[Path, ReportData]) -> None:
    output, recipe = auto[0], stored_recipe(auto[0])
    assert stored_weighing(output, {"places": {"evidence": {}}}, recipe, catalog_of_run(output)) is None
