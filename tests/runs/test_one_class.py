"""Images of one label: what lies apart, copies and unreadable files, and never a word of wrong."""

from __future__ import annotations

import csv
import io
import shutil

import numpy as np
import pytest
from PIL import Image

from reweigh.runs.check import CheckResult, check
from reweigh.runs.one_class import LoneClass, review_order
from reweigh.runs.recipe import read_recipe
from reweigh.runs.source import Source

CHANGES = ["backbone.name=pixels", "backbone.input_size=6", "threads=1", "images.unreadable_limit=0.5"]


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> CheckResult:
    """Forty dark noisy images, one copy of the first, one light image, one broken file."""
    folder = tmp_path_factory.mktemp("one") / "photos" / "dark"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    slope = np.linspace(-60, 60, 8)[:, None, None]
    for number in range(41):
        pixels = (120 + (slope if number != 7 else -slope)) + 15 * generator.standard_normal((8, 8, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{number:02d}.png")
    shutil.copy(folder / "00.png", folder / "copy.png")
    (folder / "broken.png").write_bytes(b"no image")
    return check(Source(path=folder.parent), read_recipe("auto", CHANGES), output=folder.parent.parent / "run")


def test_what_lies_apart_is_first_copies_and_unreadable_files_last(looked: CheckResult) -> None:
    text = (looked.run / "review.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["uid"] == "dark/07.png"
    assert (rows[-2]["uid"], rows[-2]["reason"]) == ("dark/copy.png", "same bytes as dark/00.png")
    assert (rows[-1]["uid"], rows[-1]["reason"], rows[-1]["near_share"]) == ("dark/broken.png", "cannot be read", "")
    assert [int(row["review_order"]) for row in rows] == list(range(1, 44))
    assert "wrong" not in text


def test_it_says_what_it_needs_and_leaves_no_verdicts(looked: CheckResult) -> None:
    assert looked.verdicts is None
    assert any("Put a folder of another class beside it, or a folder `background`" in note for note in looked.notes)
    assert dict(looked.lines)["labels judged"].startswith("none")
    assert not list(looked.run.glob("verdicts.*"))


def test_order_by_hand() -> None:
    """Near shares .5, .1, copy, unreadable, .3: rows 1, 4, 0, then the copy, then the unreadable one."""
    found = LoneClass(
        rows=np.arange(5),
        share_near=np.array([0.5, 0.1, np.nan, np.nan, 0.3], np.float32),
        copy_of=np.array([-1, -1, 0, -1, -1]),
        is_readable=np.array([True, True, True, False, True]),
    )
    assert review_order(found).tolist() == [1, 4, 0, 2, 3]
