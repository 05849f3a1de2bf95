"""Plain rankings: by hand, against cleanlab, and against a slow loop."""

from __future__ import annotations

import numpy as np
import pytest

from reweigh import ReweighError
from reweigh.metrics.label_rankings import margins, self_confidence

P = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0]], np.float32)


def test_rankings_by_hand() -> None:
    # labels 0 0 -1: p .7, .3; margins .7 - .2 = .5, .3 - .4 = -.1; no label, no opinion
    labels = np.array([0, 0, -1])
    np.testing.assert_allclose(self_confidence(P, labels), [0.7, 0.3, np.nan])
    np.testing.assert_allclose(margins(P, labels), [0.5, -0.1, np.nan], atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_blocks_equal_a_slow_loop(dtype: type) -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(700), 900).astype(dtype)  # more rows than a block has
    labels = generator.integers(0, 700, 900)
    slow = [row[y] - max(np.delete(row, y)) for row, y in zip(probabilities.astype(np.float32), labels, strict=True)]
    np.testing.assert_array_equal(margins(probabilities, labels), np.array(slow, np.float32))


def test_orders_are_those_of_cleanlab() -> None:
    rank = pytest.importorskip("cleanlab.rank")
    generator = np.random.default_rng(1)
    probabilities = generator.dirichlet(np.ones(5), 400)
    labels = generator.integers(0, 5, 400)
    theirs = rank.get_label_quality_scores(labels, probabilities, method="normalized_margin")
    np.testing.assert_allclose((margins(probabilities, labels) + 1) / 2, theirs, atol=1e-6)
    theirs = rank.get_label_quality_scores(labels, probabilities, method="self_confidence")
    np.testing.assert_allclose(self_confidence(probabilities, labels), theirs, atol=1e-6)


def test_the_input_is_not_touched_and_one_class_has_no_rival() -> None:
    before = P.copy()
    margins(P, np.array([0, 1, 2]))
    np.testing.assert_array_equal(P, before)
    np.testing.assert_array_equal(margins(np.ones((2, 1)), np.array([0, 0])), [1, 1])


def test_a_label_without_a_class_is_an_error_that_names_the_row() -> None:
    with pytest.raises(ReweighError, match="Label 3 of row 1"):
        margins(P, np.array([0, 3, 1]))
    with pytest.raises(ReweighError, match="2 labels"):
        self_confidence(P, np.array([0, 1]))
