"""What docs/from_cleanlab.md and docs/export.md show runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from reweigh.runs.exports.table_of_exports import EXPORTS, export

from .conftest import MakeRun, Row


def blocks_of(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_the_one_line_change_works_on_the_same_arrays(repository: Path) -> None:
    pytest.importorskip("cleanlab", reason="the page shows both")
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 4, 400)
    labels = np.where(generator.random(400) < 0.2, (truth + 1) % 4, truth)
    features = (np.eye(4)[truth] + 0.2 * generator.standard_normal((400, 4))).astype(np.float32)
    pred_probs = np.exp(3 * features) / np.exp(3 * features).sum(axis=1, keepdims=True)
    theirs, *ours = blocks_of(repository / "docs/from_cleanlab.md")

    known = {"labels": labels, "pred_probs": pred_probs, "features": features}
    exec(theirs, known)
    assert known["issues"].shape == (400,)
    for block in ours:
        exec(block, known)
        found = known["verdicts"].wrong
        assert (found == (labels != truth)).mean() > 0.95
    assert len(known["first"]) == 20
    assert (labels != truth)[known["first"]].mean() > 0.9


def test_names_that_the_page_puts_beside_those_of_cleanlab_are_there(repository: Path) -> None:
    from reweigh.verdicts.record import LabelVerdicts

    text = (repository / "docs/from_cleanlab.md").read_text(encoding="utf-8")
    fields = set(LabelVerdicts.__dataclass_fields__)
    shown = {row.split("|")[2] for row in text.splitlines() if row.startswith("| ")}
    assert fields - {"facts", "notes", "information", "clearness", "is_interval", "is_trusted"} <= set(
        re.findall(r"\w+", " ".join(shown))
    )


def test_every_form_has_a_row_and_the_code_for_cleanlab_runs(
    make_run: MakeRun, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cleanlab", reason="the page shows it")
    page = repository / "docs/export.md"
    assert all(f"| `{name}` |" in page.read_text(encoding="utf-8") for name in EXPORTS)
    run = make_run([Row(file=f"{i}.jpg", label=i % 3) for i in range(60)])
    monkeypatch.chdir(tmp_path)
    export(run, "cleanlab", Path("NAME-cleanlab"))

    known: dict = {}
    exec(blocks_of(page)[0], known)

    assert len(known["theirs"]) == len(known["ours"]) == 60
