"""What the page gathers from verdicts: rates by class and by source, by hand, and the images to look at from a real run."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from reweigh.catalog.tables import read_classes, read_labels
from reweigh.errors import ReweighError
from reweigh.evidence.held_out import HeldOut
from reweigh.probes.log_probabilities import empty_log_probabilities
from reweigh.runs.check import check
from reweigh.runs.folder import stored_recipe
from reweigh.runs.page import catalog_of_run, gather, write_page
from reweigh.runs.page_headline import cards, headline
from reweigh.runs.page_parts import Parts, same_parts
from reweigh.runs.page_verdicts import (
    FEW,
    PageVerdicts,
    class_noise,
    judged_images,
    page_verdicts,
    part_noise,
)
from reweigh.runs.recipe import read_recipe
from reweigh.runs.source import Source
from reweigh.whole_files import read_json, write_json

NAN = float("nan")


def held_out(labels: list[int], positions: list[int], rows: list[int]) -> HeldOut:
    n = len(labels)
    return HeldOut(
        rows=np.array(rows), labels=np.array(labels, np.int32), label_log_probability=np.zeros(n, np.float32),
        label_position=np.array(positions, np.int32), best_other=np.zeros(n, np.int32), best_other_log_probability=np.zeros(n, np.float32),
        log_probabilities=empty_log_probabilities(n, 2, m=None), fold=np.zeros(n, np.int8), k=2, l2=0.1, strength=None, held_out_loss=0.0,
    )  # fmt: skip


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "n": 40, "n_wrong": 6, "n_none_of_the_classes": 2, "noise_rate": 0.15, "noise_rate_range": [0.1, 0.2], "is_interval": False,
        "information": 0.6, "is_trusted": True, "agreement": 0.8, "notes": [], "confusions": [[0, 2, 5.0], [0, 1, 2.0], [1, 0, 0.2]],
        "classes": {"n": [30, 5, 0, 25], "n_wrong": [4, 2, 0, 0], "noise": [0.2, 0.9, None, 0.3], "low": [0.1, None, None, 0.2],
                    "high": [0.3, None, None, 0.4]},
        **changes,
    }  # fmt: skip


def test_classes_with_a_range_come_first_and_empty_ones_are_left_out() -> None:
    """d .3 with a range, a .2 with a range, b .9 of 5 images without; c has no image. 0 -> 2 is the largest confusion of a."""
    table = class_noise(facts(), ("a", "b", "c", "d"), np.array([24, 1, 0, 25]))
    assert [row.name for row in table.rows] == ["d", "a", "b"]
    assert table.n_all == 3
    a = table.rows[1]
    assert (a.n, a.n_wrong, a.noise, a.low, a.high, a.agreement, a.mostly) == (30, 4, 0.2, 0.1, 0.3, 0.8, "c")
    assert table.rows[2].mostly == "", "a fifth of an image is not told"


def test_rates_of_sources_are_means_over_the_training_images() -> None:
    """Rows 1, 3, 5 and 7 are training images: P(right) .9, .5, unknown and .2; the last has no label in the evidence.

    x has rows 1 and 5: mean doubt .1 over the one that is known; y has row 3: .5, flagged, not the prediction.
    """
    found = PageVerdicts(
        rows=np.array([0, 1, 3, 5, 7]), probability_right=np.array([0.0, 0.9, 0.5, NAN, 0.2], np.float32),
        wrong=np.array([True, False, True, False, True]), review_order=np.arange(1, 6, dtype=np.int32), place=Path(), facts={},
    )  # fmt: skip
    parts = Parts(of="source", numbers=np.array([0, 1, 0]), names=("x", "y", "no source"))
    table = part_noise(found, parts, held_out([0, 1, 0, -1], [0, 2, 1, -1], [1, 3, 5, 7]))
    assert [row.name for row in table.rows] == ["y", "x"]
    y, x = table.rows
    assert (y.n, y.n_wrong, y.noise, y.agreement) == (1, 1, 0.5, 0.0)
    assert (x.n, x.n_wrong, x.agreement) == (2, 0, 0.5) and x.noise == pytest.approx(0.1)
    assert x.low is None and table.n_all == 2


def test_a_source_of_few_images_comes_after_the_others() -> None:
    n = FEW + 1
    found = PageVerdicts(
        rows=np.arange(n), probability_right=np.array([0.0] + [0.5] * FEW, np.float32), wrong=np.zeros(n, bool),
        review_order=np.arange(1, n + 1, dtype=np.int32), place=Path(), facts={},
    )  # fmt: skip
    parts = Parts(of="query", numbers=np.array([0] + [1] * FEW), names=("one image", "twenty"))
    table = part_noise(found, parts, held_out([0] * n, [0] * n, list(range(n))))
    assert [row.name for row in table.rows] == ["twenty", "one image"]


def test_parts_under_two_numberings_are_the_same() -> None:
    assert same_parts(np.array([0, 0, 1, 2]), np.array([2, 2, 0, 1]))
    assert not same_parts(np.array([0, 0, 1]), np.array([0, 1, 1]))


METRICS = {
    "data": {"images": 50, "classes": 4, "unreadable": 0}, "test": None,
    "held_out": {"agreement": {"n": 40, "top_1": 0.8, "top_1_interval": [0.7, 0.9]}},
}  # fmt: skip


def test_the_headline_leads_with_the_verdicts() -> None:
    assert headline(METRICS, facts()) == (
        "15.0 % of 40 labels are estimated to be wrong; 6 are flagged, 2 may show none of the classes."
    )
    weak = headline(METRICS, facts(is_trusted=False))
    assert weak.startswith("Do not trust these verdicts: the predictions cannot tell the classes apart. 15.0 %")
    clean = headline(METRICS, facts(noise_rate=0.0001, n_wrong=0, n_none_of_the_classes=0))
    assert clean == "Under 0.1 % of 40 labels are estimated to be wrong; 0 are flagged."
    silent = headline(METRICS, facts(noise_rate=None, noise_rate_range=[None, None], information=0.01))
    assert silent.startswith("How many of 40 labels are wrong cannot be told")
    known = {**METRICS, "test": {"accuracy": {"truth": {"n": 9, "top_1": 0.5}}, "agreement": None}}
    assert headline(known, facts()).endswith(
        "On 9 test images whose class is known, the classifier is right for 50.0 %."
    )


def test_a_run_without_verdicts_says_how_many_labels_agree() -> None:
    assert headline(METRICS, None).startswith("Of 40 labels, 80.0 % agree with")
    assert [card.name for card in cards(METRICS, None)] == ["images", "of labels agree with held-out predictions"]
    assert headline({"held_out": {"agreement": None}}, None) == "No image has a label, so nothing could be compared."


def test_cards_say_range_or_interval() -> None:
    rate, flagged, none, images = cards(METRICS, facts())
    assert (rate.value, rate.detail) == ("15.0 %", "range: 10.0-20.0 %")
    assert (flagged.value, none.value, images.value) == ("6", "2", "50")
    assert cards(METRICS, facts(is_interval=True))[0].detail == "95 % interval: 10.0-20.0 %"
    silent = cards(METRICS, facts(noise_rate=None, noise_rate_range=[None, None]))[0]
    assert (silent.value, silent.detail) == ("–", "nothing can be told")


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A check of dark and light images from two sources; 6 of 60 and of 40 lie in the wrong class, all of source `b`; one file is broken."""
    folder = tmp_path_factory.mktemp("verdicts")
    generator = np.random.default_rng(0)
    rows = []
    for name, level, n in (("dark", 70, 60), ("light", 180, 40)):
        for i in range(n):
            file = f"{name}-{i:03d}.png"
            pixels = np.clip(level + 40 * generator.standard_normal((8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / file)
            label = name if i >= 6 else {"dark": "light", "light": "dark"}[name]
            rows.append((file, label, "b" if i < 12 else "a", f"{label} {i % 2}", i + 1))
    (folder / "dark-059.png").write_bytes(b"broken")
    with (folder / "photos.csv").open("w", newline="") as file_of_rows:
        csv.writer(file_of_rows).writerows([("file", "label", "source", "query", "rank"), *rows])
    changes = [
        "backbone.name=pixels",
        "backbone.input_size=6",
        "evidence.n_folds=3",
        "threads=1",
        "images.unreadable_limit=0.1",
    ]
    check(Source(path=folder / "photos.csv"), read_recipe("auto", changes), output=folder / "run", preview=False)
    return folder / "run"


def test_images_come_in_the_order_of_review_with_what_the_verdicts_say(checked: Path) -> None:
    data = gather(checked, stored_recipe(checked))
    assert data.verdicts is not None
    table = pq.read_table(checked / "verdicts.parquet").sort_by("review_order").to_pylist()
    images = data.verdicts.images
    assert [one.order for one in images] == list(range(1, 101)) and data.verdicts.n_images == 100
    assert [one.uid for one in images] == [row["uid"] for row in table]
    assert [one.reason for one in images] == [row["reason"] for row in table]
    assert [one.wrong for one in images] == [row["wrong"] for row in table]
    assert {one.location.path.name for one in images[:12]} == {
        f"{name}-{i:03d}.png" for name in ("dark", "light") for i in range(6)
    }
    assert images[-1].probability_right is None and images[-1].location.path.name == "dark-059.png"
    first = images[0]
    assert first.origin.startswith("b, “") and "rank" in first.origin
    assert first.suggested == ("light" if first.label == "dark" else "dark")


def test_only_as_many_images_are_read_as_are_shown(checked: Path) -> None:
    catalog = catalog_of_run(checked)
    found = page_verdicts(checked, read_json(checked / "run.json"), catalog)
    assert found is not None
    names = read_classes(catalog).names
    assert [one.order for one in judged_images(found, catalog, names, 7)] == [1, 2, 3, 4, 5, 6, 7]
    assert judged_images(found, catalog, names, 0) == ()


def test_sources_and_queries_add_up_to_all_training_images(checked: Path) -> None:
    verdicts = gather(checked, stored_recipe(checked)).verdicts
    assert verdicts is not None
    assert [table.of for table in verdicts.others] == ["source", "query"]
    for table in (verdicts.classes, *verdicts.others):
        assert sum(row.n for row in table.rows) == verdicts.n
        assert sum(row.n_wrong for row in table.rows) == verdicts.n_wrong
    source = {row.name: row for row in verdicts.others[0].rows}
    assert source["b"].noise > 0.3 > 0.05 > source["a"].noise  # type: ignore[operator]


def test_the_page_of_a_check_shows_verdicts(checked: Path) -> None:
    page = (checked / "report.html").read_text()
    assert 'id="review-images"' in page and "estimated to be wrong" in page
    assert page.count("<figure data-order") == 100


def test_an_older_run_without_verdicts_still_has_its_page(checked: Path, tmp_path: Path) -> None:
    record = read_json(checked / "run.json")
    older = {**record, "places": {k: v for k, v in record["places"].items() if k != "verdicts"}}
    assert page_verdicts(checked, older, catalog_of_run(checked)) is None
    write_json(checked / "run.json", older)
    try:
        page = write_page(checked, tmp_path / "page.html").read_text()
    finally:
        write_json(checked / "run.json", record)
    assert 'id="labels"' not in page and "Images by class" in page


def test_verdicts_of_other_labels_are_refused(checked: Path, tmp_path: Path) -> None:
    record = read_json(checked / "run.json")
    (tmp_path / "03-verdicts").mkdir()
    table = pq.read_table(checked / "verdicts.parquet").slice(0, 3)
    pq.write_table(table, tmp_path / "03-verdicts" / "verdicts.parquet")
    (tmp_path / "03-verdicts" / "verdicts.json").write_text(json.dumps({}))
    catalog = catalog_of_run(checked)
    assert isinstance(table, pa.Table) and len(read_labels(catalog)) == 100
    with pytest.raises(ReweighError, match=r"has 3 verdicts, .* has 100 labels"):
        page_verdicts(tmp_path, record, catalog)
