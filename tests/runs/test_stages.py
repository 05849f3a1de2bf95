"""Stages: once, whole or not at all, made anew exactly when something they read changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from reweigh.errors import ReweighError
from reweigh.runs.stages import Stage, complete, forget, hash_of


def counted(calls: list[int], value: int = 1) -> Stage:
    def make(folder: Path, workspace: Path) -> list[str]:
        calls.append(value)
        (folder / "result").write_text(str(value))
        return [f"made {value}"]

    return Stage(name="02-evidence", reads={"value": value}, make=make)


def test_a_stage_is_made_once_and_its_notes_are_kept(tmp_path: Path) -> None:
    calls: list[int] = []
    first = complete(counted(calls), tmp_path)
    again = complete(counted(calls), tmp_path)
    assert calls == [1]
    assert (first.reused, again.reused) == (False, True)
    assert again.notes == ("made 1",)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["02-evidence"]


def test_a_stage_that_reads_something_else_is_made_anew(tmp_path: Path) -> None:
    calls: list[int] = []
    complete(counted(calls, 1), tmp_path)
    done = complete(counted(calls, 2), tmp_path)
    assert calls == [1, 2]
    assert (done.folder / "result").read_text() == "2"


def test_a_failing_stage_leaves_no_folder_of_its_name_but_its_workspace(tmp_path: Path) -> None:
    def make(folder: Path, workspace: Path) -> list[str]:
        (folder / "half").write_text("")
        if (workspace / "part").exists():
            return ["went on"]
        (workspace / "part").write_text("done")
        raise RuntimeError("power cut")

    stage = Stage(name="02-evidence", reads={}, make=make)
    with pytest.raises(RuntimeError, match="power cut"):
        complete(stage, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["02-evidence.work"]
    assert complete(stage, tmp_path).notes == ("went on",)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["02-evidence"]


def test_unfinished_work_of_another_hash_is_thrown_away(tmp_path: Path) -> None:
    seen: list[bool] = []

    def make(folder: Path, workspace: Path) -> list[str]:
        seen.append((workspace / "part").exists())
        (workspace / "part").write_text("")
        raise RuntimeError

    for value in (1, 1, 2):
        with pytest.raises(RuntimeError):
            complete(Stage(name="02-evidence", reads={"value": value}, make=make), tmp_path)
    assert seen == [False, True, False]


def test_forget_takes_the_word_or_the_folder_and_refuses_others(tmp_path: Path) -> None:
    calls: list[int] = []
    complete(counted(calls), tmp_path)
    forget(tmp_path, "evidence")
    complete(counted(calls), tmp_path)
    forget(tmp_path, "02-evidence")
    complete(counted(calls), tmp_path)
    assert calls == [1, 1, 1]
    with pytest.raises(
        ReweighError, match=r"No stage named 'evidenc'; there are: features, evidence, .*Did you mean 'evidence'"
    ):
        forget(tmp_path, "evidenc")


def test_a_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert hash_of({"a": 1, "b": [1, 2]}) == hash_of({"b": [1, 2], "a": 1})
    assert hash_of({"a": 1}) != hash_of({"a": 2})
