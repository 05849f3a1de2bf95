"""The evaluation view against timm's own transform."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from reweigh.errors import ReweighError
from reweigh.images.decoding import Decoded
from reweigh.images.views import EvaluationView, apply, view_from_config, view_pixels
from reweigh.timm_import import timm

MANY = 10_000_000


def photo(width: int, height: int) -> Image.Image:
    """Structure at several scales, so that a shift of half a pixel shows."""
    small = np.random.default_rng(7).integers(0, 255, (height // 6 + 2, width // 6 + 2, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def whole(pixels: NDArray[np.uint8]) -> Decoded:
    height, width, _ = pixels.shape
    return Decoded(pixels, height, width, (0.0, 0.0, float(height), float(width)))


def by_timm(view: EvaluationView, image: Image.Image) -> NDArray[np.uint8]:
    transform = timm().data.create_transform(
        (3, view.size, view.size), is_training=False, interpolation=view.interpolation, crop_pct=view.crop_pct,
        crop_mode=view.crop_mode, mean=view.mean, std=view.std, normalize=False,
    )  # fmt: skip
    return np.asarray(transform(image)).transpose(1, 2, 0)


SIZES = [(64, 64), (500, 375), (375, 500), (333, 221), (40, 200), (97, 31), (224, 224), (256, 256), (13, 260)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize(
    ("crop_pct", "interpolation"), [(0.875, "bicubic"), (1.0, "bilinear"), (0.9, "nearest"), (0.95, "lanczos")]
)
def test_a_view_equals_timms_transform(size: tuple[int, int], mode: str, crop_pct: float, interpolation: str) -> None:
    view = EvaluationView(size=96, crop_pct=crop_pct, crop_mode=mode, interpolation=interpolation)
    image = photo(*size)
    ours, theirs = view_pixels(view, whole(np.array(image))), by_timm(view, image)
    assert ours.shape == theirs.shape == (96, 96, 3)
    difference = np.abs(ours.astype(int) - theirs.astype(int))
    if interpolation == "nearest":  # may take the other of two pixels that are equally near
        assert (difference > 0).mean() < 0.05, f"{(difference > 0).mean():.1%} of the pixels differ"
    else:
        assert difference.max() <= 3, f"largest difference {difference.max()}"
        assert difference.mean() < 0.3, f"mean difference {difference.mean():.3f}"


def smooth(width: int, height: int) -> Image.Image:
    """No detail finer than 24 pixels: what a smaller DCT scale leaves out is not in it, a shift still shows."""
    small = np.random.default_rng(7).integers(0, 255, (height // 24 + 2, width // 24 + 2, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (901, 707), (300, 260), (513, 389)])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_a_jpeg_decoded_at_a_smaller_scale_gives_timms_view_without_a_shift(
    size: tuple[int, int], orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    smooth(*size).save(buffer, "JPEG", quality=95, subsampling=0, exif=exif)
    view = EvaluationView(size=224)
    ours = apply(view, buffer.getvalue(), MANY).permute(1, 2, 0).numpy().astype(int)
    theirs = by_timm(view, ImageOps.exif_transpose(Image.open(buffer)).convert("RGB")).astype(int)
    difference = np.abs(ours - theirs).mean()
    shifted = np.abs(ours[1:] - theirs[:-1]).mean()
    assert difference < 1 and difference < shifted / 8, (
        f"mean difference {difference:.2f}, a pixel further {shifted:.2f}"
    )


def test_an_extreme_strip_costs_no_more_than_its_middle() -> None:
    strip = np.zeros((1, 60_000, 3), np.uint8)
    strip[:, 30_000:] = 200  # one pixel becomes 256: the edge is as soft as that
    shown = view_pixels(EvaluationView(size=224), whole(strip))
    assert shown.shape == (224, 224, 3) and shown[0, 0, 0] < 20 and shown[0, -1, 0] > 180


def test_a_view_is_read_from_timms_configuration() -> None:
    config: dict[str, Any] = {
        "input_size": (3, 260, 260), "crop_pct": 0.89, "crop_mode": "center", "interpolation": "bicubic",
        "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5),
    }  # fmt: skip
    view = view_from_config(config)
    assert (view.size, view.resized, view.mean) == (260, 292, (0.5, 0.5, 0.5))


def test_what_cannot_be_a_view_is_refused() -> None:
    good = {"crop_pct": 1.0, "crop_mode": "center", "interpolation": "bicubic", "mean": (0.0,) * 3, "std": (1.0,) * 3}
    with pytest.raises(ReweighError, match=r"only \(3, s, s\) can be read"):
        view_from_config({"input_size": (1, 28, 28), **good})
    with pytest.raises(ReweighError, match=r"No interpolation named 'bicubik'.*Did you mean 'bicubic'"):
        EvaluationView(size=8, interpolation="bicubik")
    with pytest.raises(ReweighError, match="No crop mode named 'centre'"):
        EvaluationView(size=8, crop_mode="centre")
