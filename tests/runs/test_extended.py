"""A crawl that has grown: what came, went and changed is listed, and only new images are extracted."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reweigh.catalog.tables import Catalog, image_locations, open_catalog, read_uids
from reweigh.errors import ReweighError
from reweigh.features.backbones import Backbone, load_backbone
from reweigh.features.extraction import extract, feature_key
from reweigh.features.settings import BackboneSettings, FeatureSettings
from reweigh.features.store import Features
from reweigh.images.settings import ImageSettings
from reweigh.layouts.table_of_layouts import index
from reweigh.runs.extended import extend, summarize

IMAGES = ImageSettings(unreadable_limit=1.0)


@pytest.fixture(scope="module")
def pixels() -> Backbone:
    return load_backbone(BackboneSettings(name="pixels", input_size=8), device="cpu", precision="float32")


def photo(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(number).integers(0, 255, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(30):
        photo(tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number:02}.png", number)
    (tmp_path / "photos/cat/02.png").write_bytes(b"no image")
    return tmp_path / "photos"


def features_of(
    catalog: Catalog, backbone: Backbone, *, cache: Path | None = None, asked: list[int] | None = None
) -> Features:
    """Features of all images of the catalog in its cache; `asked` collects the rows whose place was asked for."""

    def locate(rows: NDArray[np.int64]) -> list[object]:
        if asked is not None:
            asked.extend(rows.tolist())
        return image_locations(catalog, rows)  # type: ignore[return-value]

    def uids(rows: NDArray[np.int64]) -> list[str]:
        return read_uids(catalog, rows)

    key = feature_key(backbone, fingerprint=catalog.fingerprint, rows=None, images=IMAGES)
    return extract(
        backbone, catalog.n, locate, uids, folder=(cache or catalog.path / "features") / key,  # type: ignore[arg-type]
        settings=FeatureSettings(batch_size=4, block_rows=8), images=IMAGES,
    )  # fmt: skip


def listed(catalog: Catalog) -> list[tuple[str, ...]]:
    with (catalog.path / "changes.csv").open(newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def test_changes_are_listed_one_a_row(photos: Path, tmp_path: Path) -> None:
    old = index(photos, tmp_path / "old")
    photo(photos / "cat/30.png", 30)  # came
    photo(photos / "eel/31.png", 31)
    (photos / "dog/01.png").unlink()  # went
    (photos / "dog/03.png").rename(photos / "dog/33.png")
    photo(photos / "cat/04.png", 99)  # other bytes
    found = extend(photos, tmp_path / "old", tmp_path / "new")
    assert found.changes == {"came": 2, "went": 1, "other bytes": 1, "other label": 0, "other split": 0, "renamed": 1}
    assert found.classes == {"came": ("eel",), "went": ()}
    assert listed(found.catalog) == [
        ("cat/04.png", "other bytes", "", ""), ("cat/30.png", "came", "", ""), ("dog/01.png", "went", "", ""),
        ("dog/33.png", "renamed", "dog/03.png", "dog/33.png"), ("eel/31.png", "came", "", ""),
    ]  # fmt: skip
    assert set(read_uids(found.catalog)) - {"cat/30.png", "eel/31.png", "dog/33.png"} < set(read_uids(old))
    assert ("classes that came", "1: eel") in summarize(found)


def test_an_image_moved_to_another_class_is_renamed_and_has_another_label(photos: Path, tmp_path: Path) -> None:
    (photos / "cat/06.png").write_bytes((photos / "cat/04.png").read_bytes())  # two of the same bytes
    index(photos, tmp_path / "old")
    (photos / "cat/04.png").rename(photos / "dog/04.png")
    (photos / "cat/06.png").rename(photos / "dog/06.png")
    (photos / "train").mkdir()
    for name in ("cat", "dog"):
        (photos / name).rename(photos / "train" / name)
    (photos / "val/cat").mkdir(parents=True)
    (photos / "train/cat/08.png").rename(photos / "val/cat/08.png")
    found = extend(photos, tmp_path / "old", tmp_path / "new")
    assert found.changes == {"came": 0, "went": 0, "other bytes": 0, "other label": 2, "other split": 1, "renamed": 30}
    changes = listed(found.catalog)
    assert ("train/dog/04.png", "renamed", "cat/04.png", "train/dog/04.png") in changes
    assert ("train/dog/04.png", "other label", "cat", "dog") in changes
    assert ("train/dog/06.png", "renamed", "cat/06.png", "train/dog/06.png") in changes
    assert ("val/cat/08.png", "other split", "train", "val") in changes


def test_labels_and_splits_that_changed_are_listed_by_name(photos: Path, tmp_path: Path) -> None:
    table = photos / "t.csv"
    table.write_text("file,label,split\ncat/00.png,cat,train\ndog/01.png,dog,train\ndog/03.png,dog,train\n")
    index(table, tmp_path / "old")
    table.write_text(
        "file,label,split\ncat/00.png,ape,train\ndog/01.png,dog,val\ndog/03.png,,train\ncat/04.png,cat,train\n"
    )
    found = extend(table, tmp_path / "old", tmp_path / "new")
    assert listed(found.catalog) == [
        ("cat/00.png", "other label", "cat", "ape"), ("cat/04.png", "came", "", ""), ("dog/01.png", "other split", "train", "val"),
        ("dog/03.png", "other label", "dog", ""),
    ]  # fmt: skip


def test_features_of_equal_images_are_taken_over_and_the_rest_is_made(
    photos: Path, tmp_path: Path, pixels: Backbone
) -> None:
    features_of(index(photos, tmp_path / "old"), pixels)
    photo(photos / "ape/50.png", 50)  # a class that comes first: every label and row moves
    photo(photos / "dog/51.png", 51)
    (photos / "dog/01.png").rename(photos / "dog/52.png")
    found = extend(photos, tmp_path / "old", tmp_path / "new")
    assert found.carried == {"pixels": 29}  # of 30, one cannot be read
    asked: list[int] = []
    features = features_of(found.catalog, pixels, asked=asked)
    names = read_uids(found.catalog)
    assert sorted(names[row] for row in asked) == ["ape/50.png", "cat/02.png", "dog/51.png"]
    whole = features_of(found.catalog, pixels, cache=tmp_path / "cache")
    assert (features.values == whole.values).all()
    left = {path.name for path in features.folder.iterdir()}
    assert left == {path.name for path in whole.folder.iterdir()}


def test_nothing_new_needs_no_image_and_a_second_time_carries_again(
    photos: Path, tmp_path: Path, pixels: Backbone
) -> None:
    (photos / "cat/02.png").unlink()
    features_of(index(photos, tmp_path / "old"), pixels)
    photo(photos / "dog/51.png", 51)
    middle = extend(photos, tmp_path / "old", tmp_path / "middle").catalog
    features_of(middle, pixels)
    (photos / "dog/51.png").unlink()
    last = extend(photos, middle.path, tmp_path / "last")
    asked: list[int] = []
    assert features_of(last.catalog, pixels, asked=asked).n == 29
    assert asked == []


def test_without_hashes_nothing_is_carried(photos: Path, tmp_path: Path, pixels: Backbone) -> None:
    features_of(index(photos, tmp_path / "old", options={"hash": False}), pixels)
    found = extend(photos, tmp_path / "old", tmp_path / "new")
    assert found.carried == {"pixels": 0}
    assert not (found.catalog.path / "features").exists()
    assert open_catalog(tmp_path / "new").options == {"hash": False}


def test_the_old_catalog_has_to_be_one(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No catalog at .*photos: looked for"):
        extend(photos, photos, tmp_path / "new")
