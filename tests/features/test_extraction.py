"""Extraction: what is stored, what stops it, and that a killed one ends in the same bytes."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from reweigh.catalog.tables import ImageLocation
from reweigh.errors import ReweighError
from reweigh.features.backbones import Backbone, load_backbone
from reweigh.features.extraction import extract, feature_key
from reweigh.features.settings import BackboneSettings, FeatureSettings
from reweigh.features.speed import seconds_per_image
from reweigh.features.store import (
    Features,
    describe_features,
    is_complete,
    open_features,
    unreadable_rows,
    unreadable_table,
)
from reweigh.images.settings import ImageSettings
from reweigh.images.views import apply

SMALL = FeatureSettings(batch_size=4, block_rows=10, workers=2)
TOLERANT = ImageSettings(unreadable_limit=1.0)


@dataclass(frozen=True)
class Photos:
    """A folder of numbered PNGs."""

    folder: Path
    n: int

    def locate(self, rows: NDArray[np.int64]) -> list[ImageLocation]:
        return [ImageLocation(self.folder / f"{row:04}.png", None, None) for row in rows]

    def uids(self, rows: NDArray[np.int64]) -> list[str]:
        return [f"photos/{row:04}.png" for row in rows]


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    return write_photos(tmp_path / "photos", 47)


def write_photos(folder: Path, n: int) -> Photos:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for row in range(n):
        Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(folder / f"{row:04}.png")
    return Photos(folder, n)


@pytest.fixture(scope="module")
def pixels() -> Backbone:
    return load_backbone(BackboneSettings(name="pixels", input_size=8), device="cpu", precision="float32")


def run(photos: Photos, backbone: Backbone, folder: Path, images: ImageSettings = TOLERANT) -> Features:
    return extract(backbone, photos.n, photos.locate, photos.uids, folder=folder, settings=SMALL, images=images)


def test_rows_are_the_backbones_features_of_each_view(photos: Photos, pixels: Backbone, tmp_path: Path) -> None:
    features = run(photos, pixels, tmp_path / "key")
    assert (features.n, features.d, features.key) == (47, 192, "key")
    for row in (0, 9, 10, 46):
        view = apply(pixels.view, (photos.folder / f"{row:04}.png").read_bytes(), 10**6)
        expected = pixels.forward(view[None]).numpy().astype(np.float16)
        assert (features.values[row] == expected[0]).all()
    assert features.read(np.array([3, 1])).dtype == np.float32
    assert describe_features(features)["backbone"]["name"] == "pixels"


def test_unreadable_images_are_zero_listed_and_never_replaced(photos: Photos, pixels: Backbone, tmp_path: Path) -> None:
    (photos.folder / "0003.png").unlink()
    (photos.folder / "0017.png").write_bytes(b"<html>")
    (photos.folder / "0046.png").write_bytes((photos.folder / "0045.png").read_bytes()[:200])
    features = run(photos, pixels, tmp_path / "key")
    assert unreadable_rows(features).tolist() == [3, 17, 46]
    assert unreadable_table(features).to_pylist() == [
        {"row": 3, "uid": "photos/0003.png", "reason": "missing file"},
        {"row": 17, "uid": "photos/0017.png", "reason": "not an image"},
        {"row": 46, "uid": "photos/0046.png", "reason": "truncated"},
    ]
    assert not features.values[[3, 17, 46]].any() and features.values[[2, 4, 16, 45]].all(axis=1).any()


def test_an_image_has_the_same_features_whoever_is_in_its_batch(
    photos: Photos, pixels: Backbone, tmp_path: Path
) -> None:
    whole = run(photos, pixels, tmp_path / "a")
    (photos.folder / "0003.png").unlink()
    assert (run(photos, pixels, tmp_path / "b").values[4:] == whole.values[4:]).all()


def test_more_unreadable_images_than_the_limit_stop_it(photos: Photos, pixels: Backbone, tmp_path: Path) -> None:
    for row in (1, 2):
        (photos.folder / f"{row:04}.png").unlink()
    expected = (
        r"At least 2 of 47 images cannot be read, more than images.unreadable_limit = 0.03: "
        r"2 missing file \(first: photos/0001.png\)"
    )
    with pytest.raises(ReweighError, match=expected):
        run(photos, pixels, tmp_path / "key", ImageSettings(unreadable_limit=0.03))
    assert not is_complete(tmp_path / "key")
    assert run(photos, pixels, tmp_path / "key", ImageSettings(unreadable_limit=0.05)).n == 47


def test_a_long_extraction_samples_first(photos: Photos, pixels: Backbone, tmp_path: Path) -> None:
    read: list[int] = []

    def locate(rows: NDArray[np.int64]) -> Sequence[ImageLocation]:
        read.extend(rows.tolist())
        # The first half is there: without a sample it would take half the time to see that something is wrong.
        return photos.locate(np.where(rows < 50_000, 0, 999))

    with pytest.raises(ReweighError, match=r"of 1,024 sampled images cannot be read.*missing file"):
        extract(pixels, 100_000, locate, photos.uids, folder=tmp_path / "key", settings=SMALL)
    assert len(read) == 1024


def changed(backbone: Backbone, change: Callable[[torch.Tensor], None]) -> Backbone:
    def forward(batch: torch.Tensor) -> torch.Tensor:
        features = backbone.forward(batch).clone()
        change(features)
        return features

    return replace(backbone, forward=forward)


@pytest.mark.parametrize(
    ("value", "words"), [(float("nan"), "NaN or infinite"), (float("inf"), "NaN or infinite"), (7e4, "beyond float16")]
)
def test_a_value_that_cannot_be_stored_names_its_image(
    photos: Photos, pixels: Backbone, tmp_path: Path, value: float, words: str
) -> None:
    def spoil(features: torch.Tensor) -> None:
        features[1, 5] = value

    with pytest.raises(ReweighError, match=rf"A feature of image 'photos/0001.png' is .*{words}"):
        run(photos, changed(pixels, spoil), tmp_path / "key")


def test_a_finished_extraction_is_opened_and_not_made_again(photos: Photos, pixels: Backbone, tmp_path: Path) -> None:
    first = run(photos, pixels, tmp_path / "key")
    for path in photos.folder.iterdir():
        path.unlink()
    assert (run(photos, pixels, tmp_path / "key").values == first.values).all()


def test_features_of_other_images_are_refused(photos: Photos, pixels: Backbone, tmp_path: Path) -> None:
    run(photos, pixels, tmp_path / "key")
    with pytest.raises(ReweighError, match=r"holds features of shape \(47, 192\), not \(40, 192\)"):
        run(replace(photos, n=40), pixels, tmp_path / "key")


def test_no_images_give_no_features(photos: Photos, pixels: Backbone, tmp_path: Path) -> None:
    assert run(replace(photos, n=0), pixels, tmp_path / "key").values.shape == (0, 192)


def test_an_unfinished_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No stored features in .*: found no features"):
        open_features(tmp_path)


def test_one_process_at_a_time_extracts_into_a_folder(photos: Photos, pixels: Backbone, tmp_path: Path) -> None:
    def locate(rows: NDArray[np.int64]) -> Sequence[ImageLocation]:
        run(photos, pixels, tmp_path / "key")
        return photos.locate(rows)

    with pytest.raises(ReweighError, match="Another process is extracting features into"):
        extract(pixels, photos.n, locate, photos.uids, folder=tmp_path / "key", settings=SMALL)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("stop_at", [1, 2, 4])
def test_an_extraction_stopped_by_an_error_goes_on_to_the_same_bytes(
    photos: Photos, pixels: Backbone, tmp_path: Path, stop_at: int
) -> None:
    (photos.folder / "0005.png").unlink()
    whole = run(photos, pixels, tmp_path / "whole" / "key")
    asked: list[NDArray[np.int64]] = []

    def locate(rows: NDArray[np.int64]) -> Sequence[ImageLocation]:
        asked.append(rows)
        return photos.locate(rows)

    def stop(stage: str, done: int, total: int | None = None, note: str = "") -> None:
        if done >= stop_at * 10:
            raise KeyboardInterrupt

    folder = tmp_path / "broken" / "key"
    with pytest.raises(KeyboardInterrupt):
        extract(pixels, 47, photos.locate, photos.uids, folder=folder, settings=SMALL, images=TOLERANT, progress=stop)
    # Other sizes are asked for now; the ones it was begun with stay.
    settings = FeatureSettings(batch_size=7, block_rows=3, workers=1)
    extract(pixels, 47, locate, photos.uids, folder=folder, settings=settings, images=TOLERANT)
    assert contents(folder) == contents(whole.folder)
    assert min(rows[0] for rows in asked) == stop_at * 10


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_extraction import SMALL, TOLERANT, Photos, load_backbone, BackboneSettings, extract

def slowly(stage, done, total=None, note=""):
    print(done, flush=True)
    time.sleep(0.02)

backbone = load_backbone(BackboneSettings(name={name!r}, input_size=64), device="cpu", precision="float32")
photos, folder = Photos(Path({photos!r}), {n}), Path({folder!r})
extract(
    backbone, {n}, photos.locate, photos.uids, folder=folder, settings=SMALL, images=TOLERANT, progress=slowly
)
"""


