"""The page of a run with verdicts: rates, classes taken for each other, and the images to look at first."""

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
from reweigh.errors import ReweighError
from reweigh.report.page import render
from reweigh.report.places import address, byte_range
from reweigh.report.records import ReportData
from reweigh.report.sections.review import kinds
from reweigh.report.settings import ReportSettings
from reweigh.report.verdict_records import VerdictsData

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


def judged(k: int, path: Path, *, text: str = "a title", n_images: int = 12) -> ReportData:
    plain = PAGES.page_of(k, path, text=text)
    data: ReportData = DEMONSTRATION.with_verdicts(plain, [ImageLocation(path)], (text, text), n_images=n_images)
    return data


def changed(data: ReportData, **changes: object) -> ReportData:
    assert isinstance(data.verdicts, VerdictsData)
    return replace(data, verdicts=replace(data.verdicts, **changes))  # type: ignore[arg-type]


def part(page: str, name: str) -> str:
    """One section of the page."""
    return page.split(f'<section id="{name}"')[1].split("</section>")[0]


def figures(page: str) -> list[dict[str, str]]:
    """The data attributes of the images to look at first."""
    found = re.findall(r"<figure (data-order=[^>]*)>", part(page, "review"))
    return [dict(re.findall(r'data-(\w+)="([^"]*)"', one)) for one in found]


def test_labels_come_first_and_a_run_without_verdicts_has_none_of_it(photo: Path) -> None:
    page = render(judged(3, photo))
    assert re.findall(r'<section id="(\w+)"', page)[:3] == ["labels", "review", "results"]
    without = render(PAGES.page_of(3, photo))
    assert re.findall(r'<section id="(\w+)"', without)[:2] == ["results", "gallery"]
    assert "verdict" not in without.split("</style>")[1].split("<script>")[0]


def test_every_part_of_the_labels_is_there(photo: Path) -> None:
    section = part(render(judged(3, photo)), "labels")
    for words in (
        "By class",
        "By source",
        "Classes taken for each other",
        "<b>merge?</b>",
        "Worth a “merge?” by a rule.",
        "10,000 training images",
    ):
        assert words in section, words
    assert section.count("sortable") == 3
    assert "45.0&nbsp;%" in section and "2.0–50.0&nbsp;%" in section
    assert ">range</th>" in section
    assert ">95\u00a0% interval</th>" in render(changed(judged(3, photo), is_interval=True))


def test_weak_predictions_are_said_plainly_with_their_notes_and_advise_nothing(photo: Path) -> None:
    section = part(render(changed(judged(3, photo), is_trusted=False, notes=("only 12 images",))), "labels")
    assert "Do not trust these verdicts: the predictions cannot tell the classes apart." in section
    assert "only 12 images" in section
    assert "merge?" not in section
    quiet = part(render(changed(judged(3, photo), notes=())), "labels")
    assert 'class="warnings' not in quiet


def test_verdicts_stand_for_the_tables_of_agreement_and_of_doubted_images(photo: Path) -> None:
    page = render(judged(3, photo))
    assert "labels that agree" not in page and "Most doubted" not in page and 'id="gallery"' not in page
    assert "The most frequent pairs" not in page and "All pairs" in page, "the map of predictions stays"
    assert 'id="confusions"' not in render(judged(60, photo)), "too many classes for a map"
    weighed = DEMONSTRATION.with_weights(judged(3, photo), [ImageLocation(photo)], ("a", "b"))
    assert "Why images weigh what they do" in part(render(weighed), "gallery")


def test_images_to_review_carry_what_they_are_sorted_and_filtered_by(photo: Path) -> None:
    found = figures(render(judged(3, photo)))
    assert [one["order"] for one in found] == [str(i) for i in range(1, 13)]
    assert found[0] == {
        "order": "1", "right": "0.0", "given": "class 0 of many words", "suggested": "class 1 of many words", "verdict": "flagged", "split": "train",
    }  # fmt: skip
    assert [one["verdict"] for one in found[1:4]] == ["none", "also kept", "kept"]
    assert found[3]["right"] == "", "not judged"
    assert {one["split"] for one in found} == {"train", "val"}


