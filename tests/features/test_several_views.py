"""Features of several views: what each of them is of, and an image that only some could be made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reweigh.catalog.tables import ImageLocation
from reweigh.evaluation.new_images import predict
from reweigh.features.extraction import extract
from reweigh.features.model_folder import Model
from reweigh.features.networks import Backbone, load_backbone
from reweigh.features.settings import BackboneSettings
from reweigh.features.several_views import extract_views, unreadable_in_any
from reweigh.images.settings import ImageSettings
from reweigh.images.several_views import several_views

LENIENT = ImageSettings(unreadable_limit=1.0)


@pytest.fixture
def backbone() -> Backbone:
    return load_backbone(BackboneSettings(name="pixels", input_size=4), device="cpu", precision="float32")


@pytest.fixture
def images(tmp_path: Path) -> list[tuple[str, ImageLocation]]:
    generator = np.random.default_rng(0)
    for name in "abc":
        Image.fromarray(generator.integers(0, 256, (9, 14, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    return [(f"{name}.png", ImageLocation(tmp_path / f"{name}.png")) for name in "abc"]


def removed_before_the_second_view(path: Path):  # type: ignore[no-untyped-def]
    """Progress during which the image is gone once the second view is begun."""

    def told(stage: str, done: int, total: int | None = None, note: str = "") -> None:
        if note.startswith("view 1 of") and done == total:
            path.unlink(missing_ok=True)

    return told


def extracted(backbone: Backbone, images: list, folder: Path, progress) -> list:  # type: ignore[no-untyped-def,type-arg]
    views = several_views(backbone.view, "flip")
    return extract_views(
        backbone, len(images), lambda at: [images[i][1] for i in at], lambda at: [images[i][0] for i in at], views=views,
        folders=[folder / str(i) for i in range(len(views))], images=LENIENT, progress=progress,
    )  # fmt: skip


def test_the_first_view_of_many_is_the_usual_one_to_the_bit(backbone: Backbone, images: list, tmp_path: Path) -> None:
    alone = extract(
        backbone, 3, lambda at: [images[i][1] for i in at], lambda at: [images[i][0] for i in at], folder=tmp_path / "alone",
        images=LENIENT,
    )  # fmt: skip
    made = extracted(backbone, images, tmp_path / "views", lambda *_: None)
    np.testing.assert_array_equal(made[0].values, alone.values)
    assert not np.array_equal(made[1].values, alone.values)
    assert unreadable_in_any(made) == {}


def test_an_image_that_one_view_could_not_be_made_of_is_unreadable(
    backbone: Backbone, images: list, tmp_path: Path
) -> None:
    made = extracted(backbone, images, tmp_path / "views", removed_before_the_second_view(tmp_path / "b.png"))
    assert unreadable_in_any(made[:1]) == {}
    assert list(unreadable_in_any(made)) == [1]


def test_such_an_image_gets_no_label_rather_than_the_mean_with_zeros(
    backbone: Backbone, images: list, tmp_path: Path
) -> None:
    generator = np.random.default_rng(1)
    model = Model(
        backbone=backbone, weight=generator.standard_normal((2, backbone.d)).astype(np.float32), bias=np.zeros(2, np.float32),
        class_names=("dark", "light"), synsets=(None, None),
    )  # fmt: skip
    table = predict(
        model, images, workspace=tmp_path / "work", views=several_views(backbone.view, "flip"),
        progress=removed_before_the_second_view(tmp_path / "b.png"),
    )  # fmt: skip
    assert [label is None for label in table["label"].to_pylist()] == [False, True, False]
    assert table["unreadable"].to_pylist()[1]
