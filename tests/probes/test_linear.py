"""Probes: weights as counts of rows, parity with scikit-learn, and what they refuse."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from reweigh.errors import ReweighError
from reweigh.features.matrix import ArrayFeatures
from reweigh.probes.linear import fit_probe, predict


def web_like(n=400, d=12, k=4, seed=0):
    """Features of a small random network with correlated columns, labels that follow them with 20 % wrong."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(k, size=n)
    hidden = generator.normal(size=(k, 6))[truth] + generator.normal(size=(n, 6))
    features = np.maximum(hidden @ generator.normal(size=(6, d)) + 0.3, 0) + generator.normal(size=(n, d)) * 0.1 + 2
    labels = np.where(generator.random(n) < 0.2, generator.integers(k, size=n), truth)
    return features.astype(np.float32), labels


def fit(features, targets, *, k=4, l2=0.01, **settings):
    return fit_probe(ArrayFeatures(features), np.arange(len(features)), targets, k=k, l2=l2, **settings)


def largest_difference(one, other, scale):
    return max(np.abs((one.weight - other.weight) * scale).max(), np.abs(one.bias - other.bias).max())


def log_probabilities(probe, features):
    return np.concatenate(list(predict(probe, ArrayFeatures(features), np.arange(len(features)))))


@pytest.mark.parametrize("l2", [1e-3, 1e-2, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_coefficients_are_those_of_scikit_learn(l2, weighted):
    features, labels = web_like()
    weights = np.random.default_rng(1).random(len(labels)) * 3 if weighted else np.ones(len(labels))
    probe = fit(features, labels, l2=l2, weights=weights)
    share = weights / weights.sum()
    centred = features - share @ features.astype(np.float64)
    scaled = centred / (share @ np.linalg.norm(centred, axis=1) / 16)
    reference = LogisticRegression(C=1 / (l2 * weights.sum()), tol=1e-10, max_iter=10_000).fit(scaled, labels, weights)
    largest = np.abs(probe.weight * probe.scale - (reference.coef_ - reference.coef_.mean(axis=0))).max()
    assert largest < 1e-4, f"largest difference of a coefficient {largest:.1e}"
    ours = np.exp(log_probabilities(probe, features))
    largest = np.abs(ours - reference.predict_proba(scaled)).max()
    assert largest < 1e-4, f"largest difference of a probability {largest:.1e}"


def test_two_classes_are_scikit_learns_one_vector_split_in_halves():
    """scikit-learn penalises w = W_1 - W_0 where we penalise |W_0|^2 + |W_1|^2 = |w|^2 / 2."""
    features, labels = web_like(k=2)
    probe = fit(features, labels, k=2, l2=0.05)
    scaled = (features - features.mean(axis=0)) / probe.scale
    reference = LogisticRegression(C=2 / (0.05 * len(labels)), tol=1e-10, max_iter=10_000).fit(scaled, labels)
    largest = np.abs((probe.weight[1] - probe.weight[0]) * probe.scale - reference.coef_[0]).max()
    assert largest < 1e-4, f"largest difference {largest:.1e}"


def test_soft_targets_are_weighted_copies_of_the_row():
    """A target (.7, .3, 0, 0) is the row with label 0 at weight .7 and with label 1 at weight .3."""
    features, _ = web_like(n=80)
    targets = np.random.default_rng(2).dirichlet(np.ones(4), size=80)
    soft = fit(features, targets)
    copies = fit(np.repeat(features, 4, axis=0), np.tile(np.arange(4), 80), weights=targets.ravel())
    assert largest_difference(soft, copies, soft.scale) < 1e-4


def test_a_row_of_weight_0_is_a_row_removed():
    features, labels = web_like()
    weights = (np.random.default_rng(3).random(len(labels)) < 0.7).astype(float)
    kept = weights > 0
    features[~kept] += 50  # nothing of these rows may be seen, not even in mean and scale
    without = fit(features[kept], labels[kept])
    assert largest_difference(fit(features, labels, weights=weights), without, without.scale) < 1e-4


def test_a_row_of_weight_2_is_the_row_twice():
    features, labels = web_like()
    twice = np.random.default_rng(4).integers(1, 3, size=len(labels))
    repeated = fit(np.repeat(features, twice, axis=0), np.repeat(labels, twice))
    assert largest_difference(fit(features, labels, weights=twice), repeated, repeated.scale) < 1e-4


def test_all_weights_times_7_give_the_same_model():
    features, labels = web_like()
    weights = np.random.default_rng(5).random(len(labels))
    one, seven = fit(features, labels, weights=weights), fit(features, labels, weights=7 * weights)
    assert largest_difference(one, seven, one.scale) < 1e-6


def test_the_order_of_rows_does_not_matter():
    features, labels = web_like()
    order = np.random.default_rng(6).permutation(len(labels))
    one, other = fit(features, labels), fit(features[order], labels[order])
    assert largest_difference(one, other, one.scale) < 1e-4


def test_a_shift_and_a_scale_of_the_features_change_no_prediction():
    features, labels = web_like()
    moved = features * 40 + 100
    one = log_probabilities(fit(features, labels), features)
    other = log_probabilities(fit(moved, labels), moved)
    np.testing.assert_allclose(one, other, atol=5e-4)


def test_half_precision_features_and_a_warm_start_reach_the_same_model():
    features, labels = web_like()
    half = features.astype(np.float16)
    cold = fit(half, labels)
    warm = fit(half, labels, start=fit(half, labels, l2=1.0))
    assert largest_difference(cold, warm, cold.scale) < 1e-4
    assert fit(half, labels, start=cold).iterations < cold.iterations / 2


def test_only_the_given_rows_are_read():
    features, labels = web_like()
    rows = np.arange(0, len(labels), 2)
    features[1::2] = np.nan
    chosen = fit_probe(ArrayFeatures(features), rows, labels[rows], k=4, l2=0.01)
    assert largest_difference(chosen, fit(features[::2], labels[::2]), chosen.scale) < 1e-6


def test_the_same_input_gives_the_same_bytes_and_stays_as_it_was():
    features, labels = web_like()
    before = features.copy(), labels.copy()
    assert fit(features, labels).weight.tobytes() == fit(features, labels).weight.tobytes()
    np.testing.assert_array_equal(features, before[0])
    np.testing.assert_array_equal(labels, before[1])


def test_one_class_only_is_predicted_with_certainty():
    features, labels = web_like()
    probe = fit(features, np.full(len(labels), 2))
    rows = np.exp(log_probabilities(probe, features))
    assert rows[:, 2].min() > 0.999999 and np.isfinite(log_probabilities(probe, features)).all()
    single = fit(features, np.zeros(len(labels), int), k=1)
    np.testing.assert_array_equal(log_probabilities(single, features), 0)


def test_a_class_without_images_is_improbable_and_changes_nothing_else():
    features, labels = web_like(k=3)
    three, four = fit(features, labels, k=3), fit(features, labels, k=4)
    ours = log_probabilities(four, features)
    np.testing.assert_allclose(ours[:, :3], log_probabilities(three, features), atol=1e-4)
    assert ours[:, 3].max() < -10 and np.isfinite(ours).all()


def test_constant_features_give_the_shares_of_the_classes():
    probe = fit(np.ones((8, 3), np.float32), np.array([0, 0, 0, 0, 1, 1, 2, 3]))
    np.testing.assert_allclose(
        np.exp(log_probabilities(probe, np.ones((1, 3)))), [[0.5, 0.25, 0.125, 0.125]], atol=1e-5
    )


def test_more_features_than_rows_converge():
    generator = np.random.default_rng(0)
    probe = fit(generator.normal(size=(20, 300)).astype(np.float32), np.arange(20) % 4, l2=1e-3)
    assert probe.is_converged and np.isfinite(probe.weight).all()


def test_a_fit_that_ends_at_its_limit_says_so():
    features, labels = web_like()
    assert not fit(features, labels, l2=1e-4, max_iterations=2).is_converged


def named(rows):
    return [f"photo-{row}" for row in rows]


BAD = {
    "nan feature": (
        {"spoil": lambda f, y: f.__setitem__((3, 0), np.nan)},
        r"Features must be finite numbers; those of row 3",
    ),
    "nan feature, named": (
        {"spoil": lambda f, y: f.__setitem__((3, 0), np.nan), "uids": named},
        r"those of image photo-3",
    ),
    "infinite feature": ({"spoil": lambda f, y: f.__setitem__((7, 1), np.inf)}, r"row 7"),
    "label too large": ({"spoil": lambda f, y: y.__setitem__(5, 4)}, r"Labels must lie in 0\.\.3; row 5 has 4"),
    "no label": ({"spoil": lambda f, y: y.__setitem__(5, -1)}, r"row 5 has -1 \(-1 is no label: give it weight 0\)"),
    "no weight": ({"weights": np.zeros(400)}, r"All 400 weights are 0"),
    "negative weight": ({"weights": -np.ones(400)}, r"0 or more; row 0 has -1"),
    "nan weight": ({"weights": np.full(400, np.nan)}, r"must be finite"),
    "weights of another length": (
        {"weights": np.ones(3)},
        r"A probe of 400 images needs as many weights, found shape \(3,\)",
    ),
    "targets of another shape": ({"targets": np.ones((400, 3)) / 3}, r"must have shape \(400, 4\), found \(400, 3\)"),
    "too few labels": ({"targets": np.zeros(3, int)}, r"400 images need as many labels, found shape \(3,\)"),
    "targets that do not sum to 1": ({"targets": np.ones((400, 4))}, r"those of row 0 sum to 4"),
    "negative targets": ({"targets": np.tile([1.5, -0.5, 0, 0], (400, 1))}, r"the lowest is -0.5"),
    "labels that are no integers": ({"targets": np.zeros(400)}, r"Labels must be integers, found float64"),
    "no strength": ({"l2": 0.0}, r"l2 of a probe must be a number above 0, found 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_in_one_line(name):
    changes, message = BAD[name]
    settings = dict(changes)
    features, labels = web_like()
    settings.pop("spoil", lambda f, y: None)(features, labels)
    targets = settings.pop("targets", labels)
    with pytest.raises(ReweighError, match=message) as caught:
        fit(features, targets, **settings)
    assert "\n" not in str(caught.value)


def test_no_images_at_all_is_named():
    with pytest.raises(ReweighError, match="needs images to learn from, found none"):
        fit(np.zeros((0, 3), np.float32), np.zeros(0, int))


def test_a_row_of_weight_0_may_have_no_label():
    features, labels = web_like()
    labels[5] = -1
    weights = np.ones(len(labels))
    weights[5] = 0
    assert fit(features, labels, weights=weights).is_converged


def test_log_probabilities_are_exact_and_sum_to_1():
    features, labels = web_like()
    probe = fit(features, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = log_probabilities(probe, features)
    logits = features.astype(np.float64) @ probe.weight.T.astype(np.float64) + probe.bias
    expected = (
        logits
        - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
        - logits.max(1, keepdims=True)
    )
    np.testing.assert_allclose(ours, expected, atol=2e-5)
    np.testing.assert_allclose(np.exp(ours).sum(axis=1), 1, atol=1e-5)
