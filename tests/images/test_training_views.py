"""Training views: a random part of any image, resized as it should be, and changed by its own generator alone."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reweigh.errors import ReweighError
from reweigh.images.decoding import decode_scaled
from reweigh.images.settings import AugmentationSettings
from reweigh.images.training_views import _resized, random_part, training_view
from reweigh.images.views import EvaluationView, encoded_view
from reweigh.timm_import import torchvision_part

VIEW = EvaluationView(size=32, interpolation="bilinear")
PIXELS = 10**8


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def encoded(pixels: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return generator(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 300), width=st.integers(1, 300), seed=st.integers(0, 1000),
    crop=st.sampled_from(["resized", "padded", "center"]), form=st.sampled_from(["PNG", "JPEG", "WEBP"]),
    erasing=st.sampled_from([0.0, 1.0]),
)  # fmt: skip
def test_any_image_gives_a_square_view(
    height: int, width: int, seed: int, crop: str, form: str, erasing: float
) -> None:
    chosen = AugmentationSettings(crop=crop, erasing=erasing)  # type: ignore[arg-type]
    made = training_view(VIEW, chosen, encoded(noise(height, width), form), PIXELS, generator(seed))
    assert made.shape == (32, 32, 3) and made.dtype == np.uint8 and made.flags.c_contiguous


@pytest.mark.parametrize(("height", "width"), [(2000, 3), (3, 2000), (1, 1), (1, 700)])
def test_extreme_shapes_too(height: int, width: int) -> None:
    for seed in range(5):
        assert training_view(VIEW, AugmentationSettings(), encoded(noise(height, width)), PIXELS, generator(seed)).any()


def test_random_parts_are_distributed_as_torchvision_draws_them() -> None:
    """Mean and deviation of area share and ratio over 2,000 draws of a 375 x 500 image."""
    chosen, draws = AugmentationSettings(), generator()
    ours = np.array([random_part(375, 500, chosen, draws)[2:] for _ in range(2000)], float)
    theirs_from = torchvision_part("transforms").RandomResizedCrop.get_params
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        image = torch.zeros(1, 375, 500)
        theirs = np.array(
            [theirs_from(image, list(chosen.crop_scale), list(chosen.crop_ratio))[2:] for _ in range(2000)], float
        )
    for name, of in {
        "area": lambda p: p[:, 0] * p[:, 1] / (375 * 500),
        "ratio": lambda p: np.log(p[:, 1] / p[:, 0]),
    }.items():
        one, other = of(ours), of(theirs)
        assert abs(one.mean() - other.mean()) < 4 * other.std() / np.sqrt(1000), (name, one.mean(), other.mean())
        assert one.std() == pytest.approx(other.std(), rel=0.08), name


def test_a_part_that_cannot_fit_is_the_largest_in_the_middle() -> None:
    """A strip 10 high and 1,000 wide: ratio at most 4/3, so 10 x 13 from column 493 on."""
    assert random_part(10, 1000, replace(AugmentationSettings(), crop_scale=(0.9, 1.0)), generator()) == (
        0,
        493,
        10,
        13,
    )


def test_the_pixels_of_a_part_are_those_of_pillow() -> None:
    data = encoded(noise(120, 160))
    image = decode_scaled(data, cover=0, max_pixels=PIXELS)
    top, left, tall, wide = 11, 23, 70, 90
    made = _resized(image, (top, left, tall, wide), VIEW)
    box = (left, top, left + wide, top + tall)
    expected = np.asarray(Image.open(io.BytesIO(data)).crop(box).resize((32, 32), Image.Resampling.BILINEAR))
    assert np.abs(made.astype(int) - expected).max() <= 2


def test_a_jpeg_decoded_at_a_smaller_scale_shows_the_same_part() -> None:
    """A smooth image: what a smaller DCT scale loses is not in it."""
    y, x = np.mgrid[:600, :800]
    pixels = np.stack([y / 600, x / 800, (x + y) / 1400], axis=-1)
    data = encoded((255 * pixels).astype(np.uint8), "JPEG", quality=95)
    chosen = AugmentationSettings(crop_scale=(0.9, 1.0), flip=0.0)
    made = training_view(VIEW, chosen, data, PIXELS, generator(3))
    full = decode_scaled(data, cover=0, max_pixels=PIXELS)
    expected = _resized(full, random_part(600, 800, chosen, generator(3)), VIEW)
    assert np.abs(made.astype(int) - expected).mean() < 1.5


@pytest.mark.parametrize("augment", ["trivial", "auto"])
def test_the_policies_run_on_the_installed_versions(augment: str) -> None:
    data = encoded(noise(40, 40))
    for seed in range(120):
        training_view(VIEW, AugmentationSettings(augment=augment), data, PIXELS, generator(seed))  # type: ignore[arg-type]


@pytest.mark.parametrize("magnitude", range(31))
def test_every_magnitude_of_randaugment_runs(magnitude: int) -> None:
    """All fourteen operations, posterize to few bits among them."""
    chosen = AugmentationSettings(augment="rand", rand_magnitude=magnitude, rand_operations=14)
    for seed in range(4):
        training_view(VIEW, chosen, encoded(noise(40, 40)), PIXELS, generator(seed))


def test_the_view_follows_from_its_generator_and_leaves_torch_alone() -> None:
    chosen = AugmentationSettings(augment="trivial", erasing=0.5)
    data, before = encoded(noise(60, 50), "JPEG"), torch.random.get_rng_state()
    views = [training_view(VIEW, chosen, data, PIXELS, generator(seed)) for seed in (1, 2, 1)]
    assert np.array_equal(views[0], views[2]) and not np.array_equal(views[0], views[1])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_center_is_the_evaluation_view_and_padded_moves_it_by_an_eighth_at_most() -> None:
    data = encoded(noise(32, 32))
    plain = AugmentationSettings(crop="center", flip=0.0)
    assert np.array_equal(training_view(VIEW, plain, data, PIXELS, generator()), encoded_view(VIEW, data, PIXELS))
    moved = training_view(VIEW, replace(plain, crop="padded"), data, PIXELS, generator(1))
    whole = np.pad(noise(32, 32), ((4, 4), (4, 4), (0, 0)), mode="reflect")
    places = [(y, x) for y in range(9) for x in range(9) if np.array_equal(whole[y : y + 32, x : x + 32], moved)]
    assert len(places) == 1


def test_exif_alpha_sixteen_bits_and_animations_go_the_way_of_decoding() -> None:
    turned = Image.fromarray(noise(30, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    turned.save(file, "JPEG", exif=exif)
    frames = [Image.fromarray(noise(20, 20, seed=s)) for s in range(2)]
    gif = io.BytesIO()
    frames[0].save(gif, "GIF", save_all=True, append_images=frames[1:])
    deep = encoded(generator().integers(0, 65536, (20, 24), dtype=np.uint16))
    for data in (file.getvalue(), encoded(noise(20, 24, 4)), deep, gif.getvalue()):
        assert training_view(VIEW, AugmentationSettings(), data, PIXELS, generator()).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"crop_scale": (0.5, 0.2)}, "crop_scale"), ({"crop_scale": (0.0, 1.0)}, "crop_scale"), ({"crop_ratio": (0.0, 1.0)}, "crop_ratio"),
        ({"flip": 1.5}, "flip"), ({"erasing": -0.1}, "erasing"), ({"mixup": -1.0}, "mixup"), ({"cutmix": float("inf")}, "cutmix"),
        ({"rand_magnitude": 31}, "rand_magnitude"), ({"rand_operations": 0}, "rand_operations"),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ReweighError, match=f"finetune.augmentation.{said}"):
        AugmentationSettings(**changes)  # type: ignore[arg-type]
