"""The command line called in this process: its exit status, and what it printed on either stream."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reweigh.cli.main import main
from reweigh.runs.recipe import read_recipe
from reweigh.runs.run import run
from reweigh.runs.source import Source

PIXELS = ("--set", "backbone.name=pixels", "--set", "backbone.input_size=6", "--set", "threads=1")
TEMPORARY = (".partial", ".work", ".lock")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command left behind on its streams."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an error, after checks that it is one line, the last, with exit status 2."""
        lines = self.err.splitlines()
        assert self.status == 2, (self.status, self.out, self.err)
        assert [n for n, line in enumerate(lines) if line.startswith("error: ")] == [len(lines) - 1], self.err
        assert "Traceback" not in self.err
        assert self.out == ""
        return lines[-1].removeprefix("error: ")


Call = Callable[..., Said]
Photos = Callable[..., Path]


@pytest.fixture
def reweigh(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Call the command with these arguments, standing in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["reweigh", *map(str, arguments)])
        status: object = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code
        printed = capsys.readouterr()
        return Said(status=int(str(status or 0)), out=printed.out, err=printed.err)

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    """Make a folder of images: noise about a grey level a class."""

    def make(
        name: str = "photos", classes: Sequence[str] = ("dark", "grey", "light"), n: int = 12, seed: int = 0
    ) -> Path:
        write_photos(tmp_path / name, classes, n=n, seed=seed)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos` and a finished run on them, `run`."""
    folder = tmp_path_factory.mktemp("made_once")
    write_photos(folder / "photos", ("dark", "grey", "light"), n=12)
    recipe = read_recipe("baseline", [change for change in PIXELS if change != "--set"])
    run(Source(path=folder / "photos"), recipe, output=folder / "run")
    return folder


@pytest.fixture
def finished(made_once: Path, tmp_path: Path) -> Path:
    """The images of a finished run, whose folder is moved to where the test stands, as `run`."""
    shutil.copytree(made_once / "run", tmp_path / "run")
    return made_once / "photos"


def write_photos(folder: Path, classes: Sequence[str], *, n: int, seed: int = 0) -> None:
    """`n` PNGs of 8 x 8 pixels in each class folder."""
    generator = np.random.default_rng(seed)
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(n):
            level = 40 + 170 * label / max(len(classes) - 1, 1)
            pixels = np.clip(level + 20 * generator.standard_normal((8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")


def files_below(folder: Path) -> set[str]:
    """Relative paths of everything below the folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def half_written(folder: Path) -> list[str]:
    """What an unfinished command would have left: partial files and folders, workspaces, locks."""
    return sorted(name for name in files_below(folder) if name.endswith(TEMPORARY))
