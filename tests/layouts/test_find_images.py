"""Images for `predict`, wherever they are."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import ImageLocation
from reweigh.errors import ReweighError
from reweigh.images.reading import read_bytes
from reweigh.layouts.find_images import find_images
from reweigh.layouts.table_of_layouts import index


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def listed(path: Path, findings: Findings | None = None) -> list[tuple[str, ImageLocation]]:
    return list(find_images(path, findings or Findings()))


def found(path: Path, findings: Findings | None = None) -> dict[str, bytes]:
    return {name: read_bytes(location) for name, location in listed(path, findings)}


def test_a_file_a_folder_and_a_catalog(tmp_path: Path) -> None:
    source = put(tmp_path / "photos", "cat/10.jpg", "cat/2.jpg", "cat/._2.jpg", ".trash/3.jpg", "notes.txt")
    assert listed(source / "cat" / "2.jpg") == [("2.jpg", ImageLocation(source / "cat" / "2.jpg"))]
    findings = Findings()
    assert list(found(source, findings)) == ["cat/2.jpg", "cat/10.jpg"]
    assert findings.examples == {"not an image by its ending": ["notes.txt"]}
    index(source, tmp_path / "c")
    assert found(tmp_path / "c") == {"cat/10.jpg": b"cat/10.jpg", "cat/2.jpg": b"cat/2.jpg"}


def test_a_split_of_a_catalog(tmp_path: Path) -> None:
    source = put(tmp_path / "photos", "train/cat/1.jpg", "train/dog/1.jpg", "val/cat/2.jpg", "val/dog/3.jpg")
    index(source, tmp_path / "c")
    assert [name for name, _ in find_images(tmp_path / "c", Findings(), split="val")] == [
        "val/cat/2.jpg",
        "val/dog/3.jpg",
    ]
    assert list(find_images(tmp_path / "c", Findings(), split="test")) == []
    with pytest.raises(ReweighError, match=r"No split 'tset'.*'test'"):
        list(find_images(tmp_path / "c", Findings(), split="tset"))
    with pytest.raises(ReweighError, match=r"of a catalog, and .* is none"):
        list(find_images(source, Findings(), split="val"))


def test_linked_folders_are_followed_as_when_indexing(tmp_path: Path) -> None:
    source = put(tmp_path / "photos", "dog/1.jpg")
    put(tmp_path / "elsewhere", "3.jpg")
    (source / "cat").symlink_to(tmp_path / "elsewhere")
    (source / "dog" / "again").symlink_to(source)
    assert list(found(source)) == ["cat/3.jpg", "dog/1.jpg"]
    assert index(source, tmp_path / "c").n == 2


def test_a_list_is_relative_to_itself_and_keeps_what_is_not_there(tmp_path: Path) -> None:
    put(tmp_path, "lists/a.jpg", "b.jpg")
    (tmp_path / "lists" / "x.txt").write_bytes(b"\xef\xbb\xbfa.jpg\r\n\r\n../b.jpg\ncaf\xe9.jpg")
    places = dict(listed(tmp_path / "lists" / "x.txt"))
    assert list(places) == ["a.jpg", "../b.jpg", "café.jpg"]
    assert read_bytes(places["../b.jpg"]) == b"b.jpg" and not places["café.jpg"].path.exists()


def test_a_tar_gives_its_images(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name in ("a/1.jpg", "a/._1.jpg", "readme.txt"):
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    assert found(tmp_path / "x.tar") == {"a/1.jpg": b"a/1.jpg"}


def test_what_is_not_there_or_of_no_form_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"Nothing at .*: looked for an image, a folder, a list of paths"):
        listed(tmp_path / "none")
    put(tmp_path, "x.doc")
    with pytest.raises(ReweighError, match="is no image by its ending, and neither a folder, a list"):
        listed(tmp_path / "x.doc")
