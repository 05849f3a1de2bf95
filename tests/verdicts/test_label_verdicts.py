"""The public function: quality on real and made-up sets, every form of input, hard cases, bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_predict

import reweigh
from reweigh import ReweighError, label_verdicts

Noisy = Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]


def digits(noise: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(labels, held-out probabilities, features, truth) of handwritten digits."""
    features, truth = load_digits(return_X_y=True)
    features = features / 16
    generator = np.random.default_rng(0)
    rates = {"pair": np.full(10, 0.3), "uneven": np.linspace(0.05, 0.7, 10), "none": np.zeros(10)}[noise]
    step = 1 if noise == "pair" else generator.integers(1, 10, len(truth))
    labels = np.where(generator.random(len(truth)) < rates[truth], (truth + step) % 10, truth)
    model = LogisticRegression(C=0.1, max_iter=200)
    return labels, cross_val_predict(model, features, labels, cv=5, method="predict_proba"), features, truth


@pytest.mark.parametrize(("noise", "least"), [("pair", 0.94), ("uneven", 0.92)])
def test_digits_with_features(noise: str, least: float) -> None:
    labels, probabilities, features, truth = digits(noise)
    found = label_verdicts(labels, probabilities, features)
    assert f1_score(labels != truth, found.wrong) >= least
    own = np.array([(labels != truth)[labels == c].mean() for c in range(10)])
    assert np.abs(found.class_noise - own).mean() <= 0.04
    assert (found.suggested_label == truth)[found.wrong & (labels != truth)].mean() > 0.95
    table = found.confusions.dense()
    assert table.sum() == pytest.approx(len(labels), rel=0.01)
    assert table.trace() / table.sum() == pytest.approx((labels == truth).mean(), abs=0.03)


def test_clean_digits_are_left_alone() -> None:
    labels, probabilities, features, _ = digits("none")
    found = label_verdicts(labels, probabilities, features)
    assert found.wrong.mean() <= 0.005
    assert label_verdicts(labels, probabilities, features, truth="clear").wrong.sum() >= found.wrong.sum()


@pytest.mark.parametrize(("which", "least"), [("worse", 0.87), ("aggre", 0.78)])
def test_published_probabilities(shared_data: Path, which: str, least: float) -> None:
    stored = np.load(shared_data / "cifar10n" / "cifar10n_resnet18_oof.npz")
    labels, truth = stored[f"noisy_{which}"][::4], stored["clean"][::4]
    found = label_verdicts(labels, stored[f"prob_{which}"][::4])
    assert f1_score(labels != truth, found.wrong) >= least


def test_every_form_of_input_says_the_same(noisy: Noisy, tmp_path: Path) -> None:
    probabilities, labels, _ = noisy()
    kept = probabilities.copy()
    found = label_verdicts(labels, probabilities)
    np.save(tmp_path / "p.npy", probabilities)
    forms = (
        np.load(tmp_path / "p.npy", mmap_mode="r"), torch.from_numpy(probabilities), torch.from_numpy(probabilities).requires_grad_(),
        probabilities.tolist(), sparse.csr_matrix(probabilities), np.asfortranarray(probabilities), 3 * probabilities,
    )  # fmt: skip
    for form in forms:
        again = label_verdicts(torch.from_numpy(labels), form)
        np.testing.assert_allclose(again.probability_right, found.probability_right, atol=2e-3)
    np.testing.assert_array_equal(probabilities, kept)
    half = label_verdicts(labels, probabilities.astype(np.float16))
    assert (half.wrong == found.wrong).mean() > 0.99


