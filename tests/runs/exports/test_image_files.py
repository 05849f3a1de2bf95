"""Images put into folders: the first way that a disk offers, never over another file."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from reweigh.catalog.tables import ImageLocation
from reweigh.errors import ReweighError
from reweigh.runs.exports import image_files
from reweigh.runs.exports.image_files import is_there, put_image


def refused(number: int = errno.EPERM):  # type: ignore[no-untyped-def]
    def way(source: Path, target: Path) -> None:
        raise OSError(number, "no links here")

    return way


@pytest.fixture
def image(tmp_path: Path) -> ImageLocation:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in/1.png").write_bytes(b"\x89PNG one")
    return ImageLocation(tmp_path / "in/1.png")


def test_a_disk_without_symbolic_links_gets_hard_links_and_one_without_any_gets_copies(
    image: ImageLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("relative links", "links"):
        monkeypatch.setitem(image_files.WAYS, name, refused())
    assert put_image(image, "a", tmp_path / "out") == ("hard links", "1.png")
    assert (tmp_path / "out/1.png").samefile(image.path)

    monkeypatch.setitem(image_files.WAYS, "hard links", refused(errno.EXDEV))
    how, name = put_image(image, "a", tmp_path / "out") or ("", "")
    assert how == "copies"
    assert not (tmp_path / "out" / name).samefile(image.path)
    assert (tmp_path / "out" / name).read_bytes() == b"\x89PNG one"


def test_another_disk_gets_links_by_the_full_path(
    image: ImageLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "_device", lambda folder: int(folder.endswith("out")))
    assert put_image(image, "a", tmp_path / "out") == ("links", "1.png")
    assert (tmp_path / "out/1.png").readlink() == image.path


def test_a_full_disk_is_no_reason_to_try_another_way(
    image: ImageLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(image_files.WAYS, "relative links", refused(errno.ENOSPC))
    with pytest.raises(OSError, match="no links here"):
        put_image(image, "a", tmp_path / "out")


def test_a_name_that_is_taken_is_marked_by_the_uid_and_then_counted(image: ImageLocation, tmp_path: Path) -> None:
    names = [(put_image(image, uid, tmp_path / "out") or ("", ""))[1] for uid in ("a", "a", "a", "b")]
    # blake2b of four bytes: "a" and "b"
    assert names == ["1.png", "1-ca234c55.png", "1-ca234c55-2.png", names[3]]
    assert names[3].startswith("1-") and names[3] != names[1]


def test_a_member_gets_the_ending_of_its_bytes(tmp_path: Path) -> None:
    tar = tmp_path / "t.tar"
    members = [b"\xff\xd8\xffjpeg", b"\x89PNGpng.", b"RIFF....WEBPweb", b"BMbitmap", b"unknown!"]
    tar.write_bytes(b"".join(members))
    (tmp_path / "out").mkdir()
    start, names = 0, []
    for i, data in enumerate(members):
        location = ImageLocation(tar, start, len(data))
        names.append((put_image(location, f"x/{i}", tmp_path / "out") or ("", ""))[1])
        assert (tmp_path / "out" / names[-1]).read_bytes() == data
        start += len(data)
    assert names == ["0.jpg", "1.png", "2.webp", "3.bmp", "4"]


def test_a_member_that_cannot_be_read_is_left_out_only_if_it_could_not_be_read_before(tmp_path: Path) -> None:
    (tmp_path / "t.tar").write_bytes(b"x")
    location = ImageLocation(tmp_path / "t.tar", 0, 9)
    assert put_image(location, "a.jpg", tmp_path, was_unreadable=True) is None
    with pytest.raises(ReweighError, match=r"'a.jpg' cannot be read out of .*t.tar any more: truncated"):
        put_image(location, "a.jpg", tmp_path)


def test_what_is_no_file_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "broken").symlink_to("nothing")
    (tmp_path / "link").symlink_to("file")
    names = ["file", "link", ".", "none", "file/below", "loop", "broken", "x" * 300, "nul\0"]
    found = is_there([ImageLocation(tmp_path / name) for name in names])
    assert found.tolist() == [True, True, *[False] * 7]
    parts = [ImageLocation(tmp_path / "file", 2, 3), ImageLocation(tmp_path / "file", 2, 4)]
    assert is_there(parts).tolist() == [True, False]
