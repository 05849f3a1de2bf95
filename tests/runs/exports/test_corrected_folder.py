"""The corrected copy: each image once, at the place that its verdict says, nothing outside and nothing half."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reweigh.errors import ReweighError
from reweigh.runs.exports import corrected_folder, image_files, judged_run
from reweigh.runs.exports.corrected_folder import place_of
from reweigh.runs.exports.table_of_exports import export

from .conftest import MakeRun, Row

ROWS = (
    Row(file="cat/1.jpg"), Row(file="cat/2.jpg", suggested=1), Row(file="cat/3.jpg", is_none=True),
    Row(file="cat/4.jpg", suggested=2, is_none=True), Row(file="cat/5.jpg", is_unreadable=True), Row(file="dog/1.jpg", label=1),
    Row(file="dog/2.jpg", label=1, suggested=0), Row(file="unlabelled.jpg", label=-1),
)  # fmt: skip


def files_of(folder: Path) -> dict[str, bytes]:
    """Content of every file below the folder, by its path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def content(file: str) -> bytes:
    return Row(file=file).content


def test_kept_labels_are_classes_and_the_others_lie_apart_by_label_given_and_suggested(
    make_run: MakeRun, tmp_path: Path
) -> None:
    made = export(make_run(ROWS), "folder", tmp_path / "out")

    assert files_of(tmp_path / "out") == {
        "cat/1.jpg": content("cat/1.jpg"),
        "dog/1.jpg": content("dog/1.jpg"),
        "_wrong/cat/dog/2.jpg": content("cat/2.jpg"),
        "_wrong/dog/cat/2.jpg": content("dog/2.jpg"),
        "_none_of_the_classes/cat/3.jpg": content("cat/3.jpg"),
        "_none_of_the_classes/cat/4.jpg": content("cat/4.jpg"),
        "_unreadable/cat/5.jpg": content("cat/5.jpg"),
    }
    assert dict(made.lines) == {
        "images that keep their label": "2", "wrong, in _wrong": "2", "none of the classes, in _none_of_the_classes": "2",
        "unreadable, in _unreadable": "1", "made of": "7 relative links",
    }  # fmt: skip
    assert made.notes[0] == "1 images without a label are left out"
    assert "names start with _" in made.notes[1]


def test_correct_moves_flagged_images_into_the_class_suggested(make_run: MakeRun, tmp_path: Path) -> None:
    made = export(make_run(ROWS), "folder", tmp_path / "out", correct=True)

    assert sorted(p for p in files_of(tmp_path / "out") if not p.startswith("_")) == [
        "cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg",
    ]  # fmt: skip
    assert (tmp_path / "out/cat/2.jpg").read_bytes() == content("dog/2.jpg")
    assert dict(made.lines)["moved to the class suggested"] == "2"


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ({}, ("cat",)),
        ({"is_wrong": True}, ("_wrong", "cat", "dog")),
        ({"is_wrong": True, "suggestion": None}, ("_wrong", "cat", "_no_suggestion")),
        ({"is_wrong": True, "suggestion": None, "correct": True}, ("_wrong", "cat", "_no_suggestion")),
        ({"is_wrong": True, "correct": True}, ("dog",)),
        ({"is_wrong": True, "is_none": True, "correct": True}, ("_none_of_the_classes", "cat")),
        ({"is_unreadable": True}, ("_unreadable", "cat")),
        ({"split": "val"}, ("val", "cat")),
        ({"split": "val", "is_wrong": True}, ("_wrong", "val", "cat", "dog")),
        ({"split": "val", "is_wrong": True, "correct": True}, ("val", "dog")),
    ],
)
def test_the_place_of_an_image_follows_from_its_verdict(verdict: dict, expected: tuple[str, ...]) -> None:
    plain = {"is_wrong": False, "is_none": False, "is_unreadable": False, "split": None, "correct": False}
    suggestion = verdict.pop("suggestion", "dog")
    assert place_of("cat", suggestion, **{**plain, **verdict})[1] == expected


def test_splits_stay_apart_so_that_no_test_image_becomes_a_training_image(make_run: MakeRun, tmp_path: Path) -> None:
    rows = [
        Row(file="train/cat/1.jpg"),
        Row(file="test/cat/1.jpg", split="test"),
        Row(file="test/cat/2.jpg", split="test", suggested=1),
    ]
    made = export(make_run(rows), "folder", tmp_path / "out")

    assert sorted(files_of(tmp_path / "out")) == ["_wrong/test/cat/dog/2.jpg", "test/cat/1.jpg", "train/cat/1.jpg"]
    assert made.notes == (), "train/ holds classes only, whatever lies beside it"


def test_images_inside_tars_are_written_out_and_equal_names_are_told_apart(make_run: MakeRun, tmp_path: Path) -> None:
    rows = [
        Row(file="a/1.jpg", in_tar=True), Row(file="b/1.jpg", in_tar=True), Row(file="c/1.jpg"), Row(file="bare", in_tar=True),
    ]  # fmt: skip
    made = export(make_run(rows), "folder", tmp_path / "out")

    files = files_of(tmp_path / "out")
    assert sorted(files.values()) == sorted(row.content for row in rows)
    assert files["cat/1.jpg"] == content("a/1.jpg")
    assert files["cat/bare.jpg"] == content("bare"), "the ending says what the bytes are"
    assert dict(made.lines)["made of"] == "3 written out, 1 relative links"
    assert not [p for p in (tmp_path / "out").rglob("bare*") if p.is_symlink()]


