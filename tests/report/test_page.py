"""The page: whole in one file, safe with any text, small for a thousand classes, sensible where parts are missing."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from reweigh.catalog.tables import ImageLocation
from reweigh.report.page import end_of, percent, render
from reweigh.report.records import Card, ClassImages, ReportData, Shown
from reweigh.report.settings import ReportSettings
from reweigh.report.table_of_sections import SECTIONS
from reweigh.report.thumbnails import thumbnail

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=y> \u202egnp.exe 🙂" + "long" * 60


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photograph's worth of detail, 500 x 375."""
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
        (500, 375), Image.Resampling.BICUBIC
    )
    noisy = np.asarray(coarse, np.int16) + generator.integers(-25, 25, (375, 500, 3))
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path, quality=90)
    return path


def shown(path: Path, *, uid: str = "a/b.jpg", text: str = "a title") -> Shown:
    return Shown(
        uid=uid, location=ImageLocation(path), label="cat", predicted="dog", label_probability=0.02, predicted_probability=0.9, text=text,
        origin="google, rank 3", checked="dog",
    )  # fmt: skip


def page_of(k: int, path: Path, *, text: str = "a title") -> ReportData:
    generator = np.random.default_rng(0)
    names = tuple(f"class {i} of many words" for i in range(k))
    judged = generator.integers(50, 500, k)
    images = tuple(
        ClassImages(
            label=c, doubted=(shown(path, uid=f"{c}/1.jpg", text=text),) * 3, trusted=(shown(path, text=text),) * 3
        )
        for c in range(k)
    )
    return ReportData(
        title="photos", headline="Of 10 labels, 5 agree.", cards=(Card(value="5", name="images"),), header=("", "top-1"), results=(("test", "50.0"),),
        class_names=names, class_sizes=judged + 10, judged=judged, agreed=judged // 2, confusion=np.eye(k, dtype=np.int64) * 5 if k <= 40 else None,
        confusions=((0, 1, 7),) if k > 1 else (), images=images, data_facts=(("images", "10"),), run_facts=(("seed", "0"),), command="reweigh run photos",
    )  # fmt: skip


class Tags(HTMLParser):
    """Collects tags and checks that they close."""

    VOID = ("meta", "img", "br", "input", "link", "rect", "line", "polyline", "hr", "circle")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    return tags


def load_demonstration() -> ModuleType:
    """The script that makes pages to look at."""
    spec = importlib.util.spec_from_file_location("demonstration", Path(__file__).with_name("demonstration.py"))
    assert spec and spec.loader
    demonstration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demonstration)
    return demonstration


def test_the_page_needs_no_other_file(photo: Path) -> None:
    page = render(page_of(3, photo))
    for tag, attributes in parsed(page).seen:
        assert tag not in ("link", "iframe", "object"), tag
        source = attributes.get("src") or ""
        assert not source or source.startswith("data:image/"), source
    assert not re.search(r"(https?:)?//[a-z]", page.replace("http://www.w3.org", "")), "an address of the network"
    assert "@import" not in page and "url(" not in page


def test_text_from_data_is_escaped_everywhere(photo: Path) -> None:
    data = page_of(3, photo, text=HOSTILE)
    images = tuple(
        ClassImages(
            label=i.label,
            doubted=(replace(i.doubted[0], uid=HOSTILE, label=HOSTILE, predicted=HOSTILE, origin=HOSTILE),),
            trusted=(),
        )
        for i in data.images
    )
    data = replace(
        data, title=HOSTILE, headline=HOSTILE, class_names=(HOSTILE, "b", "c"), images=images, command=HOSTILE, warnings=(HOSTILE,), notes=(HOSTILE,),
        data_facts=((HOSTILE, HOSTILE),), results=((HOSTILE, HOSTILE),),
    )  # fmt: skip
    page = render(data)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert" in page
    assert [tag for tag, _ in parsed(page).seen].count("script") == 1


