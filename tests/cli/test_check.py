"""`reweigh check` at the command line: what it prints, and one line for each kind of data that it cannot judge."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .conftest import PIXELS, Call, Photos, files_below


def test_it_prints_small_tables_and_what_to_do_next(reweigh: Call, photos: Photos) -> None:
    said = reweigh("check", photos(n=30), *PIXELS)

    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert [line.split("  ")[0] for line in lines[:5]] == [
        "labels judged", "estimated wrong", "flagged as wrong", "show none of the classes", "agree with held-out predictions",
    ]  # fmt: skip
    assert lines[-4:] == [
        "page:     reweigh-photos/report.html",
        "verdicts: reweigh-photos/verdicts.csv",
        "next:     reweigh run reweigh-photos",
        "next:     reweigh export reweigh-photos --to folder",
    ]
    assert said.err.splitlines()[-1].startswith("checked 90 labelled images in ")
    assert "\x1b" not in said.out + said.err


def test_run_goes_on_where_check_stopped(reweigh: Call, photos: Photos) -> None:
    data = photos()
    assert reweigh("check", data, *PIXELS).status == 0

    said = reweigh("run", data)

    assert said.status == 0, said.err
    assert "backbone pixels" in said.err
    assert "unchanged, used again: 01-features, 02-evidence" in said.err


def test_a_checked_run_says_that_nothing_was_trained(reweigh: Call, photos: Photos) -> None:
    data = photos()
    reweigh("check", data, "-o", "run", *PIXELS)

    assert reweigh("predict", "run", data).error == "The run run was checked, not trained; go on with: reweigh run run"
    assert reweigh("report", "run").status == 0
    assert "note: checked, not trained" in reweigh("evaluate", "run").err


def test_the_cost_can_be_asked_before(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    data, before = photos(), files_below(tmp_path)
    said = reweigh("check", data, "--plan", *PIXELS)
    assert "extraction" in said.out
    assert files_below(tmp_path) == before | files_below(tmp_path) - {"reweigh-photos"}


def test_one_class_is_looked_at_and_told_what_it_needs(reweigh: Call, photos: Photos) -> None:
    said = reweigh("check", photos(classes=("dark",)), *PIXELS)

    assert said.status == 0, said.err
    assert "labels judged" in said.out
    assert "none: there is no other class to compare with" in said.out
    assert "review:   reweigh-photos/review.csv" in said.out
    assert "note: all labels are 'dark': with nothing to compare, no label can be called wrong." in said.err
    assert "Traceback" not in said.err


def test_a_folder_of_loose_images_is_told_to_name_the_folder_above(reweigh: Call, photos: Photos) -> None:
    loose = photos() / "dark"
    assert f"name the folder above it: {loose.parent}" in reweigh("check", loose, *PIXELS).error


def test_classes_of_few_images_are_named(reweigh: Call, photos: Photos) -> None:
    data = photos(n=12)
    for path in sorted((data / "grey").iterdir())[3:]:
        path.unlink()

    said = reweigh("check", data, *PIXELS)

    assert said.status == 0, said.err
    assert "note: 1 class has fewer than 5 images to learn from and can only be judged weakly: grey (3)" in said.err


def test_fewer_groups_than_folds_is_an_error_before_any_work(reweigh: Call, photos: Photos) -> None:
    assert (
        "5 folds need as many groups of labelled images, found 4"
        in reweigh("check", photos(n=2, classes=("a", "b")), *PIXELS).error
    )


def table(folder: Path, photos: Path, *rows: str) -> Path:
    path = photos / "labels.csv"
    path.write_text("\n".join(["file,label,group", *rows]) + "\n")
    return path


def test_no_labels_at_all_and_one_group_of_everything_are_errors(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    data = photos(n=6)
    files = [path.relative_to(data) for path in sorted(data.glob("*/*.png"))]
    none = table(tmp_path, data, *(f"{file},," for file in files))
    assert "has no label at all" in reweigh("check", none, "-o", "none", *PIXELS).error
    one = table(tmp_path, data, *(f"{file},{file.parent.name},g" for file in files))
    assert "are in one group (column group)" in reweigh("check", one, "-o", "one", *PIXELS).error


def test_all_labels_equal_among_several_names_is_a_lone_class(reweigh: Call, photos: Photos) -> None:
    data = photos(n=6)
    for name in ("grey", "light"):
        shutil.rmtree(data / name)
        (data / name).mkdir()

    said = reweigh("check", data, *PIXELS)

    assert said.status == 0, said.err
    assert "note: all labels are 'dark'" in said.err


@pytest.mark.parametrize("words", [("--recipe", "nothing"), ("--set", "evidence.n_fold=3")])
def test_mistakes_in_settings_are_one_line(reweigh: Call, photos: Photos, words: tuple[str, ...]) -> None:
    assert reweigh("check", photos(), *words).error
