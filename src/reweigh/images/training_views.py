"""Training views: a random part of an image, resized, mirrored and changed; a pure function of one random generator."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import simplejpeg

from reweigh.images.decoding import JPEG_START, Decoded, decode_scaled
from reweigh.images.orientation import jpeg_orientation
from reweigh.images.settings import AugmentationSettings
from reweigh.images.views import EvaluationView, Pixels, encoded_view, mirrored
from reweigh.timm_import import torchvision_part

TRIES = 10
"""Draws of a random part that has to fit into the image; after them the largest middle part that does."""
PADDING = 8
"""The crop `padded` pads by one part in so many of the view's side: 4 pixels of CIFAR's 32."""
ERASED_SCALE, ERASED_RATIO = (0.02, 1 / 3), (0.3, 1 / 0.3)
"""Share of the area and ratio of the sides of an erased box (Zhong et al. 2017)."""
_turn = threading.Lock()


def training_view(
    view: EvaluationView, settings: AugmentationSettings, data: bytes, max_pixels: int, generator: np.random.Generator
) -> Pixels:
    """The encoded image as a training step sees it, (size, size, 3) uint8. Raises Unreadable."""
    pixels = CROPS[settings.crop](view, settings, data, max_pixels, generator)
    if generator.random() < settings.flip:
        pixels = mirrored(pixels)
    if settings.augment != "none":
        pixels = _augmented(pixels, settings, generator)
    if settings.erasing and generator.random() < settings.erasing:
        pixels = _erased(pixels, generator)
    return np.ascontiguousarray(pixels)


def random_part(
    height: int, width: int, settings: AugmentationSettings, generator: np.random.Generator
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random part: area uniform in `crop_scale`, ratio log-uniform in `crop_ratio`.

    As torchvision and timm draw it: after ten that do not fit, the largest middle part whose ratio is allowed.
    """
    low, high = settings.crop_ratio
    for _ in range(TRIES):
        area = height * width * generator.uniform(*settings.crop_scale)
        ratio = math.exp(generator.uniform(math.log(low), math.log(high)))
        wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            top, left = generator.integers(height - tall + 1), generator.integers(width - wide + 1)
            return int(top), int(left), tall, wide
    wide, tall = width, height
    if width / height < low:
        tall = min(height, max(round(width / low), 1))
    elif width / height > high:
        wide = min(width, max(round(height * high), 1))
    return (height - tall) // 2, (width - wide) // 2, tall, wide


def _resized_part(
    view: EvaluationView, settings: AugmentationSettings, data: bytes, max_pixels: int, generator: np.random.Generator
) -> Pixels:
    size = _upright_size(data)
    if size is None:
        image = decode_scaled(data, cover=0, max_pixels=max_pixels)
        part = random_part(image.height, image.width, settings, generator)
    else:
        part = random_part(*size, settings, generator)
        # The part, not the image, has to have the view's pixels.
        cover = math.ceil(view.size * min(size) / min(part[2:]))
        image = decode_scaled(data, cover=min(cover, max(size)), max_pixels=max_pixels)
    return _resized(image, part, view)


def _upright_size(data: bytes) -> tuple[int, int] | None:
    """Height and width of a JPEG from its header; None for all else, and for what is broken: decoding will say so."""
    if not data.startswith(JPEG_START):
        return None
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):
        return None
    return (width, height) if jpeg_orientation(data) >= 5 else (height, width)


def _resized(image: Decoded, part: tuple[int, int, int, int], view: EvaluationView) -> Pixels:
    """A part of the full image, given in its pixels, resized to the view with antialiasing."""
    import torch

    first, start, last, stop = image.box
    down, across = (last - first) / image.height, (stop - start) / image.width
    top, left, tall, wide = part
    y, x = first + top * down, start + left * across
    rows = slice(math.floor(y), max(math.ceil(y + tall * down), math.floor(y) + 1))
    columns = slice(math.floor(x), max(math.ceil(x + wide * across), math.floor(x) + 1))
    shown = image.pixels[rows, columns]
    if shown.shape[:2] == (view.size, view.size):
        return shown
    name = view.interpolation if view.interpolation in ("bilinear", "bicubic") else "bilinear"
    kernel = getattr(torch.ops.aten, f"_upsample_{name}2d_aa")
    planes = torch.from_numpy(np.ascontiguousarray(shown)).permute(2, 0, 1)[None]
    made: Pixels = kernel(planes, [view.size, view.size], False, None, None)[0].permute(1, 2, 0).numpy()
    return made


def _padded(
    view: EvaluationView, settings: AugmentationSettings, data: bytes, max_pixels: int, generator: np.random.Generator
) -> Pixels:
    whole = encoded_view(replace(view, crop_pct=1.0), data, max_pixels)
    by = -(-view.size // PADDING)
    ground = np.pad(whole, ((by, by), (by, by), (0, 0)), mode="reflect" if view.size > by else "edge")
    top, left = generator.integers(2 * by + 1, size=2)
    return ground[top : top + view.size, left : left + view.size]


def _center(
    view: EvaluationView, settings: AugmentationSettings, data: bytes, max_pixels: int, generator: np.random.Generator
) -> Pixels:
    return encoded_view(view, data, max_pixels)


CROPS = {"resized": _resized_part, "padded": _padded, "center": _center}


def _augmented(pixels: Pixels, settings: AugmentationSettings, generator: np.random.Generator) -> Pixels:
    """Through torchvision's policies, which draw from torch's own generator: seeded for this image, put back afterwards."""
    import torch
    from PIL import Image

    change = _policy(settings.augment, settings.rand_operations, settings.rand_magnitude)
    seed = int(generator.integers(2**63))
    image = Image.fromarray(np.ascontiguousarray(pixels))
    with _turn:
        before = torch.default_generator.get_state()
        torch.default_generator.manual_seed(seed)
        made = change(image)
        torch.default_generator.set_state(before)
    return np.asarray(made)


@lru_cache
def _policy(name: str, operations: int, magnitude: int) -> Any:
    transforms = torchvision_part("transforms")
    if name == "trivial":
        return transforms.TrivialAugmentWide()
    if name == "rand":
        return transforms.RandAugment(num_ops=operations, magnitude=magnitude)
    return transforms.AutoAugment()


def _erased(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    """A random box filled with noise."""
    height, width = pixels.shape[:2]
    box = replace(AugmentationSettings(), crop_scale=ERASED_SCALE, crop_ratio=ERASED_RATIO)
    top, left, tall, wide = random_part(height, width, box, generator)
    made = pixels.copy()
    made[top : top + tall, left : left + wide] = generator.integers(0, 256, (tall, wide, 3), dtype=np.uint8)
    return made