def test_every_filter_and_order_is_one_of_the_images_own_words(photo: Path) -> None:
    """What the script reads: each select names an attribute of the images; each kind it offers is one that `kinds` gives."""
    page = render(judged(3, photo))
    section, attributes = part(page, "review"), figures(page)[0]
    assert set(re.findall(r'data-by="(\w+)"', section)) <= set(attributes)
    assert "data-sort" in section and "data-word" in section
    tools = section.split("data-sort")[0].split('data-by="verdict"')[1].split("</select>")[0]
    offered = set(re.findall(r'value="(\w+)"', tools))
    assert offered == {"flagged", "none", "also", "kept"}
    assert {kind for one in judged(3, photo).verdicts.images for kind in kinds(one)} == offered  # type: ignore[union-attr]
    assert section.split('<div class="filter tools"')[1].split(">")[0].endswith("hidden"), "no tools without the script"


def test_the_page_says_how_many_more_images_there_are(photo: Path) -> None:
    data = judged(3, photo)
    assert "9,000 more are in verdicts.csv" in part(render(data), "review")
    few = part(render(data, ReportSettings(images_to_review=5)), "review")
    assert few.count("<figure") == 5 and "9,007 more" in few
    none = part(render(data, ReportSettings(images_to_review=0)), "review")
    assert "<figure" not in none and "verdicts.csv has all 9,012" in none
    every = part(render(changed(data, n_images=12)), "review")
    assert "All 12 labelled images" in every
    assert "No image has a label" in render(changed(data, n_images=0, images=()))


def test_a_negative_number_of_images_is_refused() -> None:
    with pytest.raises(ReweighError, match="images_to_review must be 0 or more"):
        ReportSettings(images_to_review=-1)


def test_an_image_of_its_own_file_is_linked_and_a_member_of_a_tar_is_not(photo: Path) -> None:
    assert f'<a href="{photo.resolve().as_uri()}"><img' in part(render(judged(3, photo)), "review")
    inside = ImageLocation(Path("/data/images.tar"), 512, 1000)
    assert address(inside) == "" and byte_range(inside) == "images.tar, bytes 512 to 1,512"
    assert byte_range(ImageLocation(photo)) == ""


def test_an_unreadable_image_is_shown_with_its_reason(tmp_path: Path) -> None:
    section = part(render(judged(3, tmp_path / "gone.jpg")), "review")
    assert section.count("cannot be shown: missing file") == 12


def test_text_from_data_is_escaped_in_every_place_of_the_verdicts(photo: Path) -> None:
    data = replace(judged(3, photo, text=HOSTILE), class_names=(HOSTILE, "b", "c"))
    data = DEMONSTRATION.with_verdicts(data, [ImageLocation(photo)], (HOSTILE, HOSTILE), n_images=12)
    images = tuple(
        replace(i, uid=HOSTILE, label=HOSTILE, suggested=HOSTILE, split=HOSTILE) for i in data.verdicts.images
    )
    page = render(changed(data, images=images, rule=HOSTILE))
    assert "<script>alert" not in page and "<img src=x" not in page
    assert [tag for tag, _ in PAGES.parsed(page).seen].count("script") == 1


def test_headings_leave_no_level_out_and_tables_have_captions(photo: Path) -> None:
    seen = PAGES.parsed(render(judged(60, photo))).seen
    levels = [int(tag[1]) for tag, _ in seen if tag in ("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [tag for tag, _ in seen].count("caption") == [tag for tag, _ in seen].count("table")
    assert all(attributes.get("alt") for tag, attributes in seen if tag == "img")


def test_a_rate_is_drawn_beside_the_largest_of_its_table(photo: Path) -> None:
    """The scale ends at 1.25 times the largest rate, .45: a rate of .3 fills .3 / .5625 = 53.3 %."""
    section = part(render(judged(3, photo)), "labels")
    assert re.findall(r"width:([\d.]+)%", section)[:3] == ["80.0", "53.3", "40.0"]


@pytest.mark.parametrize("k", [1, 2, 41])
def test_any_number_of_classes_makes_a_page(k: int, photo: Path) -> None:
    PAGES.parsed(render(judged(k, photo)))
