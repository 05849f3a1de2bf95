"""Help and settings are quick: no torch before a command needs it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "timm", "torchvision", "sklearn", "scipy", "faiss", "pyarrow", "pandas", "matplotlib")


def loaded_after(program: str) -> set[str]:
    """Heavy packages in sys.modules after the program ran in a fresh interpreter."""
    tail = f"\nimport sys\nprint('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", program + tail], capture_output=True, text=True, check=True).stdout
    return set(out.rsplit("LOADED", 1)[1].split())


def test_help_imports_nothing_heavy() -> None:
    program = """
from typer.testing import CliRunner
from reweigh.cli.main import app
result = CliRunner().invoke(app, ["--help"])
assert result.exit_code == 0 and "demo" in result.output, result.output
"""
    assert loaded_after(program) == set()


def test_help_of_every_command_imports_nothing_heavy() -> None:
    program = """
from typer.testing import CliRunner
from reweigh.cli.main import COMMANDS, app
for name in COMMANDS:
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0
"""
    assert loaded_after(program) == set()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import reweigh\nassert reweigh.__version__\n") == set()


def test_reading_a_recipe_needs_no_torch() -> None:
    assert "torch" not in loaded_after("from reweigh.runs.recipe import read_recipe\nread_recipe('baseline')\n")
