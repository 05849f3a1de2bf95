"""The bytes of an image: files and byte ranges, and a short reason for each that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reweigh.catalog.tables import ImageLocation
from reweigh.images.reading import Unreadable, read_bytes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.bin"
    path.write_bytes(bytes(range(100)))
    return path


def reason(location: ImageLocation) -> str:
    with pytest.raises(Unreadable) as caught:
        read_bytes(location)
    return str(caught.value)


def test_a_location_without_offset_is_the_whole_file(file: Path) -> None:
    assert read_bytes(ImageLocation(file, None, None)) == bytes(range(100))


@given(offset=st.integers(0, 99), length=st.integers(1, 100))
def test_a_byte_range_is_a_slice_or_truncated(
    tmp_path_factory: pytest.TempPathFactory, offset: int, length: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "range.bin"
    path.write_bytes(bytes(range(100)))
    location = ImageLocation(path, offset, length)
    if offset + length <= 100:
        assert read_bytes(location) == bytes(range(offset, offset + length))
    else:
        assert reason(location) == "truncated"


def test_a_missing_file_says_so(tmp_path: Path, file: Path) -> None:
    assert reason(ImageLocation(tmp_path / "gone.jpg", None, None)) == "missing file"
    assert reason(ImageLocation(file / "below-a-file.jpg", None, None)) == "missing file"


def test_an_empty_file_and_an_empty_member_say_so(tmp_path: Path, file: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    assert reason(ImageLocation(tmp_path / "empty.jpg", None, None)) == "empty file"
    assert reason(ImageLocation(file, 10, 0)) == "empty file"


def test_a_range_beyond_the_file_is_truncated(file: Path) -> None:
    assert reason(ImageLocation(file, 200, 10)) == "truncated"


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(ImageLocation(tmp_path, None, None)) == "not a file"
    assert reason(ImageLocation(tmp_path / "pipe.jpg", None, None)) == "not a file"


def test_names_that_no_file_can_have_are_unreadable(tmp_path: Path) -> None:
    assert reason(ImageLocation(tmp_path / "a\0b", None, None)) == "impossible file name"
    assert reason(ImageLocation(tmp_path / ("x" * 300), None, None)) == "file name too long"


def test_an_absurd_length_is_refused_before_reading(file: Path) -> None:
    assert reason(ImageLocation(file, 0, 1 << 40)).startswith("too many bytes")
