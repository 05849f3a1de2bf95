"""The commands of docs/reproduce.md on miniatures of their sets: indexed and evaluated for real, trained by --plan."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Call
from tests.layouts.test_aliproducts import aliproducts
from tests.layouts.test_clothing1m import clothing
from tests.layouts.test_food101n import food, food101
from tests.layouts.test_imagenet import imagenet
from tests.layouts.webvision_miniature import make_webvision, make_webvision_2

from reweigh.evaluation.submission import read_submission

PAGE = Path(__file__).parents[2] / "docs" / "reproduce.md"
MAKERS: dict[str, Callable[[Path], object]] = {
    "WEBVISION": make_webvision,
    "WEBVISION2": make_webvision_2,
    "IMAGENET": imagenet,
    "ALIPRODUCTS": aliproducts,
    "CLOTHING1M": clothing,
    "FOOD101N": food,
    "FOOD101": food101,
}
QUICK = [
    f"--set={change}"
    for change in ("backbone.name=pixels", "backbone.input_size=8", "evidence.n_folds=2", "images.unreadable_limit=0.5")
]
PLANNED = [f"--set=finetune.{change}" for change in ("network.name=resnet10t", "network.input_size=32", "start=random")]
"""What makes the plan of a network of 2017 one of seconds, and needs no published weights."""


def commands() -> dict[str, list[str]]:
    """Heading -> its commands."""
    parts = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.splitlines()[0]: "".join(re.findall(r"```\n(.*?)```", part, re.DOTALL)).splitlines() for part in parts}


def all_before(heading: str) -> list[str]:
    """The commands of earlier headings that make catalogs which this one's read, and its own."""
    own, before = commands()[heading], []
    for name, lines in commands().items():
        if name == heading:
            break
        before += [
            line for line in lines if line.startswith("reweigh index") and any(line.split()[-1] in o for o in own)
        ]
    return before + own


def made(word: str, folder: Path) -> str:
    """The word, a miniature of the set in its place where it names one."""
    name = word.removeprefix("test=")
    if name in MAKERS and not (folder / name).exists():
        MAKERS[name](folder / name)
    return word


@pytest.mark.parametrize("heading", commands())
def test_the_commands_are_right(heading: str, reweigh: Call, tmp_path: Path) -> None:
    for line in all_before(heading):
        words = [made(word, tmp_path) for word in shlex.split(line)[1:]]
        if words[0] == "run":
            planned = reweigh(*words, *QUICK, *PLANNED, "--plan")
            assert planned.status == 0, (line, planned.err)
            assert "training" in planned.out
            output = words[words.index("-o") + 1]
            said = reweigh("run", words[1], "--recipe", "baseline", *QUICK, "-o", output)
        elif words[0] == "check":
            said = reweigh(*words, *QUICK)
        else:
            said = reweigh(*words)
        assert said.status == 0, (line, said.err)
        if "--submission" in words:
            names, _ = read_submission(tmp_path / words[-1])
            assert names == ["test000001.jpg", "test000002.jpg"]