def test_a_thousand_classes_stay_under_five_mebibytes(photo: Path) -> None:
    page = render(page_of(1000, photo, text="a title of a photo page as people write them, with words")).encode()
    assert len(page) < 5 * 2**20, f"{len(page):,} bytes"
    assert page.count(b"data:image/") == 50 * 6
    assert page.count(photo.resolve().as_uri().encode()) == 950 * 3


def test_members_of_a_tar_have_their_place_instead_of_a_link(photo: Path) -> None:
    data = page_of(2, photo)
    inside = replace(data.images[0].doubted[0], location=ImageLocation(Path("/data/images.tar"), 512, 1000))
    page = render(
        replace(data, images=(ClassImages(label=0, doubted=(inside,), trusted=()),)),
        ReportSettings(classes_with_images=0),
    )
    assert "images.tar, bytes 512 to 1,512" in page
    assert "file:///data/images.tar" not in page


@pytest.mark.parametrize("k", [1, 2, 3, 41, 200])
def test_any_number_of_classes_makes_a_page(k: int, photo: Path) -> None:
    parsed(render(page_of(k, photo)))


def test_a_page_without_disagreement_says_so(photo: Path) -> None:
    data = page_of(2, photo)
    page = render(replace(data, images=(), confusions=(), agreed=data.judged))
    assert "Every label agrees with its held-out prediction" in page
    assert "No label is taken for another class" in page


def test_a_class_without_judged_images_has_a_dash(photo: Path) -> None:
    data = page_of(3, photo)
    parsed(render(replace(data, judged=np.array([0, 5, 5]), agreed=np.array([0, 5, 2]))))


def test_an_image_that_cannot_be_read_is_shown_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    page = render(page_of(2, tmp_path / "broken.jpg"))
    assert "data:image/" not in page
    assert thumbnail(ImageLocation(tmp_path / "broken.jpg"), side=96).reason in page
    assert "missing file" in render(page_of(2, tmp_path / "none.jpg"))


def test_a_thumbnail_keeps_its_proportions_and_small_images_their_pixels(photo: Path, tmp_path: Path) -> None:
    def size(path: Path) -> tuple[int, int]:
        uri = thumbnail(ImageLocation(path), side=96).uri
        return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).size

    assert size(photo) == (96, 72)
    Image.new("L", (8, 8), 3).save(tmp_path / "small.png")
    assert size(tmp_path / "small.png") == (8, 8)


def test_every_section_has_its_file_and_its_template() -> None:
    folder = Path(sys.modules[render.__module__].__file__ or "").parent
    for name, section in SECTIONS.items():
        assert section.content.__module__ == f"reweigh.report.sections.{name}"
        assert (folder / "templates" / section.template).is_file()


def test_the_policy_lets_only_our_own_script_run(photo: Path) -> None:
    page = render(page_of(2, photo))
    script = page.split("<script>")[1].split("</script>")[0]
    policy = next(a["content"] or "" for tag, a in parsed(page).seen if tag == "meta" and "http-equiv" in a)
    assert f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy


def test_the_page_makes_sense_to_a_screen_reader(photo: Path) -> None:
    seen = parsed(render(page_of(60, photo))).seen
    assert all(attributes.get("alt") for tag, attributes in seen if tag == "img")
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in seen if tag == "th")
    assert [tag for tag, _ in seen].count("caption") == [tag for tag, _ in seen].count("table")
    levels = [int(tag[1]) for tag, _ in seen if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), "a level of headings is left out"
    targets = {attributes["id"] for _, attributes in seen if "id" in attributes}
    assert {a["href"][1:] for tag, a in seen if tag == "a" and (a["href"] or "").startswith("#")} <= targets  # type: ignore[index]


def test_images_that_are_only_linked_are_no_agreement(photo: Path) -> None:
    page = render(page_of(2, photo), ReportSettings(classes_with_images=0))
    assert "nothing to look at first" not in page
    assert "2 classes, as links to their image files" in page


