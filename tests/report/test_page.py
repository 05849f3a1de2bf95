"""The page: whole in one file, safe with any text, small for a thousand classes, sensible where parts are missing."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reweigh.catalog.tables import ImageLocation
from reweigh.report.page import render
from reweigh.report.records import Card, ClassImages, ReportData, Shown
from reweigh.report.settings import ReportSettings
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

    VOID = ("meta", "img", "br", "input", "link", "rect", "line", "polyline", "hr")

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
    import base64

    def size(path: Path) -> tuple[int, int]:
        uri = thumbnail(ImageLocation(path), side=96).uri
        return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).size

    assert size(photo) == (96, 72)
    Image.new("L", (8, 8), 3).save(tmp_path / "small.png")
    assert size(tmp_path / "small.png") == (8, 8)