def test_an_extraction_killed_at_any_instant_ends_in_the_same_bytes(tmp_path: Path, lite0: Path) -> None:
    photos = write_photos(tmp_path / "photos", 60)
    (photos.folder / "0025.png").write_bytes(b"")
    name = f"local-dir:{lite0}"
    backbone = load_backbone(BackboneSettings(name=name, input_size=64), device="cpu", precision="float32")
    whole = run(photos, backbone, tmp_path / "whole" / "key")
    folder = tmp_path / "killed" / "key"
    folder.parent.mkdir()
    code = KILLED.format(
        tests=str(Path(__file__).parent), photos=str(photos.folder), folder=str(folder), n=60, name=name
    )
    for kill_after in (1, 2):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(kill_after):
            assert child.stdout.readline(), "the child ended before it could be killed"
        time.sleep(0.03 * kill_after)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert not is_complete(folder)
    run(photos, backbone, folder)
    assert contents(folder) == contents(whole.folder)


def test_the_key_depends_on_all_that_features_depend_on(pixels: Backbone) -> None:
    images, rows = ImageSettings(), np.arange(5)
    keys = {
        feature_key(pixels, fingerprint="a", rows=None, images=images),
        feature_key(pixels, fingerprint="b", rows=None, images=images),
        feature_key(pixels, fingerprint="a", rows=rows, images=images),
        feature_key(pixels, fingerprint="a", rows=rows[1:], images=images),
        feature_key(replace(pixels, identity="x"), fingerprint="a", rows=None, images=images),
        feature_key(replace(pixels, precision="bfloat16"), fingerprint="a", rows=None, images=images),
        feature_key(replace(pixels, device="cuda:0"), fingerprint="a", rows=None, images=images),
        feature_key(
            replace(pixels, view=replace(pixels.view, crop_pct=0.9)), fingerprint="a", rows=None, images=images
        ),
        feature_key(pixels, fingerprint="a", rows=None, images=ImageSettings(max_pixels=5)),
    }
    assert len(keys) == 9
    other_limit = ImageSettings(unreadable_limit=0.5)
    assert feature_key(pixels, fingerprint="a", rows=None, images=other_limit) in keys
    assert feature_key(replace(pixels, device="cuda:1"), fingerprint="a", rows=None, images=images) in keys


def test_speed_is_measured_on_any_number_of_images(photos: Photos, pixels: Backbone) -> None:
    for sample in (photos.locate(np.arange(3)), photos.locate(np.arange(40))):
        assert 0 < seconds_per_image(pixels, sample, SMALL) < 1
    assert seconds_per_image(pixels, [], SMALL) == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; the same on the CPU is tested above")
def test_a_gpu_gives_the_cpus_features(photos: Photos, pixels: Backbone, tmp_path: Path) -> None:
    on_gpu = load_backbone(pixels.settings, device="cuda", precision="float32")
    difference = np.abs(
        run(photos, on_gpu, tmp_path / "gpu").values - run(photos, pixels, tmp_path / "cpu").values
    ).max()
    assert difference < 1e-3, f"differs by {difference}"


def test_a_photo_in_memory_is_the_photo_on_disk() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (255, 0, 0)).save(buffer, "PNG")
    backbone = load_backbone(BackboneSettings(name="pixels", input_size=2), device="cpu", precision="float32")
    features = backbone.forward(apply(backbone.view, buffer.getvalue(), 100)[None])
    assert features.tolist() == [[1.0] * 4 + [0.0] * 8]
