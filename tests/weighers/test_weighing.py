"""Exclude, combine, balance and clip, in this order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.testing import example_evidence, reordered
from reweigh.weighers.rank_limit import RankLimit
from reweigh.weighers.settings import WeightSettings
from reweigh.weighers.weighing import Weights, clipped, kept_images, weigh_images

ALL = ("duplicates", "held_out", "neighbours", "density", "rank", "own_text", "class_balance")


def weighed(
    evidence: dict, names: tuple[str, ...], settings: WeightSettings | None = None, **changes: object
) -> Weights:
    """As a run does it: the evidence of kept rows only. (The pieces were made before, so the excluded rows had a say.)"""
    settings = settings or WeightSettings()
    kept, _ = kept_images(evidence["images"], names, settings)
    inside = reordered(evidence, np.flatnonzero(kept))
    return weigh_images(evidence["images"], inside, names, settings, **changes)  # type: ignore[arg-type]


def test_weights_are_finite_not_negative_and_of_mean_one_over_those_above_zero() -> None:
    made = weighed(example_evidence(), ALL)
    assert np.isfinite(made.weights).all()
    assert made.weights[made.weights > 0].mean() == pytest.approx(1, abs=1e-5)
    assert 0 < made.effective_share < 1
    assert list(made.factors) == list(ALL)


def test_an_excluded_image_has_weight_0_and_no_other_factor() -> None:
    made = weighed(example_evidence(), ALL)
    out = made.factors["duplicates"].values == 0
    assert out.sum() == 1  # row 11 is row 10 again, under the same label
    assert (made.weights[out] == 0).all()
    assert np.isnan(made.credibility[out]).all()
    assert all(np.isnan(made.factors[name].values[out]).all() for name in ALL[1:])


def test_of_contested_copies_the_most_credible_label_stays() -> None:
    evidence = example_evidence()
    made = weighed(evidence, ALL)
    assert sorted((made.weights[12] > 0, made.weights[13] > 0)) == [False, True]
    better = 12 if made.credibility[12] >= made.credibility[13] else 13
    assert made.weights[better] > 0
    assert made.facts["contested_copies_left_out"] == 1


def test_wrong_labels_weigh_less() -> None:
    evidence = example_evidence(n=400)
    made = weighed(evidence, ALL)
    right = evidence["images"].labels == np.arange(400) % 4
    assert made.weights[right].mean() > 4 * made.weights[~right].mean()


def test_every_class_has_the_same_credible_weight_at_sharpness_one() -> None:
    evidence = example_evidence(n=400)
    made = weighed(evidence, ("held_out", "class_balance"))
    mass = np.bincount(evidence["images"].labels[made.weights > 0], weights=made.weights[made.weights > 0])
    np.testing.assert_allclose(mass, mass.mean(), rtol=0.01)


def test_sharpness_is_that_of_the_model_once_a_share_is_known_or_what_the_settings_say() -> None:
    evidence = example_evidence()
    names = ("held_out", "neighbours")
    assert weighed(evidence, names).facts["sharpness"] == 1
    assert weighed(evidence, names, share_right=0.7).facts["sharpness"] == 1
    assert weighed(evidence, names, share_right=0.7, sharpness=4.0).facts["sharpness"] == 4
    assert weighed(evidence, names, sharpness=4.0).facts["sharpness"] == 1
    product = WeightSettings(combiner="product")
    assert weighed(evidence, names, product, share_right=0.7, sharpness=4.0).facts["sharpness"] == 1
    cube = weighed(evidence, names, WeightSettings(sharpness=3.0))
    plain = weighed(evidence, names)
    np.testing.assert_allclose(cube.weights / cube.weights[0], (plain.weights / plain.weights[0]) ** 3, rtol=1e-3)


def test_a_persons_word_stands_above_the_pool() -> None:
    evidence = example_evidence()
    made = weighed(evidence, ("held_out", "verified"))
    person = evidence["images"].person
    np.testing.assert_allclose(made.credibility[person == 1], 0.99)
    np.testing.assert_allclose(made.credibility[person == 0], 0.01)
    with pytest.raises(ReweighError, match="verified alone"):
        weighed(evidence, ("verified",))


def test_no_weight_is_more_than_the_limit_times_the_mean() -> None:
    """Thirty 1s and a 100: mean 130 / 31, so 100 is 23.8 means and is cut to 10; then all are scaled to mean 1 again."""
    weights, n_cut = clipped(np.array([1.0] * 30 + [100.0, 0.0]), 10.0)
    assert n_cut == 1
    assert weights[-1] == 0
    assert weights[:-1].mean() == pytest.approx(1)
    assert weights[30] / weights[0] == pytest.approx(10 * 130 / 31)
    assert clipped(np.array([1.0, 3.0]), 10.0)[1] == 0


def test_weights_of_zero_everywhere_are_refused() -> None:
    with pytest.raises(ReweighError, match="All weights are 0"):
        clipped(np.zeros(3), 10.0)


def test_nothing_left_is_refused_with_the_weigher_that_did_it() -> None:
    evidence = example_evidence()
    images = replace(evidence["images"], rank=np.full(240, 9, np.int32))
    with pytest.raises(ReweighError, match="rank_limit excluded all 240"):
        weigh_images(images, {}, ("rank_limit",), WeightSettings(rank_limit=RankLimit(limit={"*": 1})))


def test_a_small_effective_share_is_said() -> None:
    sharp = weighed(example_evidence(), ("held_out",), WeightSettings(sharpness=2000.0, clip=1e9))
    assert sharp.effective_share < 0.1
    assert "effective sample share" in sharp.notes[0]
    assert not weighed(example_evidence(), ("held_out",)).notes


def test_a_smallest_class_that_hardly_weighs_is_said() -> None:
    """Class 0 has 12 images, 11 of them with almost no credibility."""
    evidence = example_evidence(n=200, k=2)
    chosen = np.concatenate(
        [np.flatnonzero(evidence["images"].labels == 0)[:12], np.flatnonzero(evidence["images"].labels == 1)]
    )
    some = reordered(evidence, np.sort(chosen))
    share = np.where(some["images"].labels == 0, 0.001, 0.9).astype(np.float32)
    share[np.flatnonzero(some["images"].labels == 0)[0]] = 0.99
    made = weighed(
        {**some, "agreement": replace(some["agreement"], share=share)}, ("held_out",), WeightSettings(sharpness=3.0)
    )
    assert made.facts["smallest_class"] == 0
    assert any("smallest class (label 0) has an effective sample share of 0.0" in note for note in made.notes)


def test_a_factor_without_any_opinion_is_left_out_and_said() -> None:
    made = weighed(example_evidence(with_ranks=False), ("held_out", "rank"))
    assert "rank has no opinion on any image" in made.notes[0]
    np.testing.assert_allclose(made.weights, weighed(example_evidence(with_ranks=False), ("held_out",)).weights)


def test_without_credibilities_only_classes_are_balanced() -> None:
    evidence = example_evidence()
    made = weighed(evidence, ("class_balance",))
    assert made.credibility is None
    labels = evidence["images"].labels
    totals = np.bincount(labels, weights=made.weights)
    np.testing.assert_allclose(totals, totals.mean(), rtol=1e-4)