def test_missing_parts_are_said_in_words(photo: Path) -> None:
    none = np.zeros(1, np.int64)
    bare = replace(
        page_of(1, photo), cards=(), header=(), results=(), class_sizes=none, judged=none, agreed=none, confusion=None, images=(), data_facts=(),
        run_facts=(), command="",
    )  # fmt: skip
    page = render(bare)
    for words in (
        "Nothing could be measured",
        "none can be doubted",
        "The class has 0 images",
        "only one class",
        "Nothing was counted",
        "Nothing was written down",
    ):
        assert words in page, words
    assert "There are no classes" in render(
        replace(bare, class_names=(), class_sizes=none[:0], judged=none[:0], agreed=none[:0])
    )


def test_classes_of_one_size_need_no_chart(photo: Path) -> None:
    data = page_of(3, photo)
    page = render(replace(data, class_sizes=np.full(3, 1_200)))
    assert "Every class has 1,200 images." in page
    assert 'class="bars"' not in page
    assert 'class="bars"' in render(data)


def test_a_class_is_mostly_taken_for_the_other_class_with_most_of_its_images(photo: Path) -> None:
    """Row a: 9 right, 1 taken for b, 4 for c, so c; row b: none elsewhere, so a dash."""
    matrix = np.array([[9, 1, 4], [0, 5, 0], [2, 0, 1]])
    data = replace(page_of(3, photo), class_names=("a", "b", "c"), confusion=matrix, confusions=())
    rows = SECTIONS["classes"].content(data, ReportSettings())["rows"]  # type: ignore[index]
    assert {row["name"]: row["mostly"] for row in rows} == {"a": "c", "b": "", "c": "a"}
    from_pairs = replace(data, confusion=None, confusions=((0, 2, 4), (2, 0, 2), (0, 1, 1)))
    rows = SECTIONS["classes"].content(from_pairs, ReportSettings())["rows"]  # type: ignore[index]
    assert {row["name"]: row["mostly"] for row in rows} == {"a": "c", "b": "", "c": "a"}


def test_a_file_name_that_is_no_text_does_not_stop_the_page(photo: Path) -> None:
    data = page_of(2, photo)
    odd = replace(data.images[0].doubted[0], location=ImageLocation(Path("/data/bad\udcff.tar"), 0, 10))
    render(
        replace(data, images=(ClassImages(label=0, doubted=(odd,), trusted=()),)),
        ReportSettings(classes_with_images=0),
    ).encode()


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (0.004, "< 1 %"), (0.684, "68 %"), (0.996, "> 99 %"), (1.0, "100 %"), (None, "–")]
)
def test_a_share_reads_as_nothing_or_all_only_where_it_is(share: float | None, text: str) -> None:
    assert percent(share).replace("\u00a0", " ") == text


def test_of_a_long_path_the_file_remains() -> None:
    assert end_of("train/a.jpg", 20) == "train/a.jpg"
    assert end_of("train/n01774384/n01774384_0.JPEG", 20) == "n01774384_0.JPEG"
    assert end_of("x/" + "0123456789" * 3, 10) == "…123456789"


def test_real_photographs_of_a_thousand_classes_stay_under_five_mebibytes(shared_data: Path, tmp_path: Path) -> None:
    demonstration = load_demonstration()
    members = demonstration.places(shared_data / "tiny_imagenet_40" / "tiny_imagenet_40.tar")[::100][:60]
    files = demonstration.as_photographs(members, tmp_path)
    texts = ("a title of a photo page as people write them; tag, tag",)
    data = demonstration.with_weights(demonstration.made_up(files, k=1_000, texts=texts), files, texts)
    page = render(demonstration.with_verdicts(data, files, texts))
    assert len(page.encode()) < 5 * 2**20, f"{len(page.encode()):,} bytes"
    parsed(page)
