"""What the command line prints: help, version, progress in a pipe and on a terminal, and which stream it goes to."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import reweigh as package
from reweigh.cli import console
from reweigh.cli.main import COMMANDS
from reweigh.errors import ReweighError

from .conftest import PIXELS, Call, Photos


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(reweigh: Call, command: str) -> None:
    said = reweigh(*command.split(), "--help")

    assert said.status == 0
    assert "Usage: reweigh" in said.out
    assert said.err == ""


def test_help_names_every_stage_the_recipe_that_is_taken_and_where_layouts_are_listed(reweigh: Call) -> None:
    from reweigh.recipes import DEFAULT_RECIPE
    from reweigh.runs.stages import STAGES

    said = " ".join(reweigh("run", "--help").out.replace("│", " ").split())

    for name in ["folder, table", "docs/data.md", DEFAULT_RECIPE, *(stage.split("-")[1] for stage in STAGES)]:
        assert name in said


def test_the_version_needs_no_command(reweigh: Call) -> None:
    assert reweigh("--version").out == f"{package.__version__}\n"


@pytest.mark.parametrize("arguments", [("runn", "photos"), ("run",), ("run", "photos", "--plann"), ("predict", "run")])
def test_a_mistyped_command_is_status_2_without_a_traceback(reweigh: Call, arguments: tuple[str, ...]) -> None:
    said = reweigh(*arguments)

    assert said.status == 2
    assert said.out == ""
    assert "Traceback" not in said.err


def test_python_m_reweigh_is_the_command_and_errors_are_status_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reweigh", "index", "gone"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: No data at")
    assert len(done.stderr.splitlines()) == 1


def test_results_go_to_standard_output_and_the_work_to_standard_error(reweigh: Call, photos: Photos) -> None:
    said = reweigh("run", photos(), "-o", "run", *PIXELS)

    assert [line.split(":")[0] for line in said.out.splitlines()[1:]] == [
        "training images, held out", "test, without weights", "test with weights", "gain of the weights", "model", "verdicts", "report",
    ]  # fmt: skip
    assert "36 images of 3 classes; backbone pixels on cpu in float32, 1 threads" in said.err
    assert "\x1b" not in said.out + said.err


def test_lines_of_progress_are_few_and_end_at_the_last_count(capsys: pytest.CaptureFixture[str]) -> None:
    with console.watched() as progress:
        for done in range(0, 1001, 10):
            progress("features", done, 1000, "5 images/s")
        progress("features", 1000, 1000, "5 images/s")

    assert capsys.readouterr().err == "features: 1,000 of 1,000, 5 images/s\n"


def test_a_stop_from_the_keyboard_is_one_line() -> None:
    def stopped() -> None:
        with console.watched():
            raise KeyboardInterrupt

    with pytest.raises(ReweighError, match="Stopped; the same command goes on where it was"):
        stopped()


def test_a_cell_with_brackets_is_printed_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    console.table([("[red]cat[/red]", "3")])

    assert capsys.readouterr().out.split() == ["[red]cat[/red]", "3"]


def test_a_terminal_gets_bars_that_end_whole(tmp_path: Path) -> None:
    program = (
        "from reweigh.cli import console\n"
        "with console.watched() as progress:\n"
        "    for done in range(0, 51): progress('features', done, 50, f'{done} images/s')\n"
    )
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", program], stderr=follower, env=environment, cwd=tmp_path)
    os.close(follower)
    shown = b""
    try:
        while block := os.read(leader, 4096):
            shown += block
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(leader)

    assert process.wait() == 0
    last = shown.decode().replace("\r", "\n").strip().splitlines()
    assert any("50/50" in line and "50 images/s" in line for line in last[-3:])
