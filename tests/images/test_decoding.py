"""Bytes -> pixels: every mode and format against Pillow, and a short reason for what is broken."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from reweigh.images.decoding import decode, decode_pixels
from reweigh.images.orientation import jpeg_orientation
from reweigh.images.reading import Unreadable

MANY = 10_000_000


def photo(width: int = 80, height: int = 60) -> Image.Image:
    """A smooth picture that JPEG keeps well, different in every corner."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 / width, y * 255 / height, 128 + 100 * np.sin(x / 9)], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def by_pillow(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def reason(data: bytes, *, max_pixels: int = MANY) -> str:
    with pytest.raises(Unreadable) as caught:
        decode_pixels(data, max_pixels=max_pixels)
    return str(caught.value)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_has_the_pixels_that_pillow_gives(subsampling: int, progressive: bool) -> None:
    data = encoded(photo(), "JPEG", quality=90, subsampling=subsampling, progressive=progressive)
    difference = np.abs(decode_pixels(data, max_pixels=MANY).astype(int) - by_pillow(data)).max()
    assert difference <= 1, f"differs from Pillow by {difference}"


def test_decode_gives_a_tensor_of_three_planes() -> None:
    tensor = decode(encoded(photo(), "JPEG"), max_pixels=MANY)
    assert (tuple(tensor.shape), str(tensor.dtype)) == ((3, 60, 80), "torch.uint8")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied_as_pillow_does(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo(), form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    ours = decode_pixels(data, max_pixels=MANY)
    assert ours.shape == ((60, 80, 3) if orientation < 5 else (80, 60, 3))
    assert np.abs(ours.astype(int) - by_pillow(data)).max() <= 1


@given(st.binary(max_size=80))
def test_a_broken_exif_part_means_upright(junk: bytes) -> None:
    segment = b"Exif\0\0" + junk
    data = b"\xff\xd8\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
    assert jpeg_orientation(data) in range(1, 9)
    assert jpeg_orientation(b"\xff\xd8" + junk) in range(1, 9)


@pytest.mark.parametrize(
    ("cover", "short"), [(0, 375), (375, 375), (256, 375), (188, 188), (100, 141), (40, 47), (9, 47)]
)
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_covers(cover: int, short: int) -> None:
    data = encoded(photo(500, 375), "JPEG")
    assert min(decode_pixels(data, cover=cover, max_pixels=MANY).shape[:2]) == short


def test_scaling_covers_the_short_side_of_a_turned_jpeg() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(photo(500, 375), "JPEG", exif=exif)
    height, width, _ = decode_pixels(data, cover=188, max_pixels=MANY).shape
    assert (height, width) == (250, 188)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr"])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"])
def test_modes_without_alpha_match_pillow(mode: str, form: str) -> None:
    try:
        data = encoded(photo().convert(mode), form, **({"lossless": True} if form == "WEBP" else {}))
    except (OSError, KeyError, ValueError):
        pytest.skip(f"{form} cannot hold mode {mode}")
    difference = np.abs(decode_pixels(data, max_pixels=MANY).astype(int) - by_pillow(data)).max()
    assert difference <= 1, f"differs from Pillow by {difference}"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_become_white(mode: str) -> None:
    image = Image.new(mode, (4, 2), 0)  # black, wholly transparent
    image.paste(Image.new("L", (2, 2), 90).convert(mode), (0, 0))
    pixels = decode_pixels(encoded(image, "PNG"), max_pixels=MANY)
    assert (pixels[:, :2] == 90).all() and (pixels[:, 2:] == 255).all()


def test_a_palette_with_transparency_in_bytes_becomes_white_there() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    pixels = decode_pixels(encoded(image, "PNG", transparency=b"\xff\x00"), max_pixels=MANY)
    assert pixels.tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_a_transparent_colour_of_an_rgb_png_becomes_white() -> None:
    image = Image.new("RGB", (2, 1), (9, 9, 9))
    image.putpixel((1, 0), (1, 2, 3))
    pixels = decode_pixels(encoded(image, "PNG", transparency=(1, 2, 3)), max_pixels=MANY)
    assert pixels.tolist() == [[[9, 9, 9], [255, 255, 255]]]


def test_sixteen_bits_keep_their_upper_eight() -> None:
    values = np.array([[0, 255, 256, 65535]], np.uint16)
    for form in ("PNG", "TIFF"):
        pixels = decode_pixels(encoded(Image.fromarray(values), form), max_pixels=MANY)
        assert pixels[0, :, 0].tolist() == [0, 0, 1, 255], form
        assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame(form: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    red, green, blue = decode_pixels(data, max_pixels=MANY)[4, 4]
    assert red > 200 and blue < 60 and green < 60


def test_the_content_counts_and_not_the_name() -> None:
    data = encoded(photo(), "PNG")
    assert (decode_pixels(data, max_pixels=MANY) == np.asarray(photo())).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_too_many_pixels_are_refused_from_the_header(form: str) -> None:
    data = encoded(photo(), form)
    assert reason(data, max_pixels=4799) == "too many pixels (80 x 60)"
    assert decode_pixels(data, max_pixels=4800).shape == (60, 80, 3)


def test_a_bomb_is_refused_by_its_header_before_it_is_decoded() -> None:
    header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    checksum = zlib.crc32(header).to_bytes(4, "big")
    data = b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + header + checksum + encoded(photo(), "PNG")[33:]
    assert reason(data, max_pixels=100_000_000).startswith("too many pixels")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_cut_files_are_truncated(form: str, part: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8))
    data = encoded(noise, form)
    assert reason(data[: int(part * len(data))]) == "truncated"


def test_a_cut_jpeg_with_an_end_marker_is_truncated() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8))
    data = encoded(noise, "JPEG")
    assert reason(data[: len(data) // 2] + b"\xff\xd9") == "truncated"


def test_junk_after_a_jpeg_or_a_missing_end_marker_does_no_harm() -> None:
    data = encoded(photo(), "JPEG")
    expected = by_pillow(data)
    for odd in (data + b"trailing junk", data[:-2], data[:-1]):
        assert np.abs(decode_pixels(odd, max_pixels=MANY).astype(int) - expected).max() <= 1


def test_what_is_no_image_says_so() -> None:
    assert reason(b"") == "empty file"
    assert reason(b"<html>404</html>") == "not an image"
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == "not an image"
    assert reason(b"\xff\xd8") == "truncated"


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"]),
    st.integers(0, 10_000),
    st.binary(min_size=1, max_size=6),
)
def test_damaged_files_are_read_or_unreadable_but_never_crash(form: str, at: int, damage: bytes) -> None:
    data = bytearray(encoded(photo(24, 16), form))
    at %= len(data)
    data[at : at + len(damage)] = damage
    try:
        assert decode_pixels(bytes(data), max_pixels=MANY).shape[2] == 3
    except Unreadable as cause:
        assert 0 < len(str(cause)) < 80
