"""The evaluation view: what timm's own transform cuts out of an image before it is normalised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reweigh.errors import ReweighError, look_up
from reweigh.images.decoding import Decoded, decode_scaled

if TYPE_CHECKING:
    import torch

Pixels = NDArray[np.uint8]

INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
LARGEST_ENLARGEMENT = 8
"""An image resized to more than this many times the view's area is cut while it is resized (a strip of 1 x 10,000
pixels would become one of 256 x 2,560,000)."""


@dataclass(frozen=True, kw_only=True)
class EvaluationView:
    """Resize, central crop and normalisation, in timm's words."""

    size: int
    """Side of the square view in pixels."""
    crop_pct: float = 0.875
    """The image is first resized to floor(size / crop_pct)."""
    crop_mode: str = "center"
    """`center`: short side resized, the middle cut out; `squash`: both sides resized; `border`: long
    side resized, padded."""
    interpolation: str = "bicubic"
    """One of INTERPOLATIONS, antialiased as Pillow does it."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Subtracted from pixels in [0, 1]."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Divides them afterwards."""
    place: tuple[float, float] = (0.5, 0.5)
    """Where the crop lies, from top (0) to bottom (1) and from left to right; the middle."""
    mirrored: bool = False
    """From right to left."""
    scale: float = 1.0
    """How many times larger than usual the image is resized before the crop."""

    def __post_init__(self) -> None:
        look_up(self.interpolation, INTERPOLATIONS, kind="interpolation")
        look_up(self.crop_mode, PLACEMENTS, kind="crop mode")
        if self.size < 1 or not 0 < self.crop_pct <= 1:
            raise ReweighError(f"A view needs size >= 1 and 0 < crop_pct <= 1, found {self.size} and {self.crop_pct}.")
        if not all(0 <= part <= 1 for part in self.place) or not 0.1 <= self.scale <= 10:
            raise ReweighError(
                f"A crop lies from 0 to 1 of the way, at a scale from .1 to 10; found {self.place} and {self.scale}."
            )

    @property
    def resized(self) -> int:
        """The side in pixels that the image is resized to before the crop; what decoding has to cover."""
        return math.floor(self.size / self.crop_pct * self.scale)


@dataclass(frozen=True)
class Placement:
    """Size (height, width) after resizing, and the view's top left corner in it; negative: that much is padded."""

    height: int
    width: int
    top: int
    left: int


def view_from_config(config: Mapping[str, Any]) -> EvaluationView:
    """The view of timm's resolved data configuration. Raises ReweighError unless it is square with three channels."""
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise ReweighError(f"Backbone takes input of shape {tuple(config['input_size'])}; only (3, s, s) can be read.")
    return EvaluationView(
        size=int(height),
        crop_pct=float(config["crop_pct"]),
        crop_mode=str(config["crop_mode"]),
        interpolation=str(config["interpolation"]),
        mean=tuple(float(v) for v in config["mean"]),
        std=tuple(float(v) for v in config["std"]),
    )


def apply(view: EvaluationView, data: bytes, max_pixels: int) -> torch.Tensor:
    """The encoded image's view as a uint8 tensor (3, size, size), not normalised. Raises Unreadable."""
    import torch

    return torch.from_numpy(encoded_view(view, data, max_pixels)).permute(2, 0, 1)


def encoded_view(view: EvaluationView, data: bytes, max_pixels: int) -> Pixels:
    """As `apply`, as an array (size, size, 3); decodes no more pixels than the view needs."""
    return view_pixels(view, decode_scaled(data, cover=view.resized, max_pixels=max_pixels))


def view_pixels(view: EvaluationView, image: Decoded) -> Pixels:
    """The view (size, size, 3) of a decoded image; where it lies follows from the image's full size."""
    place = PLACEMENTS[view.crop_mode](view, image.height, image.width)
    few = place.height * place.width <= LARGEST_ENLARGEMENT * view.size**2
    is_fast = few and view.interpolation in ("bilinear", "bicubic") and image.box[:2] == (0, 0)
    pixels = (_resize_then_crop if is_fast else _crop_while_resizing)(view, image, place)
    return mirrored(pixels) if view.mirrored else pixels


