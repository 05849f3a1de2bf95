"""Targets: eq. 10 by hand, their forms, and rows that sum to 1 whatever they are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.probes.log_probabilities import LogProbabilities, compact, load_log_probabilities, save_log_probabilities
from reweigh.targets.label_targets import LabelTargets, mixed_targets
from reweigh.targets.settings import TargetSettings

P = np.log(np.array([[0.7, 0.2, 0.1]], np.float32))


def cross_entropy(target: np.ndarray, p: np.ndarray) -> float:
    return float(-(target * np.log(p)).sum())


@pytest.mark.parametrize(("form", "expected"), [("hard", [0.2, 0.8, 0]), ("soft", [0.14, 0.84, 0.02])])
def test_the_papers_example_by_hand(form: str, expected: list[float]) -> None:
    """p = (.7, .2, .1), label the second, beta .8. Hard: .8 e2 + .2 e1; soft: .8 e2 + .2 p. Losses 1.359 and 1.448."""
    made = mixed_targets(np.array([1]), np.array([0.8]), P.copy(), form=form, top=5)  # type: ignore[arg-type]
    np.testing.assert_allclose(made[0], expected, rtol=1e-5)
    loss = cross_entropy(made[0], np.array([0.7, 0.2, 0.1]))
    assert loss == pytest.approx({"hard": 1.3589, "soft": 1.4479}[form], abs=2e-4)


def test_the_largest_classes_alone_are_kept_and_sum_to_one() -> None:
    """Top 2 of (.7, .2, .1): (7/9, 2/9, 0). Label the third, share .5."""
    made = mixed_targets(np.array([2]), np.array([0.5]), P.copy(), form="top_k", top=2)
    np.testing.assert_allclose(made[0], [7 / 18, 2 / 18, 0.5], rtol=1e-5)


def test_a_row_whose_prediction_is_its_label_is_unchanged_by_hard_targets() -> None:
    made = mixed_targets(np.array([0]), np.array([0.3]), P.copy(), form="hard", top=5)
    np.testing.assert_allclose(made[0], [1, 0, 0], atol=1e-6)


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(2, 40), st.sampled_from(["soft", "hard", "top_k"]), st.booleans(),
)  # fmt: skip
def test_rows_sum_to_one_and_any_order_and_part_gives_the_same_rows(
    seed: int, n: int, k: int, form: str, is_dense: bool
) -> None:
    generator = np.random.default_rng(seed)
    logits = 5 * generator.standard_normal((n, k)).astype(np.float32)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    made = LabelTargets(
        labels=generator.integers(0, k, n).astype(np.int32), shares=generator.random(n).astype(np.float32),
        predictions=compact(log_p, m=None if is_dense else max(k // 2, 1)), form=form, top=3,  # type: ignore[arg-type]
    )  # fmt: skip
    whole = made[:]
    assert made.shape == whole.shape == (n, k)
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-3)
    assert whole.min() >= 0
    order = generator.permutation(n)[: max(n // 2, 1)]
    np.testing.assert_array_equal(made[order], whole[order])


def test_predictions_of_some_rows_are_stored_as_these_rows(tmp_path: Path) -> None:
    values = np.log(np.random.default_rng(0).dirichlet(np.ones(4), 6)).astype(np.float16)
    some = LogProbabilities(k=4, dense=values, chosen=np.array([5, 0, 3]))
    save_log_probabilities(some, tmp_path)
    np.testing.assert_array_equal(load_log_probabilities(tmp_path, k=4).dense, values[[5, 0, 3]])


@pytest.mark.parametrize(("name", "value"), [("beta", -0.1), ("beta", 1.1), ("top", 0)])
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ReweighError, match=f"targets.{name}"):
        TargetSettings(**{name: value})  # type: ignore[arg-type]
