"""The house: imports run downwards only, and a few rooms have one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "reweigh"
LAYERS = (  # from top to ground, as in docs/architecture.md
    "__main__", "cli", "runs", "report", "evaluation", "training", "targets", "testing", "weighers", "evidence", "verdicts", "webify", "probes",
    "optimization", "metrics", "features", "layouts", "images", "text", "catalog", "recipes", "timm_import", "ranks",
    "whole_files", "cores", "progress", "errors",
)  # fmt: skip
MODULES = sorted(SOURCE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_downwards_only(path: Path) -> None:
    if layer_of(path) == "__init__":
        return  # hands names on, lazily
    own = LAYERS.index(layer_of(path))
    for name in imported(path):
        if name.startswith("reweigh.") and not name.startswith("reweigh.__version__"):
            other = name.split(".")[1]
            assert LAYERS.index(other) >= own, f"{path.name} of {LAYERS[own]} imports {name}, which lies above it"


def test_every_folder_is_a_layer_of_the_list() -> None:
    folders = {p.name for p in SOURCE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders <= set(LAYERS), f"not in the list of layers: {folders - set(LAYERS)}"


def test_timm_and_torchvision_are_imported_in_one_file() -> None:
    names = ("timm", "torchvision")
    loads = [f'import_module("{name}' for name in names]
    users = {
        str(p.relative_to(SOURCE))
        for p in MODULES
        if any(n.split(".")[0] in names for n in imported(p)) or any(load in p.read_text() for load in loads)
    }
    assert users == {"timm_import.py"}


def test_only_evaluation_and_what_stands_above_it_reads_the_truth() -> None:
    readers = {layer_of(p) for p in MODULES if any(n.endswith(("catalog.truth", ".read_truth")) for n in imported(p))}
    assert readers <= {"cli", "runs", "report", "evaluation", "catalog"}, (
        f"`truth` is for evaluation only; it is read in {readers}"
    )


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "helpers", "common", "misc", "base", "manager", "tools"}
    assert not [p for p in MODULES if p.stem in drawers]


def test_only_the_command_line_prints() -> None:
    for path in MODULES:
        if layer_of(path) == "cli":
            continue
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], f"{path} prints"


def test_peers_of_benchmarks_are_never_imported_by_the_package() -> None:
    assert not [p for p in MODULES if any(n.split(".")[0] == "cleanlab" for n in imported(p))]


def test_no_error_is_passed_over_in_silence() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{path}:{node.lineno} bare except"
                assert not (len(node.body) == 1 and isinstance(node.body[0], ast.Pass)), (
                    f"{path}:{node.lineno} except: pass"
                )