def test_links_are_relative_and_survive_a_move_of_everything(make_run: MakeRun, tmp_path: Path) -> None:
    export(make_run(ROWS), "folder", tmp_path / "deep" / "out")
    (tmp_path / "moved").mkdir()
    for name in ("photos", "deep"):
        shutil.move(tmp_path / name, tmp_path / "moved" / name)

    link = tmp_path / "moved/deep/out/cat/1.jpg"
    assert link.is_symlink()
    assert str(link.readlink()) == "../../../photos/cat/1.jpg"
    assert link.read_bytes() == content("cat/1.jpg")


def test_a_link_into_a_folder_that_is_itself_a_link_leads_to_the_image(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far/away")

    export(run, "folder", tmp_path / "near/out")

    assert (tmp_path / "near/out/cat/1.jpg").read_bytes() == content("cat/1.jpg")


HOSTILE = ("../../cat", "/cat", "..", "_wrong", "a/b", "Cat", "cat", "c" * 300, "new\nline", "", "c:\\d", "\u202ecat")


def test_no_class_name_leaves_the_folder_and_none_is_merged_with_another(make_run: MakeRun, tmp_path: Path) -> None:
    rows = [Row(file=f"{i}.jpg", label=i) for i in range(len(HOSTILE))]
    run = make_run(rows, HOSTILE)
    before = {p for p in tmp_path.rglob("*") if not p.is_relative_to(tmp_path / "out")}

    made = export(run, "folder", tmp_path / "out")

    assert {p for p in tmp_path.rglob("*") if not p.is_relative_to(tmp_path / "out")} == before
    files = files_of(tmp_path / "out")
    assert sorted(files.values()) == sorted(row.content for row in rows)
    folders = [Path(p).parts[0].casefold() for p in files]
    assert all(len(Path(p).parts) == 2 for p in files)
    assert len(set(folders)) == len(HOSTILE)
    assert "_wrong" not in folders
    assert made.notes[0].startswith("11 class names cannot name a folder and were changed: '../../cat' is '_._cat', ")


@pytest.mark.parametrize(
    "name", ["../../../escape.jpg", "/abs.jpg", "..", "a/../../b.jpg", "x" * 300 + ".jpg", "\x01\n.jpg"]
)
def test_no_uid_leaves_the_folder(name: str, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run([Row(file=name, in_tar=True), Row(file="plain.jpg", in_tar=True)])

    export(run, "folder", tmp_path / "out")

    files = files_of(tmp_path / "out")
    assert sorted(files.values()) == sorted([content(name), content("plain.jpg")])
    assert {p.split("/")[0] for p in files} == {"cat"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "photos", "run"]


def test_images_that_are_gone_are_named_and_counted_before_anything_is_written(
    make_run: MakeRun, tmp_path: Path
) -> None:
    rows = [Row(file=f"cat/{i}.jpg") for i in range(9)]
    run = make_run(rows)
    for i in range(5):
        (tmp_path / f"photos/cat/{i}.jpg").unlink()

    with pytest.raises(
        ReweighError, match=r"^5 of 9 images are not below .*photos any more \(cat/0.jpg, cat/1.jpg, cat/2.jpg ...\)"
    ):
        export(run, "folder", tmp_path / "out")

    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos", "run"]


def test_a_tar_that_was_cut_counts_as_images_that_are_gone(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run([Row(file="1.jpg", in_tar=True), Row(file="2.jpg", in_tar=True)])
    tar = tmp_path / "photos/images.tar"
    tar.write_bytes(tar.read_bytes()[:-1])

    with pytest.raises(ReweighError, match=r"^1 of 2 images are not below .* any more \(2.jpg\)"):
        export(run, "folder", tmp_path / "out")


def test_an_image_that_was_unreadable_may_be_gone(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(
        [Row(file="cat/1.jpg"), Row(file="cat/2.jpg", is_unreadable=True), Row(file="cat/3.jpg", is_unreadable=True)]
    )
    (tmp_path / "photos/cat/2.jpg").unlink()
    (tmp_path / "photos/cat/3.jpg").unlink()
    (tmp_path / "photos/cat/3.jpg").mkdir()

    made = export(run, "folder", tmp_path / "out")

    assert list(files_of(tmp_path / "out")) == ["cat/1.jpg"]
    assert dict(made.lines)["unreadable, and not there: left out"] == "2"


def test_a_stopped_export_leaves_nothing_and_the_next_one_is_whole(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(ROWS)
    put, calls = image_files.put_image, []

    def stopped(*arguments: object, **named: object) -> object:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return put(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(corrected_folder, "put_image", stopped)
        export(run, "folder", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos", "run"]
    (tmp_path / "out.partial/cat").mkdir(parents=True)  # as a killed process leaves it
    (tmp_path / "out.partial/cat/9.jpg").write_bytes(b"half")

    export(run, "folder", tmp_path / "out")

    assert len(files_of(tmp_path / "out")) == 7
    assert not (tmp_path / "out.partial").exists()


def test_many_blocks_make_the_same_folder_as_one(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(ROWS)
    export(run, "folder", tmp_path / "whole")
    monkeypatch.setattr(judged_run, "BLOCK", 2)

    export(run, "folder", tmp_path / "blocks")

    assert files_of(tmp_path / "blocks") == files_of(tmp_path / "whole")
