"""The objective by hand, its gradient against differences, and its bits on any number of threads."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from reweigh.optimization.row_blocks import BLOCK_ROWS
from reweigh.optimization.softmax_regression import coordinates, read_rows, value_and_gradient


def regression(features, targets, k, weights=None, **settings):
    weights = np.ones(len(features)) if weights is None else np.asarray(weights, float)
    mass = np.bincount(targets, weights, minlength=k) if targets.ndim == 1 else weights @ targets
    return read_rows(
        lambda block: features[block].astype(np.float32),
        n=len(features), d=features.shape[1], k=k, targets=targets, weights=weights,
        shares=mass / mass.sum(), **settings,
    )  # fmt: skip


def random_problem(n, d, k, *, soft=False, seed=0, **settings):
    generator = np.random.default_rng(seed)
    targets = generator.dirichlet(np.ones(k), size=n) if soft else generator.integers(k, size=n)
    return regression(generator.normal(size=(n, d)) + 3, targets, k, generator.random(n) + 0.1, **settings)


def test_mean_and_scale_by_hand():
    # rows 0 and 4, weights 1 and 3: mean 3, lengths 3 and 1, weighted mean length (3 + 3) / 4 = 1.5, scale 1.5 / 16
    rows = regression(np.array([[0.0], [4.0]]), np.array([0, 1]), 2, [1, 3])
    assert rows.mean[0] == 3 and rows.scale == pytest.approx(1.5 / 16)
    np.testing.assert_allclose(rows.centred(slice(0, 2)), [[-3], [1]])


def test_the_objective_by_hand():
    # the same rows, scaled: -32 and 32/3. W = [[0], [ln 3 / 32]], b = 0: logits of row 1 (0, -ln 3), p = (3/4, 1/4),
    # of row 2 (0, ln 3 / 3), p_2 = 3^(1/3) / (1 + 3^(1/3)). Weights 1/4 and 3/4.
    rows = regression(np.array([[0.0], [4.0]]), np.array([0, 1]), 2, [1, 3])
    weight = np.array([[0.0], [np.log(3) / 32]])
    value, by_weight, by_bias = value_and_gradient(rows, weight, np.zeros(2), l2=0.5)
    p = 3 ** (1 / 3) / (1 + 3 ** (1 / 3))
    assert value == pytest.approx(-np.log(3 / 4) / 4 - 3 * np.log(p) / 4 + 0.25 * (np.log(3) / 32) ** 2, abs=1e-6)
    slope = (1 / 4) * (1 / 4) - (3 / 4) * (1 - p)
    np.testing.assert_allclose(by_bias, [-slope, slope], atol=1e-6)
    pull = (1 / 4) * (1 / 4) * -32 - (3 / 4) * (1 - p) * 32 / 3
    np.testing.assert_allclose(by_weight[:, 0], [-pull, pull + 0.5 * weight[1, 0]], atol=1e-5)


@pytest.mark.parametrize("soft", [False, True])
def test_the_gradient_is_that_of_differences(soft):
    rows = random_problem(40, 5, 4, soft=soft)
    generator = np.random.default_rng(1)
    weight, bias = generator.normal(size=(4, 5)) * 0.1, generator.normal(size=4)
    along_weight, along_bias = generator.normal(size=(4, 5)), generator.normal(size=4)
    _, by_weight, by_bias = value_and_gradient(rows, weight, bias, l2=0.1)
    step = 1e-3
    ahead = value_and_gradient(rows, weight + step * along_weight, bias + step * along_bias, l2=0.1)[0]
    behind = value_and_gradient(rows, weight - step * along_weight, bias - step * along_bias, l2=0.1)[0]
    slope = float((by_weight * along_weight).sum() + by_bias @ along_bias)
    assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=2e-3, abs=2e-3)


def test_soft_targets_of_one_class_each_equal_labels():
    generator = np.random.default_rng(0)
    features, labels = generator.normal(size=(50, 6)), generator.integers(3, size=50)
    at = generator.normal(size=(3, 6)) * 0.1, generator.normal(size=3)
    hard = value_and_gradient(regression(features, labels, 3), *at, l2=0.1)
    soft = value_and_gradient(regression(features, np.eye(3)[labels], 3), *at, l2=0.1)
    for one, other in zip(hard, soft, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("soft", [False, True])
def test_the_bits_do_not_depend_on_the_number_of_threads(soft):
    def result(threads):
        with threadpool_limits(threads, user_api="blas"):
            rows = random_problem(4 * BLOCK_ROWS + 100, 20, 3, soft=soft)
            value, by_weight, by_bias = value_and_gradient(rows, np.full((3, 20), 0.01), np.zeros(3), l2=0.1)
            return np.float64(value).tobytes(), by_weight.tobytes(), by_bias.tobytes(), rows.scale

    assert result(1) == result(2) == result(3)


def test_rows_read_by_block_give_the_bits_of_rows_held_in_memory():
    results = []
    for held_bytes in (0, 1 << 30):
        rows = random_problem(2 * BLOCK_ROWS + 5, 10, 3, held_bytes=held_bytes)
        value, by_weight, _ = value_and_gradient(rows, np.full((3, 10), 0.02), np.zeros(3), l2=0.1)
        results.append((value, by_weight.tobytes(), coordinates(rows).variances.tobytes()))
    assert results[0] == results[1]


def test_sums_of_blocks_made_apart_give_the_same_bits():
    """As several processes would: each block's terms alone, gathered, and added in block order."""
    rows = random_problem(3 * BLOCK_ROWS, 12, 4)
    weight, bias = np.full((4, 12), 0.03), np.zeros(4)
    whole = value_and_gradient(rows, weight, bias, l2=0.1)
    from reweigh.optimization.softmax_regression import block_terms

    transposed = np.ascontiguousarray((weight / rows.scale).T, dtype=np.float32)
    parts = {
        i: block_terms(rows, slice(i * BLOCK_ROWS, (i + 1) * BLOCK_ROWS), transposed, np.zeros(4, np.float32))
        for i in (2, 0, 1)
    }
    by_weight = np.zeros((4, 12))
    for i in range(3):
        by_weight += parts[i][1]
    by_weight /= rows.n * rows.scale
    by_weight += 0.1 * weight
    assert by_weight.tobytes() == whole[1].tobytes()
