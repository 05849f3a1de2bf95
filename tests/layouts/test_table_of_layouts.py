"""Which layout a source is, and which options it takes."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from tests.layouts.webvision_miniature import make_webvision

from reweigh.errors import ReweighError
from reweigh.layouts import table_of_layouts
from reweigh.layouts.table_of_layouts import LAYOUTS, LayoutInfo, index, recognise


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        ReweighError, match=r"No data at .*none: looked for a folder of images or a table; nothing is there"
    ):
        index(tmp_path / "none", tmp_path / "c")


def test_an_unknown_layout_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No layout named 'tabel'; there are: .*Did you mean 'table'"):
        index(tmp_path, tmp_path / "c", layout="tabel")


def test_an_option_of_another_layout_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    with pytest.raises(ReweighError, match="Layout folder takes no 'labels'; it takes: hash"):
        index(tmp_path / "photos", tmp_path / "c", options={"labels": "worse"})


def test_a_file_of_no_known_form_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.doc").write_text("x")
    with pytest.raises(ReweighError, match=r"is no form that is known: a file is a table"):
        index(tmp_path / "x.doc", tmp_path / "c")


def test_a_file_of_a_set_an_archive_and_an_image_say_what_to_name(tmp_path: Path) -> None:
    lists = tmp_path / "web" / "info"
    lists.mkdir(parents=True)
    (lists / "train_filelist_google.txt").write_text("google/q0001/1.jpg 0\n")
    (lists / "synsets.txt").write_text("n01440764 tench\n")
    with pytest.raises(ReweighError, match=rf"is a file of a data set: {lists} is webvision .*Name that folder"):
        index(lists / "train_filelist_google.txt", tmp_path / "c")
    for name, message in (("x.ZIP", "an archive: unpack it"), ("cat.jpg", "one image: name the folder")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ReweighError, match=message):
            index(tmp_path / name, tmp_path / "c")


def test_a_folder_above_that_cannot_be_read_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shut(place: Path) -> None:
        if place.is_dir():
            raise PermissionError(13, "Permission denied", str(place / "secret"))

    monkeypatch.setitem(LAYOUTS, "cifar-n", replace(LAYOUTS["cifar-n"], recognise=shut))
    (tmp_path / "x.doc").write_text("x")
    with pytest.raises(ReweighError, match="is no form that is known"):
        recognise(tmp_path / "x.doc")


def test_forms_are_recognised(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "labels.csv").write_text("file,label\n")
    (tmp_path / "jpeg").mkdir()
    (tmp_path / "jpeg" / "train_labels.csv").write_text("index,file,part,clean,aggre,worse\n")
    (tmp_path / "python" / "cifar-10-batches-py").mkdir(parents=True)
    (tmp_path / "python" / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"x")
    found = [recognise(tmp_path / name)[0] for name in ("photos", "labels.csv", "jpeg", "python")]
    assert found == ["folder", "table", "cifar-n", "cifar-n"]


def test_a_third_partys_layout_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    info = LayoutInfo(
        "of others", lambda *given, progress: calls.append(given), lambda path: None, {"speed": "how fast"}
    )

    class Entry:
        name = "theirs"

        def load(self) -> LayoutInfo:
            return info

    monkeypatch.setattr(metadata, "entry_points", lambda *, group: [Entry()] if group == "reweigh.layouts" else [])
    table_of_layouts.index(tmp_path, tmp_path / "c", layout="theirs", options={"speed": 2})
    assert calls == [(tmp_path, tmp_path / "c", {"speed": 2})]


def test_every_layout_says_what_it_is() -> None:
    assert all(info.description and callable(info.index) and callable(info.recognise) for info in LAYOUTS.values())


def test_every_layout_has_its_place_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for name, info in LAYOUTS.items():
        assert f"| [`{name}`](#{name}) |" in page
        assert f"\n## {name}\n" in page
        for option in info.options:
            assert f"`{option}`" in page or f"--{option.removesuffix('s')}" in page or f"--option {option}=" in page


def test_the_folder_above_a_known_set_is_noticed(tmp_path: Path) -> None:
    make_webvision(tmp_path / "sets" / "webvision")
    (tmp_path / "sets" / "other").mkdir()
    with pytest.raises(ReweighError, match=r"sets holds a data set one level down: webvision is webvision \(synsets"):
        index(tmp_path / "sets", tmp_path / "c")
    assert index(tmp_path / "sets", tmp_path / "c", layout="folder").counts["splits"]
