"""`reweigh.weigh`: plain arrays in, weights out; features of anything will do."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer

import reweigh
from reweigh.errors import ReweighError
from reweigh.weighers.settings import WeightSettings

WORDS = (
    ("goal match team player league", "sport"),
    ("vote party election minister law", "politics"),
    ("song album guitar band stage", "music"),
)


def blobs(n: int = 300, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % k
    features = generator.standard_normal((n, 10)).astype(np.float32) + 3 * np.eye(k, 10, dtype=np.float32)[truth]
    labels = np.where(generator.random(n) < 0.25, generator.integers(0, k, n), truth)
    return features, labels, labels == truth


def separates(weights: np.ndarray, right: np.ndarray) -> float:
    return float(weights[right].mean() / max(weights[~right].mean(), 1e-9))


def test_features_and_labels_are_enough() -> None:
    features, labels, right = blobs()
    made = reweigh.weigh(features, labels)
    assert made.weights.shape == (300,)
    assert separates(made.weights, right) > 3
    assert {"held_out", "neighbours", "class_balance"} <= set(made.factors)


def test_text_vectors_serve_as_features() -> None:
    generator = np.random.default_rng(0)
    truth = np.arange(240) % 3
    documents = [" ".join(generator.choice(WORDS[c][0].split(), 6)) for c in truth]
    vectors = HashingVectorizer(n_features=64).transform(documents).toarray()
    labels = np.where(generator.random(240) < 0.2, (truth + 1) % 3, truth)
    made = reweigh.weigh(vectors, labels)
    assert separates(made.weights, labels == truth) > 3


def test_held_out_probabilities_are_enough_and_features_are_not_needed() -> None:
    _, labels, right = blobs()
    probabilities = np.full((300, 3), 0.1)
    probabilities[np.arange(300), np.arange(300) % 3] = 0.8
    made = reweigh.weigh(None, labels, probabilities)
    assert set(made.factors) == {"duplicates", "held_out", "class_balance"}
    assert separates(made.weights, right) > 5


def test_everything_at_once() -> None:
    features, labels, right = blobs()
    generator = np.random.default_rng(1)
    words = ["cat", "dog", "horse"]
    text = [f"my {words[i % 3]}" if i % 2 else None for i in range(300)]
    rank = np.argsort(np.argsort(-(right + generator.standard_normal(300)))) + 1.0
    rank[::9] = np.nan
    made = reweigh.weigh(
        features, labels, class_names=words, text=text, rank=rank, source=["flickr" if i % 2 else None for i in range(300)],
        groups=np.arange(300), copies=np.arange(300), verified=np.where(np.arange(300) < 5, right, np.nan),
        neighbours=np.tile(np.arange(3), (300, 1)), share_right=0.8, seed=3,
    )  # fmt: skip
    assert {"rank", "own_text", "verified", "neighbours"} <= set(made.factors)
    assert np.isnan(made.factors["own_text"].values[0])
    assert made.facts["share_right"] == 0.8 and made.credibility is not None
    assert np.mean(made.credibility[5:]) == pytest.approx(0.8, abs=0.02)
    assert separates(made.weights, right) > 3


def test_the_share_of_right_labels_is_that_of_the_verdicts() -> None:
    features, labels, right = blobs()
    made = reweigh.weigh(features, labels)
    assert made.facts["share_right"] == pytest.approx(right.mean(), abs=0.05)
    assert made.credibility is not None
    assert np.mean(made.credibility) == pytest.approx(made.facts["share_right"], abs=0.01)


def test_own_group_and_self_do_not_vote() -> None:
    features, labels, _ = blobs(n=60)
    only_self = reweigh.weigh(
        features, labels, neighbours=np.arange(60)[:, None], settings=WeightSettings(use=("held_out", "neighbours"))
    )
    assert np.isnan(only_self.factors["neighbours"].values).all()


def test_a_copy_is_excluded() -> None:
    features, labels, _ = blobs()
    features[7], labels[7] = features[4], labels[4]
    copies = np.arange(300)
    copies[7] = 4
    made = reweigh.weigh(features, labels, copies=copies)
    assert made.weights[7] == 0
    assert made.weights[4] > 0


def test_all_equal_features_give_weights_that_do_not_tell_labels_apart() -> None:
    made = reweigh.weigh(np.ones((60, 4)), np.arange(60) % 3)
    assert np.isfinite(made.weights).all()
    assert made.weights.std() < 0.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([0.0, 1.0])}, "labels must be whole numbers"),
        ({"labels": np.array([[0, 1]])}, "labels must be whole numbers"),
        ({"labels": np.array([], int)}, "n above 0"),
        ({"labels": np.array([-1, 0] * 30)}, r"labels must lie in 0\.\.0; row 0 has -1 \(30 such rows\)"),
        ({"features": np.ones((59, 2))}, "60 labels need as many rows of features, found 59"),
        ({"features": np.ones(60)}, r"features must have shape \(n, d\), found \(60,\)"),
        ({"probabilities": np.ones((60, 3, 1))}, r"probabilities must have shape \(n, k\)"),
        ({"probabilities": np.full((60, 3), np.nan)}, "Probabilities of row 0 are no distribution"),
        ({"probabilities": np.ones((60, 3)), "class_names": ["a", "b"]}, "of 3 classes, class_names of 2"),
        ({"rank": np.arange(60) - 1}, "rank must be 1 .* row 0 has -1"),
        ({"rank": [1, 2]}, r"rank must have shape \(60,\)"),
        ({"text": ["a"] * 60}, "class_names"),
        ({"text": ["a"], "class_names": ["a", "b", "c"]}, "as many rows of text, found 1"),
        ({"source": ["a"]}, "as many rows of source"),
        ({"verified": np.full(60, 0.5)}, r"verified must hold 1 \(right\), 0 \(wrong\) or NaN"),
        ({"groups": np.zeros(3, int)}, r"groups must be whole numbers of shape \(60,\)"),
        ({"neighbours": np.full((60, 2), 60)}, r"neighbours must be rows 0\.\.59 or -1"),
        ({"features": None}, "Nothing to weigh by|needs"),
        ({"share_right": 0.0}, "between 0 and 1"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict, message: str) -> None:
    arguments = {"features": np.random.default_rng(0).random((60, 4)), "labels": np.arange(60) % 3, **changes}
    with pytest.raises(ReweighError, match=message):
        reweigh.weigh(**arguments)


def test_a_feature_that_is_nan_names_its_row() -> None:
    features, labels, _ = blobs(n=60)
    features[17, 2] = np.nan
    with pytest.raises(ReweighError, match="17"):
        reweigh.weigh(features, labels)


def test_an_excluded_row_changes_nobodys_weight() -> None:
    """A second copy at the end, with and without it: every other row's weight and factors are the same bytes."""
    features, labels, _ = blobs()
    with_copy = np.concatenate([features, features[4:5]]), np.append(labels, labels[4])
    made = reweigh.weigh(*with_copy, copies=np.append(np.arange(300), 4))
    plain = reweigh.weigh(features, labels, copies=np.arange(300))
    assert made.weights[300] == 0
    assert made.weights[:300].tobytes() == plain.weights.tobytes()
    for name, factor in plain.factors.items():
        assert made.factors[name].values[:300].tobytes() == factor.values.tobytes(), name


def test_all_weights_times_seven_fit_the_same_model() -> None:
    """The loss is divided by the sum of the weights: literal factors of any scale cannot change the learning rate."""
    features, labels, _ = blobs()
    weights = reweigh.weigh(features, labels).weights
    matrix, rows = reweigh.ArrayFeatures(features), np.arange(300)
    one, seven = (reweigh.fit_probe(matrix, rows, labels, k=3, l2=0.01, weights=w) for w in (weights, 7 * weights))
    np.testing.assert_allclose(one.weight, seven.weight, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": WeightSettings(use=("image_text",))}, "'names' needs class_names"),
        ({"class_names": ["a", "b", "c"]}, "is read by the weigher image_text"),
    ],
)
def test_label_text_that_cannot_be_had_or_is_not_read_is_an_error(changes: dict, message: str) -> None:
    features, labels, _ = blobs()
    with pytest.raises(ReweighError, match=message):
        reweigh.weigh(features, labels, evidence_settings=reweigh.EvidenceSettings(label_text="names"), **changes)