def mirrored(pixels: Pixels) -> Pixels:
    """(h, w, 3) from right to left, through torch: NumPy copies three reversed bytes at a time, twenty times slower."""
    import torch

    made: Pixels = torch.flip(torch.from_numpy(pixels), [1]).numpy()
    return made


def _resize_then_crop(view: EvaluationView, image: Decoded, place: Placement) -> Pixels:
    """Through torch's kernel for uint8, Pillow's arithmetic two to three times as fast; rarely differs, by 1 or 2."""
    import torch

    pixels = image.pixels
    if pixels.shape[:2] != (place.height, place.width):
        # interpolate() itself would take the box for whole pixels.
        kernel = getattr(torch.ops.aten, f"_upsample_{view.interpolation}2d_aa")
        planes = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        scales = place.height / image.box[2], place.width / image.box[3]
        resized = kernel(planes, [place.height, place.width], False, *scales)
        pixels = resized[0].permute(1, 2, 0).numpy()
    shown, (top, left) = _window(view, place)
    return _on_ground(view, pixels[shown], top, left)


def _crop_while_resizing(view: EvaluationView, image: Decoded, place: Placement) -> Pixels:
    """Through Pillow, which can resize the part that is shown alone, with the neighbours outside of it."""
    (rows, columns), (top, left) = _window(view, place)
    first, start, last, stop = image.box
    up, across = (last - first) / place.height, (stop - start) / place.width
    box = (
        start + columns.start * across,
        first + rows.start * up,
        min(start + columns.stop * across, stop),
        min(first + rows.stop * up, last),
    )
    size = (columns.stop - columns.start, rows.stop - rows.start)
    shown = Image.fromarray(image.pixels).resize(size, INTERPOLATIONS[view.interpolation], box=box)
    return _on_ground(view, np.array(shown), top, left)  # a copy: torch wants to be able to write


def _window(view: EvaluationView, place: Placement) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """The rows and columns of the resized image that are shown, and where in the view they begin."""
    rows = slice(max(place.top, 0), min(place.top + view.size, place.height))
    columns = slice(max(place.left, 0), min(place.left + view.size, place.width))
    return (rows, columns), (max(-place.top, 0), max(-place.left, 0))


def _on_ground(view: EvaluationView, shown: Pixels, top: int, left: int) -> Pixels:
    if shown.shape[:2] == (view.size, view.size):
        return np.ascontiguousarray(shown)
    ground = np.empty((view.size, view.size, 3), np.uint8)
    ground[:] = [round(255 * value) for value in view.mean]
    ground[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return ground


def _center(view: EvaluationView, height: int, width: int) -> Placement:
    """torchvision's Resize(int) and CenterCrop: the long side is cut to whole pixels, the corner rounded."""
    short = view.resized
    tall, wide = (int(short * height / width), short) if width <= height else (short, int(short * width / height))
    return _middle(view, tall, wide)


def _squash(view: EvaluationView, height: int, width: int) -> Placement:
    return _middle(view, view.resized, view.resized)


def _border(view: EvaluationView, height: int, width: int) -> Placement:
    """timm's ResizeKeepRatio(longest=1) and CenterCropOrPad; a side shorter than a pixel stays one."""
    ratio = max(height, width) / view.resized
    tall, wide = max(round(height / ratio), 1), max(round(width / ratio), 1)
    return _middle(view, tall, wide)


def _middle(view: EvaluationView, height: int, width: int) -> Placement:
    """Padding begins with the smaller half, as in timm; a crop's corner is rounded to the even, as in torchvision."""

    def corner(side: int, part: float) -> int:
        return round((side - view.size) * part) if side >= view.size else -((view.size - side) // 2)

    return Placement(height, width, corner(height, view.place[0]), corner(width, view.place[1]))


PLACEMENTS = {"center": _center, "squash": _squash, "border": _border}
