"""The code blocks of README and docs/weights.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from reweigh.testing import check_weigher

REPOSITORY = Path(__file__).resolve().parents[2]


def blocks(page: str) -> list[str]:
    return re.findall(
        r"^```python\n(.*?)^```", (REPOSITORY / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.fixture
def given() -> dict[str, Any]:
    """What a reader of the page has: embeddings, labels, a dataset, and a step of their own."""
    generator = np.random.default_rng(0)
    truth = np.arange(200) % 2
    features = generator.standard_normal((200, 6)).astype(np.float32) + 3 * truth[:, None]
    labels = np.where(generator.random(200) < 0.2, 1 - truth, truth)
    seen: list[int] = []
    return {
        "features": features, "labels": labels, "seen": seen, "step": lambda x, y: seen.extend(x[:, 0].int().tolist()),
        "dataset": TensorDataset(torch.arange(200)[:, None], torch.from_numpy(labels)), "names": ["cat", "dog"],
        "titles": ["my cat", None] * 100, "rank": np.arange(200) + 1, "source": ["flickr"] * 200, "groups": np.arange(200),
    }  # fmt: skip


def test_the_readmes_training_loop(given: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    _, block = blocks("README.md")
    assert len(block.splitlines()) <= 10
    exec(block, given)
    assert "of the labels' worth is left" in capsys.readouterr().out
    drawn = np.bincount(given["seen"], minlength=200)
    wrong = given["labels"] != np.arange(200) % 2
    assert drawn[~wrong].mean() > 2 * drawn[wrong].mean()


def test_the_readmes_verdicts(given: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    block, _ = blocks("README.md")
    probabilities = np.where(given["features"].mean(axis=1)[:, None] > 1.5, [0.2, 0.8], [0.8, 0.2])
    scope = {**given, "probabilities": probabilities}
    exec(block, scope)
    wrong = given["labels"] != np.arange(200) % 2
    assert "wrong," in capsys.readouterr().out
    assert wrong[scope["first"]].mean() > 0.9


def test_the_array_call_of_the_docs(given: dict[str, Any]) -> None:
    import reweigh

    exec(blocks("docs/weights.md")[0], {**given, "reweigh": reweigh})


def test_the_weigher_of_the_docs_keeps_the_contract() -> None:
    scope: dict[str, Any] = {}
    exec(blocks("docs/weights.md")[1], scope)
    check_weigher(scope["Sharp"](trusted="flickr"), name="sharp")
