"""What a user can get wrong about settings and runs: one line that says so, status 2, and nothing left behind."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from reweigh.timm_import import timm as load_timm

from .conftest import PIXELS, Call, Photos, files_below, half_written, write_photos

SETTINGS: dict[str, tuple[tuple[str, ...], str]] = {
    "recipe by a wrong name": (("--recipe", "baselin"), "No recipe named 'baselin'; there are: auto, balance, baseline"),
    "recipe file that is not there": (("--recipe", "mine.toml"), "No recipe file mine.toml"),
    "key that there is not": (("--set", "backbone.nam=pixels"), "No setting backbone.nam. Did you mean 'backbone.name'"),
    "group that there is not": (("--set", "bakcbone.name=pixels"), "No setting bakcbone. Did you mean 'backbone'"),
    "no value": (("--set", "backbone.name"), "--set takes KEY=VALUE, such as backbone.name=resnet50; found 'backbone.name'"),
    "value of another type": (("--set", "seed=many"), "seed = 'many' does not fit"),
    "value out of range": (("--set", "evidence.n_folds=1"), "evidence.n_folds"),
    "device that is not here": (("--set", "device=cuda:7"), "cuda"),
    "device that there is not": (("--set", "device=gpu"), "gpu"),
    "backbone that there is not": (("--set", "backbone.name=resnet5O"), "No backbone named 'resnet5O' in timm"),
    "local folder that is not there": (("--set", "backbone.name=local-dir:gone"), "gone"),
    "stage that there is not": (("--redo", "feature"), "weights, targets, training, metrics. Did you mean 'features'"),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_that_does_not_fit_says_which_and_what_is_near(
    reweigh: Call, photos: Photos, tmp_path: Path, case: str
) -> None:
    changes, expected = SETTINGS[case]
    folder = photos(n=2)
    before = files_below(tmp_path)

    said = reweigh("run", folder, *changes)

    assert expected in said.error
    assert len(said.err.splitlines()) == 1
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("name", ["resnet50", "tf_efficientnet_lite0", "hf-hub:timm/resnet18.a1_in1k", "auto"])
def test_weights_that_are_not_here_are_said_to_be_missing_at_once(
    reweigh: Call, photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = photos(n=2)
    load_timm()  # what is timed is the answer, not the import
    began = time.monotonic()

    said = reweigh("run", folder, "-o", "run", "--set", f"backbone.name={name}")

    assert "are not on this machine" in said.error
    assert "backbone.name=local-dir:FOLDER" in said.error
    assert time.monotonic() - began < 10
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_never_written_into(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    folder = photos()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("dear")
    before = files_below(tmp_path)

    assert "mine exists and is not a run" in reweigh("run", folder, "-o", "mine", *PIXELS).error
    assert "mine exists and is not a run" in reweigh("run", folder, "-o", "mine", "--plan", *PIXELS).error
    assert "file is a file; a run is a folder" in reweigh("run", folder, "-o", "file", *PIXELS).error
    assert files_below(tmp_path) == before


def test_other_data_or_other_options_in_a_runs_folder_are_refused(
    reweigh: Call, photos: Photos, tmp_path: Path
) -> None:
    first, second = photos("first"), photos("second", seed=1)
    assert reweigh("run", first, "-o", "run", *PIXELS).status == 0
    before = files_below(tmp_path)

    assert (
        f"run holds a run on {first}, not on {second}; give another -o"
        in reweigh("run", second, "-o", "run", *PIXELS).error
    )
    assert "not on" in reweigh("run", second, "-o", "run", "--plan", *PIXELS).error
    assert "the same data with other options" in reweigh("run", first, "-o", "run", "--no-hash", *PIXELS).error
    assert files_below(tmp_path) == before


def test_a_run_that_another_process_works_in_is_named_with_its_process(
    reweigh: Call, finished: Path, tmp_path: Path
) -> None:
    lock = tmp_path / "run" / "run.lock"

    lock.write_text(json.dumps({"host": "elsewhere", "process": 17, "started": "1"}))
    said = reweigh("run", finished, "-o", "run", *PIXELS)

    assert "is used by process 17 on host elsewhere" in said.error
    assert f"remove {Path('run') / 'run.lock'} and run again" in said.error
    assert lock.is_file()


def test_a_lock_whose_process_has_ended_is_taken_over(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    folder = photos()
    (tmp_path / "run").mkdir()
    ended = {"host": socket.gethostname(), "process": 2**22 + 1, "started": "1"}
    (tmp_path / "run" / "run.lock").write_text(json.dumps(ended))

    assert reweigh("run", folder, "-o", "run", *PIXELS).status == 0
    assert not half_written(tmp_path)


def test_a_plan_writes_nothing(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    folder = photos()
    before = files_below(tmp_path)

    said = reweigh("run", folder, "--plan", *PIXELS)

    assert said.status == 0
    assert files_below(tmp_path) == before
    for word in ("output", "images", "backbone", "disk", "memory", "extraction"):
        assert f"\n{word} " in f"\n{said.out}"


def test_a_stage_is_made_anew_and_those_before_it_are_not(reweigh: Call, photos: Photos) -> None:
    folder = photos()
    first = reweigh("run", folder, "-o", "run", *PIXELS)

    again = reweigh("run", folder, "-o", "run", "--redo", "training", *PIXELS)

    assert again.status == 0
    assert again.out == first.out
    assert "unchanged, used again: 01-features, 02-evidence, 03-verdicts, 03-weights, 05-metrics" in again.err


def test_a_run_is_data_too(reweigh: Call, finished: Path) -> None:

    on = reweigh("run", "run", *PIXELS)
    elsewhere = reweigh("run", "run", "-o", "second", *PIXELS)

    assert (on.status, elsewhere.status) == (0, 0)
    assert "unchanged, used again" in on.err
    assert "unchanged, used again" not in elsewhere.err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_cache_without_permission_names_the_option(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o555)

    assert "--cache" in reweigh("run", photos(), "--cache", cache, *PIXELS).error


def test_a_cache_that_cannot_be_written_names_the_option(
    reweigh: Call, photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Path.mkdir

    def mkdir(path: Path, *rest: object, **named: object) -> None:
        if "cache" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        made(path, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", mkdir)

    said = reweigh("run", photos(), "-o", "run", "--cache", tmp_path / "cache", *PIXELS)

    assert "permission denied. Give another place with --cache FOLDER" in said.error
    assert not half_written(tmp_path)


def test_a_cache_that_is_a_file_is_said_to_be_one(reweigh: Call, photos: Photos, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")

    assert "--cache" in reweigh("run", photos(), "-o", "run", "--cache", tmp_path / "cache", *PIXELS).error


@pytest.mark.parametrize("command", [("report", "x"), ("evaluate", "x"), ("predict", "x", "photos")])
def test_a_folder_that_is_no_run_is_said_to_be_none(
    reweigh: Call, photos: Photos, tmp_path: Path, command: tuple[str, ...]
) -> None:
    photos(n=1)

    assert "x is not a run" in reweigh(*command).error


@pytest.mark.parametrize("command", [("report", "run"), ("evaluate", "run"), ("predict", "run", "photos")])
def test_a_run_that_is_not_finished_says_how_to_go_on(
    reweigh: Call, finished: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "run" / "metrics.json").unlink()
    (tmp_path / "run" / "model" / "config.json").unlink()
    before = files_below(tmp_path)

    assert "reweigh run run" in reweigh(*command).error
    assert files_below(tmp_path) == before


def test_predictions_of_nothing_and_to_nowhere_are_refused(reweigh: Call, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "notes.pdf").write_text("no image")
    (tmp_path / "p.csv").mkdir()
    before = files_below(tmp_path)

    assert "Nothing at gone" in reweigh("predict", "run", "gone").error
    assert "No images at nothing" in reweigh("predict", "run", "nothing").error
    assert "notes.pdf is no image by its ending" in reweigh("predict", "run", "notes.pdf").error
    assert (
        "Predictions are written as .csv or .parquet; found 'p.xlsx'"
        in reweigh("predict", "run", finished, "-o", "p.xlsx").error
    )
    assert "p.csv is a folder; name a file in it" in reweigh("predict", "run", finished, "-o", "p.csv").error
    assert files_below(tmp_path) == before
    assert reweigh("predict", "run", finished, "-o", "new/folder/P.CSV").status == 0
    assert (tmp_path / "new" / "folder" / "P.CSV").is_file()


def test_data_of_other_classes_is_no_measure_of_the_model(
    reweigh: Call, photos: Photos, finished: Path, tmp_path: Path
) -> None:
    other = photos("other", classes=("dark", "blue"), n=2)

    said = reweigh("evaluate", "run", "--on", other).error

    assert "The data has 1 of 2 classes that the model does not know: blue. The model knows: dark, grey, light." in said
    assert "No data at gone" in reweigh("evaluate", "run", "--on", "gone").error
    assert "run is a run" in reweigh("evaluate", "run", "--on", "run").error
    assert not half_written(tmp_path)


def test_another_folder_of_the_same_name_is_measured_for_itself(
    reweigh: Call, photos: Photos, finished: Path, tmp_path: Path
) -> None:
    write_photos(tmp_path / "a" / "test", ("dark", "grey", "light"), n=3, seed=5)
    write_photos(
        tmp_path / "b" / "test", ("light", "grey", "dark"), n=4, seed=5
    )  # the levels of dark and light change places

    right, wrong = reweigh("evaluate", "run", "--on", "a/test").out, reweigh("evaluate", "run", "--on", "b/test").out

    assert "all labelled): agreement       9  100.0" in right
    assert "all labelled): agreement      12   33.3" in wrong


def test_a_page_is_not_written_over_a_folder(reweigh: Call, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()

    assert "pages is a folder; name a file in it" in reweigh("report", "run", "-o", "pages").error
    assert reweigh("report", "run").status == 0
    assert reweigh("report", "run", "-o", "pages/mine.html").status == 0
    assert (tmp_path / "pages" / "mine.html").read_bytes() == (tmp_path / "run" / "report.html").read_bytes()


def test_other_settings_in_the_same_folder_make_anew_what_reads_them(reweigh: Call, finished: Path) -> None:

    changed = reweigh("run", finished, "-o", "run", *PIXELS, "--set", "evidence.n_folds=3")

    assert changed.status == 0
    assert "unchanged, used again: 01-features" in changed.err.splitlines()
