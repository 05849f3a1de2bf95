"""What a user can get wrong about data: one line that says so, status 2, and nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .conftest import PIXELS, Call, Photos, files_below, half_written


def refused(reweigh: Call, folder: Path, *arguments: object) -> str:
    """The error of a command that leaves everything below `folder` as it was."""
    before = files_below(folder)
    said = reweigh(*arguments).error
    assert files_below(folder) == before
    return said


@pytest.mark.parametrize("command", [("index",), ("run", *PIXELS), ("run", "--plan", *PIXELS)])
def test_data_that_is_not_there_is_said_to_be_missing(reweigh: Call, tmp_path: Path, command: tuple[str, ...]) -> None:
    assert "No data at" in refused(reweigh, tmp_path, *command, "no-such-folder")


@pytest.mark.parametrize("command", [("index",), ("run", *PIXELS), ("run", "--plan", *PIXELS)])
def test_an_empty_folder_says_what_was_looked_for(reweigh: Call, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "nothing").mkdir()

    said = refused(reweigh, tmp_path, *command, "nothing")

    assert "is empty: looked for a folder a class with images in it; found nothing" in said


@pytest.mark.parametrize("command", [("index",), ("run", *PIXELS)])
def test_images_without_class_folders_say_what_to_do(
    reweigh: Call, photos: Photos, tmp_path: Path, command: tuple[str, ...]
) -> None:
    loose = photos() / "dark"

    said = refused(reweigh, tmp_path, *command, loose)

    assert "12 images but no folder a class; sort them into folders, or give a table" in said


def test_class_folders_without_an_image_are_an_error(reweigh: Call, tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "notes.txt").write_text("no image")

    assert "No images in" in refused(reweigh, tmp_path, "run", "photos", *PIXELS)


def test_mended_data_goes_into_the_folder_that_was_refused_before(
    reweigh: Call, photos: Photos, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    assert reweigh("run", "photos", "-o", "run", *PIXELS).error
    photos("photos")

    assert reweigh("run", "photos", "-o", "run", *PIXELS).status == 0


def test_a_class_without_images_is_a_warning_that_both_commands_print(reweigh: Call, photos: Photos) -> None:
    (photos() / "unseen").mkdir()

    indexed, ran = reweigh("index", "photos"), reweigh("run", "photos", *PIXELS)

    assert (indexed.status, ran.status) == (0, 0)
    assert "1 of 4 classes have no image: unseen" in indexed.out
    assert "note: 1 of 4 classes have no image: unseen" in ran.err


def table(folder: Path, *rows: str, names: str = "file,label") -> Path:
    """A table beside three classes of images."""
    path = folder / "labels.csv"
    path.write_text("\n".join([names, *rows]) + "\n")
    return path


TABLES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], str]] = {
    "column that the table lacks": (
        "file,klass", ("dark/000.png,0",), ("--column", "label=class"), "no column 'class' for label; it has: file, klass",
    ),
    "column of ours that there is not": (
        "file,label", ("dark/000.png,0",), ("--column", "lable=label"), "no column of ours is named 'lable'. Did you mean 'label'",
    ),
    "column without an equals sign": ("file,label", ("dark/000.png,0",), ("--column", "label"), "--column takes OURS=THEIRS"),
    "no label": ("file,title", ("dark/000.png,a",), (), "has no column 'label'; it has: file, title"),
    "no rows": ("file,label", (), (), "labels.csv"),
    "label below -1": ("file,label", ("dark/000.png,-2", "dark/001.png,0"), (), "2 different labels run from -2 to 0"),
    "uid twice": ("uid,file,label", ("a,dark/000.png,0", "a,grey/000.png,1"), (), "'a'"),
    "most images missing": (
        "file,label", ("dark/000.png,0", "gone/a.png,1", "gone/b.png,1"), (), "2 of the 3 images of",
    ),
    "wrong layout for the option": ("file,label", ("dark/000.png,0",), ("--labels", "worse"), "Layout table takes no 'labels'"),
    "tar that is not there": ("file,label", ("dark/000.png,0",), ("--tar", "gone.tar"), "gone.tar"),
}  # fmt: skip


@pytest.mark.parametrize("command", [("index",), ("run", *PIXELS)])
@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_does_not_fit_says_where(
    reweigh: Call, photos: Photos, tmp_path: Path, case: str, command: tuple[str, ...]
) -> None:
    names, rows, options, expected = TABLES[case]
    path = table(photos(), *rows, names=names)

    assert expected in refused(reweigh, tmp_path, *command, path, *options)


def test_a_label_beyond_the_class_list_names_the_image(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    path = table(photos(), "dark/000.png,0", "grey/000.png,7")
    (path.parent / "classes.csv").write_text("label,name\n0,dark\n1,grey\n")

    said = refused(reweigh, tmp_path, "run", path, *PIXELS)

    assert "label '7' of 'grey/000.png' is no class; labels are 0..1" in said


def test_a_few_missing_files_are_counted_not_refused(reweigh: Call, photos: Photos) -> None:
    rows = [f"{name}/{n:03d}.png,{name}" for name in ("dark", "grey", "light") for n in range(12)]
    path = table(photos(), *rows, "dark/gone.png,dark")

    said = reweigh("index", path)

    assert said.status == 0
    assert "36 (train 36)" in said.out
    assert "dark/gone.png" in said.out


@pytest.mark.parametrize("command", [("index",), ("run", *PIXELS)])
def test_an_unknown_layout_lists_those_there_are(
    reweigh: Call, photos: Photos, tmp_path: Path, command: tuple[str, ...]
) -> None:
    said = refused(reweigh, tmp_path, *command, photos(), "--layout", "foldr")

    assert "No layout named 'foldr'; there are: webvision, " in said
    assert "Did you mean 'folder'" in said


def test_labels_of_cifar_n_that_there_are_not_are_listed(reweigh: Call, tmp_path: Path, shared_data: Path) -> None:
    said = refused(reweigh, tmp_path, "index", shared_data / "cifar10n", "--labels", "worst")

    assert "worst" in said
    assert "worse" in said


def test_an_index_never_writes_over_what_is_there(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    photos()
    assert reweigh("index", "photos").status == 0

    assert "exists; a catalog is never rewritten in place" in refused(reweigh, tmp_path, "index", "photos")
    assert "is a catalog already" in refused(reweigh, tmp_path, "index", "photos.catalog", "-o", "again")


def test_more_unreadable_images_than_allowed_stop_the_run_and_say_which_setting(
    reweigh: Call, photos: Photos, tmp_path: Path
) -> None:
    folder = photos()
    for number in range(4):
        (folder / "dark" / f"{number:03d}.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing %d" % number)

    said = reweigh("run", folder, "-o", "run", *PIXELS)

    assert "images.unreadable_limit" in said.error
    assert not (tmp_path / "run" / "01-features").exists()
    assert not list((tmp_path / "run").rglob("*.partial"))
    allowed = reweigh("run", folder, "-o", "run", *PIXELS, "--set", "images.unreadable_limit=0.5")
    assert allowed.status == 0
    assert "4 of 36 images could not be read" in allowed.err


@pytest.mark.parametrize(
    ("classes", "n"), [(("a", "b"), 1), (("a",), 1), (("a",), 12), (("a", "b", "c", "d"), 1), (("a", "b"), 2)]
)
def test_a_handful_of_images_makes_a_run_or_one_line(
    reweigh: Call, photos: Photos, tmp_path: Path, classes: tuple[str, ...], n: int
) -> None:
    folder = photos(classes=classes, n=n)

    said = reweigh("run", folder, "-o", "run", *PIXELS)

    if said.status:
        assert said.error
    else:
        assert (tmp_path / "run" / "report.html").is_file()
        assert reweigh("predict", "run", folder).status == 0
        assert reweigh("evaluate", "run").status == 0
    assert not half_written(tmp_path)


def test_data_that_changed_since_is_refused_and_named(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    folder = photos()
    assert reweigh("run", folder, "-o", "run", *PIXELS).status == 0
    shutil.copy(folder / "dark" / "000.png", folder / "dark" / "new.png")

    said = refused(reweigh, tmp_path, "run", folder, "-o", "run", *PIXELS)

    assert "has changed since run indexed it" in said


def test_a_run_inside_of_its_data_is_no_change_of_the_data(
    reweigh: Call, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos()
    monkeypatch.chdir(folder)
    assert reweigh("run", ".", *PIXELS).status == 0

    again = reweigh("run", ".", *PIXELS)

    assert again.status == 0
    assert (
        "unchanged, used again: 01-features, 02-evidence, 03-verdicts, 03-weights, 04-training, 05-metrics" in again.err
    )
