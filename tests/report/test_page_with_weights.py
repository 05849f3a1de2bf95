"""The page of a run with weights: five challenges, how values spread, and why each shown image has its weight."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from reweigh.catalog.tables import ImageLocation
from reweigh.report.page import render
from reweigh.report.records import ReportData
from reweigh.report.sections.results import verdict
from reweigh.report.settings import ReportSettings
from reweigh.report.weight_charts import histogram, scale_of, whisker
from reweigh.report.weight_records import Comparison, Histogram

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=y> \u202egnp.exe 🙂" + "long" * 60


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES, DEMONSTRATION = load("test_page"), load("demonstration")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(path)
    return path


def weighed(k: int, path: Path, *, text: str = "a title") -> ReportData:
    data: ReportData = DEMONSTRATION.with_weights(
        PAGES.page_of(k, path, text=text), [ImageLocation(path)], (text, text)
    )
    return data


def test_a_run_without_weights_has_no_section_on_them(photo: Path) -> None:
    page = render(PAGES.page_of(3, photo))
    for words in ("Five challenges", "Without and with weights", "credib", '<h2 id="weights-title">'):
        assert words not in page.split("</style>")[1], words


def test_every_new_part_is_there(photo: Path) -> None:
    page = render(weighed(3, photo))
    for words in (
        "Five challenges", "Without and with weights", "How the values spread", "By class", "By source", "How well wrong labels are found",
        "Least credible", "Most credible", "effective sample share", "no opinion on 10", "no opinion", "was left out", "class_balance",
        "start +0.40", "not used",
    ):  # fmt: skip
        assert words in page, words
    PAGES.parsed(page)


def test_text_from_data_is_escaped_in_the_new_parts(photo: Path) -> None:
    data = weighed(3, photo, text=HOSTILE)
    data = replace(data, class_names=(HOSTILE, "b", "c"))
    page = render(data)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    seen = PAGES.parsed(page).seen
    assert [tag for tag, _ in seen].count("script") == 1
    assert not [name for _, attributes in seen for name in attributes if name.startswith("on")]


def test_no_title_of_a_chart_breaks_out_of_its_attribute() -> None:
    drawn = histogram(Histogram(counts=np.array([1, 0, 5]), low=0.0, high=1.0, mean=0.5), '"><script>alert(1)</script>')
    assert "<script>" not in drawn
    assert drawn.count("<rect") == 2, "an empty bin is not drawn"


def test_a_thousand_classes_with_weights_stay_under_five_mebibytes(photo: Path) -> None:
    page = render(weighed(1_000, photo, text="a title of a photo page as people write them, with words"))
    assert len(page.encode()) < 5 * 2**20, f"{len(page.encode()):,} bytes"
    assert page.count("data:image/") == 50 * 6 + 12 * 6 * 4
    assert page.count('class="factors"') == 12 * 6


def test_settings_say_how_many_images_are_explained(photo: Path) -> None:
    page = render(weighed(3, photo), ReportSettings(classes_explained=1, neighbours_an_image=2))
    assert page.count('class="factors"') == 6
    assert page.count('class="neighbours"') == 6
    assert page.count("similar image, labelled") == 12
    assert page.count("credibility 0.02, weight 0.03") == 12, (
        "the images of the other classes say their weight in a line"
    )


def test_links_of_further_classes_say_the_credibility(photo: Path) -> None:
    page = render(weighed(2, photo), ReportSettings(classes_with_images=0))
    assert page.count("credibility 0.02") == 6


def test_a_run_whose_factors_say_nothing_of_labels_says_the_weight_in_a_line(photo: Path) -> None:
    data = weighed(1, photo)
    images = data.images[0]
    explained = images.doubted[0].explanation
    assert explained is not None
    shown = replace(images.doubted[0], explanation=replace(explained, factors=(), credibility=None))
    images = replace(images, doubted=(shown,), trusted=(), mean_credibility=None)
    page = render(replace(data, images=(images,)))
    assert 'class="factors"' not in page
    assert "weight 0.03" in page
    assert "Most doubted" in page


def test_headings_leave_no_level_out_and_tables_have_captions(photo: Path) -> None:
    seen = PAGES.parsed(render(weighed(60, photo))).seen
    levels = [int(tag[1]) for tag, _ in seen if tag in ("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [tag for tag, _ in seen].count("caption") == [tag for tag, _ in seen].count("table")
    assert all(attributes.get("alt") for tag, attributes in seen if tag == "img")
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in seen if tag == "th")


def test_many_classes_are_folded_and_a_cut_is_said(photo: Path) -> None:
    page = render(weighed(60, photo))
    assert "40 more classes" in page
    assert "60 of 61 classes, those with the least mean credibility" in page


def comparison(gain: tuple[float, float] | None) -> Comparison:
    return Comparison(
        against="agreement", measure="top-1", n=10, before=0.814, before_interval=(0.783, 0.843), after=0.936, after_interval=(0.915, 0.956),
        gain=0.122, gain_interval=gain,
    )  # fmt: skip


def test_the_verdict_follows_the_interval_of_the_gain() -> None:
    assert verdict(comparison((0.09, 0.15))).startswith("better")
    assert verdict(comparison((-0.09, -0.01))).startswith("worse")
    assert verdict(comparison((-0.01, 0.02))).startswith("no difference can be told")
    assert verdict(comparison(None)) == "no interval could be drawn"


def test_both_intervals_lie_on_the_axis() -> None:
    """78.3 to 95.6: from 70 to 100; 81.4 stands at 11.4 of 30."""
    scale = scale_of(comparison(None))
    assert scale == (70, 100)
    drawn = whisker(0.814, (0.783, 0.843), scale, "before")
    assert 'cx="38.00%"' in drawn
    ends = [float(x) for x in re.findall(r'x\d="([\d.]+)%"', drawn)]
    assert min(ends) >= 0 and max(ends) <= 100
    whole = replace(comparison(None), before=1.0, before_interval=None, after=1.0, after_interval=None)
    assert scale_of(whole)[0] < scale_of(whole)[1]
