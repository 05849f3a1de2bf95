"""Several views at test time: the crops of torchvision, and their predictions' mean."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reweigh.errors import ReweighError
from reweigh.images.several_views import VIEWS, several_views
from reweigh.images.views import EvaluationView, encoded_view
from reweigh.timm_import import torchvision_part

VIEW = EvaluationView(size=32, crop_pct=0.8)


def encoded() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).resize((90, 60)).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize("name", ["five", "ten"])
def test_crops_are_those_of_torchvision(name: str) -> None:
    transforms = torchvision_part("transforms")
    resized = transforms.Resize(40, interpolation=transforms.InterpolationMode.BICUBIC)(
        Image.open(io.BytesIO(encoded()))
    )
    theirs = [np.asarray(crop, np.int16) for crop in getattr(transforms, f"{name.title()}Crop")(32)(resized)]
    ours = [encoded_view(view, encoded(), 10**8).astype(np.int16) for view in several_views(VIEW, name)]
    assert len(ours) == len(theirs)
    for crop in ours:
        assert min(np.abs(crop - other).max() for other in theirs) <= 2


def test_the_usual_view_comes_first_and_every_name_has_its_number() -> None:
    counts = {name: len(several_views(VIEW, name)) for name in VIEWS}
    assert counts == {"center": 1, "flip": 2, "five": 5, "ten": 10, "dense": 18}
    for name in VIEWS:
        assert several_views(VIEW, name, (1.2, 1.0))[0] == VIEW
        assert len(set(several_views(VIEW, name, (1.0, 1.2)))) == 2 * counts[name]


def test_a_mirrored_view_is_the_view_mirrored_and_a_scale_shows_less_of_the_image() -> None:
    usual = encoded_view(VIEW, encoded(), 10**8)
    np.testing.assert_array_equal(encoded_view(replace(VIEW, mirrored=True), encoded(), 10**8), usual[:, ::-1])
    assert replace(VIEW, scale=1.5).resized == 60


@pytest.mark.parametrize(
    ("name", "scales", "said"), [("tne", (1.0,), "Did you mean 'ten'"), ("ten", (0.0,), "scale from .1 to 10")]
)
def test_views_that_are_not_there_are_refused(name: str, scales: tuple[float, ...], said: str) -> None:
    with pytest.raises(ReweighError, match=said):
        several_views(VIEW, name, scales)