def test_the_same_input_gives_the_same_bytes_and_the_order_of_rows_plays_no_part(noisy: Noisy) -> None:
    probabilities, labels, _ = noisy()
    features = np.random.default_rng(3).standard_normal((400, 6)) + 4 * probabilities[:, [0, 1, 2, 3, 4, 0]]
    found, again = (label_verdicts(labels, probabilities, features) for _ in range(2))
    np.testing.assert_array_equal(found.probability_right, again.probability_right)
    order = np.random.default_rng(0).permutation(400)
    moved = label_verdicts(labels[order], probabilities[order])
    plain = label_verdicts(labels, probabilities)
    np.testing.assert_allclose(moved.probability_right, plain.probability_right[order], atol=0.06)
    assert (moved.wrong == plain.wrong[order]).mean() > 0.99


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_whatever_the_numbers_verdicts_are_whole(n: int, k: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(-1, k, n)
    probabilities = generator.dirichlet(np.full(k, 0.3), n)
    found = label_verdicts(labels, probabilities)
    judged = labels >= 0
    np.testing.assert_array_equal(np.sort(found.review_order[judged]), np.arange(1, judged.sum() + 1))
    assert (found.review_order[~judged] == 0).all()
    np.testing.assert_array_equal(found.suggested_label >= 0, found.wrong)
    assert not found.wrong[~judged].any()
    assert np.isnan(found.probability_right[~judged]).all()
    at = found.wrong
    assert (found.suggested_label[at] != labels[at]).all()
    known = found.probability_right[~np.isnan(found.probability_right)]
    assert ((known >= 0) & (known <= 1 + 1e-6)).all()


@pytest.mark.parametrize("k", [1, 3])
def test_one_class_or_one_label_is_said_not_judged(k: int) -> None:
    found = label_verdicts(np.zeros(30, int), np.full((30, k), 1 / k))
    assert not found.wrong.any() and np.isnan(found.noise_rate) and not found.is_trusted
    assert "second class" in found.notes[0]


def test_probabilities_that_know_nothing_flag_nothing() -> None:
    labels = np.random.default_rng(0).integers(0, 20, 400)
    found = label_verdicts(labels, np.full((400, 20), 0.05))
    assert not found.wrong.any()
    assert "next to nothing" in found.notes[0]


def test_probabilities_that_look_too_good_are_warned_of() -> None:
    labels = np.arange(300) % 3
    found = label_verdicts(labels, np.eye(3)[labels] * 0.97 + 0.01)
    assert any("held out" in note for note in found.notes)


def test_half_of_the_labels_wrong(noisy: Noisy) -> None:
    probabilities, labels, truth = noisy(2000, noise=0.6)
    found = label_verdicts(labels, probabilities)
    assert f1_score(labels != truth, found.wrong) > 0.7


def test_verified_rows_give_an_interval_that_holds(noisy: Noisy) -> None:
    """100 looks, 40 draws: the 95 % interval holds the true rate in at least 90 % of them; looked-at rows keep a person's word."""
    probabilities, labels, truth = noisy(800)
    wrong = labels != truth
    held = []
    for seed in range(40):
        looked = np.random.default_rng(seed).choice(800, 100, replace=False)
        person = np.full(800, np.nan)
        person[looked] = ~wrong[looked]
        found = label_verdicts(labels, probabilities, verified=person)
        held.append(found.noise_rate_range[0] <= wrong.mean() <= found.noise_rate_range[1])
    assert np.mean(held) >= 0.9
    assert found.is_interval
    np.testing.assert_array_equal(found.wrong[looked], wrong[looked])
    assert found.review_order[looked].min() > 700


def test_strangers_are_marked_as_none_of_the_classes() -> None:
    generator = np.random.default_rng(0)
    truth = np.arange(600) % 4
    features = 6 * np.eye(4, 8)[truth] + generator.standard_normal((600, 8))
    strange = generator.random(600) < 0.15
    features[strange] = generator.standard_normal((strange.sum(), 8)) * 0.7
    labels = np.where(strange, generator.integers(0, 4, 600), truth)
    model = LogisticRegression(C=0.1, max_iter=200)
    probabilities = cross_val_predict(model, features, labels, cv=5, method="predict_proba")
    found = label_verdicts(labels, probabilities, features)
    assert found.none_of_the_classes[strange].mean() > 0.25
    assert found.none_of_the_classes[~strange].mean() < 0.05


BAD = {
    "shape": (lambda y, p: (y, p[:-1]), "as many rows"),
    "flat": (lambda y, p: (y, p[:, 0]), r"shape \(n, k\)"),
    "float labels": (lambda y, p: (y.astype(float), p), "class numbers"),
    "text labels": (lambda y, p: (y.astype(str), p), "class numbers"),
    "outside": (lambda y, p: (np.where(np.arange(len(y)) == 7, 9, y), p), "row 7 has 9"),
    "whole probabilities": (lambda y, p: (y, (p > 0.5).astype(int)), "floats"),
    "empty": (lambda y, p: (y[:0], p[:0]), "nothing to judge"),
    "logits": (lambda y, p: (y, np.log(p)), "row 0"),
    "nan": (lambda y, p: (y, np.where(np.arange(len(y))[:, None] == 3, np.nan, p)), "row 3"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name: str, noisy: Noisy) -> None:
    probabilities, labels, _ = noisy(60)
    change, said = BAD[name]
    changed = change(labels, probabilities)
    with pytest.raises(ReweighError, match=said):
        label_verdicts(*changed)


def test_bad_arguments_are_named(noisy: Noisy) -> None:
    probabilities, labels, _ = noisy(60)
    bad = {
        "neighbours": np.full((60, 3), 99), "groups": np.zeros(3, int), "verified": np.full(60, 2.0), "truth": "sure", "features": np.zeros((5, 2)),
    }  # fmt: skip
    for name, value in bad.items():
        with pytest.raises(ReweighError, match=name):
            label_verdicts(labels, probabilities, **{name: value})


def test_the_record_is_public() -> None:
    assert reweigh.LabelVerdicts is type(label_verdicts(np.array([0, 1]), np.eye(2)))
