"""`reweigh index --extend`: the same crawl, later."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Call, Photos


def test_a_grown_folder_is_compared_and_its_features_are_used(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    folder = photos()
    assert reweigh("index", folder, "-o", "old").status == 0
    backbone = ["--set", "backbone.name=pixels", "--set", "backbone.input_size=8"]
    assert reweigh("check", "old", "-o", "run", *backbone).status == 0
    first = next(iter(sorted(folder.rglob("*.png"))))
    first.rename(first.with_name("zz.png"))
    said = reweigh("index", folder, "--extend", "old", "-o", "new")
    assert said.status == 0, said.err
    assert "renamed" in said.out
    assert "features of pixels" in said.out
    assert "images taken over" in said.out
    assert (tmp_path / "new" / "changes.csv").read_text().count("renamed") == 1
    again = reweigh("check", "new", "-o", "run-2", *backbone)
    assert again.status == 0, again.err


def test_the_old_catalog_is_not_written_over(reweigh: Call, photos: Photos) -> None:
    folder = photos()
    assert reweigh("index", folder, "-o", "photos.catalog").status == 0
    said = reweigh("index", folder, "--extend", "photos.catalog")
    assert "photos.catalog exists; a catalog is never rewritten in place" in said.error
