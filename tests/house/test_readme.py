"""What the README shows is what there is: its commands, options, files and first run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")
PAGES = [README, *sorted(README.parent.glob("docs/*.md")), README.parent / "CONTRIBUTING.md"]


def shown_commands() -> list[list[str]]:
    """Every `reweigh ...` line of the README's blocks, without its comment."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    lines = [part.split("#")[0].strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return [shlex.split(line)[1:] for line in lines if line.startswith("reweigh ")]


def test_every_command_shown_exists_with_its_options() -> None:
    from typer.main import get_command

    from reweigh.cli.main import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    shown = shown_commands()
    assert {words[0] for words in shown} >= {"demo", "run", "predict"}
    for name, *words in shown:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert {w for w in words if w.startswith("-")} <= options, f"reweigh {name} {words}"


def test_the_first_block_runs_the_demo_and_a_later_one_the_tests() -> None:
    script = README.parent / "scripts" / "readme_commands.py"
    out = subprocess.run(
        [sys.executable, script, README], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(out) == 2
    assert out[0].endswith("reweigh demo") and "constraints/cpu.txt" in out[0]
    assert out[1].endswith("scripts/test") and "constraints/cpu.txt" in out[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_files_that_the_docs_name_are_there() -> None:
    root, source = README.parent, README.parent / "src" / "reweigh"
    for page in (README.parent / "docs").glob("*.md"):
        for name in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", page.read_text(encoding="utf-8")):
            assert (root / name).is_file() or (source / name).is_file(), f"{page.name} names {name}"


def test_the_pinned_torch_is_in_the_constraint_file_only() -> None:
    assert "torch==" in (README.parent / "constraints" / "cpu.txt").read_text()
    assert "torch==" not in (README.parent / "pyproject.toml").read_text()
