"""The commands of docs/examples.md on the real sets beside the repository, and what the page says of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Call

from reweigh.catalog.tables import open_catalog, read_columns, read_labels
from reweigh.catalog.truth import read_truth

PAGE = Path(__file__).parents[2] / "docs" / "examples.md"
HASTE = {"cifar10n": ("--no-hash",)}
"""Options that spare a test some seconds and change nothing that the page says."""


def examples() -> dict[str, tuple[list[str], str]]:
    """Heading -> (commands, what the page says of the catalog)."""
    found = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        block = re.search(r"```\n(.*?)```\n\n> (.*?)\n", part, re.DOTALL)
        assert block is not None
        found[part.splitlines()[0]] = (block[1].strip().splitlines(), block[2])
    return found


def catalog_said(path: Path) -> str:
    """The page's sentence on a catalog, from its numbers."""
    catalog = open_catalog(path)
    counts, sizes = catalog.counts, catalog.counts["class_sizes"]
    splits = ", ".join(f"{name} {count:,}" for name, count in counts["splits"].items())
    said = f"{catalog.n:,} images" + (f" ({splits})" if len(counts["splits"]) > 1 else "") + f", {catalog.k} classes"
    filled = counts["filled"]
    if path.name == "fashion.catalog":
        said += f" of {sizes['min']:,} to {sizes['max']:,}; title beside {filled['title'] / catalog.n:.0%}"
    if path.name == "actions.catalog":
        sources = ", ".join(f"{name} {count:,}" for name, count in counts["sources"].items())
        said += f"; {sources}; rank beside {filled['rank'] / catalog.n:.0%}"
    said = said.replace("%", " %")
    checked = [value for value in read_columns(catalog, ["verified"])["verified"].to_pylist() if value is not None]
    if checked:
        said += f"; {len(checked):,} checked, {checked.count(False)} of them wrong"
    if path.name == "cifar.catalog":
        truth, labels = read_truth(catalog), read_labels(catalog)
        assert truth is not None
        is_train = [split == "train" for split in read_columns(catalog, ["split"])["split"].to_pylist()]
        said += f"; {(truth != labels)[is_train].mean() * 100:.1f} % of the training labels are wrong"
    if path.name == "tiny.catalog":
        web = open_catalog(path.with_name("web.catalog"))
        said += f" of {sizes['max']}; made like the web {web.counts['splits']['train']:,} training images of {web.k} classes"
    return said


@pytest.mark.parametrize("name", examples())
def test_an_example_gives_what_the_page_says(name: str, reweigh: Call, shared_data: Path, tmp_path: Path) -> None:
    commands, says = examples()[name]
    outputs = []
    for command in commands:
        _, what, source, *rest = shlex.split(command)
        at = rest.index("-o") + 1
        rest[at] = str(tmp_path / rest[at])
        outputs.append(Path(rest[at]))
        said = reweigh(what, (shared_data if what == "index" else tmp_path) / source, *rest, *HASTE.get(source, ()))
        assert said.status == 0, said.err
    assert catalog_said(outputs[0]) == says
