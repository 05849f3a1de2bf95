"""Image-text matching: whom it learns from, what it gives, and what it makes of poor data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from reweigh.errors import ReweighError
from reweigh.evidence.images import Images
from reweigh.evidence.label_text import LabelText
from reweigh.features.matrix import ArrayFeatures
from reweigh.testing import CONTRACT, example_evidence
from reweigh.weighers.factor import make_factor
from reweigh.weighers.image_text import (
    ImageText,
    fit_networks,
    matching_scores,
    scaled_texts,
    score_facts,
    trusted_rows,
)
from reweigh.weighers.image_text_networks import Matching, MatchingSettings, cosines_with_own, fit_matching, two_layers
from reweigh.weighers.settings import WeightSettings
from reweigh.weighers.weighing import weigh_images

QUICK = ImageText(steps=60, batch=64, n_folds=2)


def scores_of(evidence: Any, settings: ImageText) -> np.ndarray:
    state = fit_networks(evidence, settings)
    assert state is not None
    return matching_scores(evidence, state)


def images(**changes: Any) -> Images:
    """Six images of two classes; source 1 is the better one."""
    record = Images(
        rows=np.arange(6), labels=np.array([0, 0, 0, 1, 1, 1], np.int32), k=2, groups=np.arange(6), copies=np.arange(6),
        source=np.array([0, 0, 1, 1, 0, 1], np.int32), source_names=("google", "flickr"), rank=np.array([1, 2, 30, 31, 1, 2], np.int32),
        is_fitted=np.ones(6, bool), person=np.full(6, np.nan, np.float32),
    )  # fmt: skip
    return replace(record, **changes)


AGREEMENT = np.array([0.1, 0.2, 0.9, 0.8, 0.3, 0.7], np.float32)


def test_the_first_thirty_ranks_of_the_source_that_agrees_most_are_trusted() -> None:
    """Means: google (.1 + .2 + .3) / 3, flickr (.9 + .8 + .7) / 3. Of flickr's ranks 30, 31 and 2 the first 30 are taken: 30 too."""
    rows, source = trusted_rows(images(), AGREEMENT, top=30)
    assert (rows.tolist(), source) == ([2, 5], 1)


def test_a_class_without_trusted_ranks_gives_its_rows_of_largest_agreement() -> None:
    """Class 1 has no rank of flickr up to 1; its two of largest agreement are rows 3 and 5."""
    ranked = images(rank=np.array([1, 2, 1, 31, 1, 2], np.int32))
    assert trusted_rows(ranked, AGREEMENT, top=1)[0].tolist() == [2, 3]
    assert trusted_rows(ranked, AGREEMENT, top=2)[0].tolist() == [2, 5]


def test_without_ranks_every_class_gives_its_rows_of_largest_agreement() -> None:
    rows, source = trusted_rows(images(rank=np.zeros(6, np.int32)), AGREEMENT, top=2)
    assert (rows.tolist(), source) == ([1, 2, 3, 5], -2)


def test_an_image_under_two_labels_is_never_learnt_from() -> None:
    fitted = np.array([True, True, False, True, True, False])
    rows, _ = trusted_rows(images(is_fitted=fitted, rank=np.zeros(6, np.int32)), AGREEMENT, top=9)
    assert rows.tolist() == [0, 1, 3, 4]


def test_a_score_is_the_cosine_with_the_own_labels_text_after_two_layers() -> None:
    """Point (1, -1): layer one (2, -3) -> ReLU (2, 0); layer two with bias (0, 1): (2, 1). Texts (1, 0) and (0, 1): 2/sqrt 5, 1/sqrt 5."""
    weights = (np.diag([2, 3])[None], np.zeros((1, 1, 2)), np.eye(2)[None], np.array([[[0, 1]]]))
    matching = Matching(weights=tuple(w.astype(np.float32) for w in weights), texts=np.eye(2, dtype=np.float32)[None])
    points = np.array([[1, -1], [1, -1]], np.float32)
    assert cosines_with_own(points, np.array([0, 1]), matching, 0) == pytest.approx([2 / 5**0.5, 1 / 5**0.5], rel=1e-6)


@pytest.mark.parametrize("loss", ["softmax", "hinge", "eq8"])
def test_right_labels_score_higher_and_the_printed_hinge_turns_that_round(loss: str) -> None:
    """Found: .78, .87, .72 and .15."""
    evidence = example_evidence()
    right = evidence["images"].labels == np.arange(240) % 4
    for name, low, high in ((loss, 0.7, 1.0), ("printed_hinge", 0.0, 0.3)):
        settings = replace(QUICK, loss=name)
        score = scores_of(evidence, settings)
        assert low <= roc_auc_score(right, score) <= high, name
        assert np.abs(score).max() <= 1 + 1e-5


def test_an_image_is_judged_by_networks_that_have_not_seen_its_group() -> None:
    """An image that stands far from all others, and is learnt from, is no reason to believe its label."""
    evidence = example_evidence(with_ranks=False)
    odd = np.flatnonzero(evidence["images"].is_fitted)[40]
    values = evidence["features"].values.copy()
    values[odd] = -20 * values[odd]
    moved = {
        **evidence,
        "features": ArrayFeatures(values),
        "agreement": replace(evidence["agreement"], share=evidence["agreement"].share.copy()),
    }
    moved["agreement"].share[odd] = 1.0
    seen, held = (
        matching_scores(moved, fit_networks(moved, replace(QUICK, steps=300, n_folds=n)))[odd] for n in (1, 5)
    )
    assert seen > 0.4 and held < 0


@pytest.mark.parametrize(
    "settings",
    [replace(QUICK, loss="hinge"), replace(QUICK, loss="eq8", n_folds=1), replace(QUICK, is_calibrated=False), replace(QUICK, n_folds=7)],
)  # fmt: skip
@pytest.mark.parametrize("promise", CONTRACT)
def test_settings_other_than_the_defaults_keep_the_contract(promise: str, settings: ImageText) -> None:
    CONTRACT[promise]("image_text", settings)


def test_word_vectors_make_a_score_for_a_class_that_nothing_trusted_shows() -> None:
    """Class 3's text is near class 2's, and so are its images: without one image to learn from they score above images of class 0."""
    evidence = example_evidence(with_ranks=False)
    generator = np.random.default_rng(0)
    texts = generator.standard_normal((4, 16)).astype(np.float32)
    texts[3] = texts[2] + 0.3 * generator.standard_normal(16)
    text = LabelText(vectors=texts, is_known=np.ones(4, bool), made_from="word_vectors", unknown_words=())
    truth = np.arange(240) % 4
    values = evidence["features"].values.copy()
    values[truth == 3, 2] += 4
    share = np.where(evidence["images"].labels == 3, np.nan, evidence["agreement"].share).astype(np.float32)
    shown = {
        **evidence, "features": ArrayFeatures(values), "label_text": text, "agreement": replace(evidence["agreement"], share=share)
    }  # fmt: skip
    score = scores_of(shown, QUICK)
    own = evidence["images"].labels == 3
    assert score[own & (truth == 3)].mean() > score[own & (truth < 2)].mean() + 0.15


def test_images_of_a_label_without_words_have_no_opinion_and_are_counted() -> None:
    evidence = example_evidence()
    known = np.array([True, True, True, False])
    vectors = np.eye(4, dtype=np.float32) * known[:, None]
    text = LabelText(vectors=vectors, is_known=known, made_from="word_vectors", unknown_words=("class3",))
    factor = make_factor("image_text", QUICK, {**evidence, "label_text": text})
    assert np.array_equal(np.isnan(factor.values), evidence["images"].labels == 3)
    assert factor.facts["labels_without_text"] == 1 and factor.facts["unknown_words"] == 1
    assert factor.facts["label_text"] == "word_vectors"


def test_all_equal_features_say_no_more_than_the_label_does() -> None:
    """Every image stands at the same point; what is left is how often each label agrees, and that is nothing here."""
    values = make_factor("image_text", QUICK, example_evidence(is_constant=True)).values
    assert np.isnan(values).all() or np.nanmax(values) - np.nanmin(values) < 0.02


def test_features_that_are_not_finite_name_the_row() -> None:
    evidence = example_evidence()
    values = evidence["features"].values.copy()
    values[17] = np.nan
    with pytest.raises(ReweighError, match="row 17 are NaN"):
        make_factor("image_text", QUICK, {**evidence, "features": ArrayFeatures(values)})


def test_a_state_that_was_stored_gives_the_same_values() -> None:
    evidence = example_evidence()
    state = QUICK.fit(evidence)
    assert state is not None
    first, second = (QUICK.weigh(evidence, state)[0] for _ in range(2))
    assert first.tobytes() == second.tobytes() == make_factor("image_text", QUICK, evidence).values.tobytes()
    assert all(isinstance(value, np.ndarray) for value in state.values())


def test_the_paper_s_weight_is_the_cosine_above_zero() -> None:
    evidence = example_evidence()
    factor = make_factor("image_text", replace(QUICK, is_calibrated=False), evidence)
    score = scores_of(evidence, QUICK)
    assert np.array_equal(factor.values, np.clip(score, 0, 1)) and factor.kind == "multiplier"


def test_the_paper_s_weight_needs_the_product_and_a_label_without_text_weighs_as_others_do_on_average() -> None:
    settings = replace(QUICK, is_calibrated=False)
    with pytest.raises(ReweighError, match=r"'image_text' is a multiplier.* Set weights\.combiner=product"):
        WeightSettings(use=("image_text",), image_text=settings)
    evidence = dict(example_evidence())
    text = evidence["label_text"]
    evidence["label_text"] = replace(text, is_known=np.arange(len(text.is_known)) > 0)
    values = make_factor("image_text", settings, evidence).values
    silent = evidence["images"].labels == 0
    assert silent.any() and values[silent] == pytest.approx(values[~silent].mean())


def test_training_depends_on_the_seed_alone_and_leaves_torchs_own_generator_where_it_was() -> None:
    settings = MatchingSettings(
        loss="softmax", temperature=0.1, margin=0.2, hidden=8, size=4, steps=5, batch=16, rate=1e-3, weight_decay=0.01
    )  # fmt: skip
    points, labels = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32), np.arange(20) % 4
    before = torch.random.get_rng_state()
    one, same, other = (
        fit_matching(points, labels, [np.arange(20)], np.zeros((4, 0), np.float32), settings, seed=s).texts.tobytes()
        for s in (0, 0, 1)
    )
    assert one == same != other
    assert torch.equal(before, torch.random.get_rng_state())
    start = two_layers(2, 9, settings, torch.Generator().manual_seed(0))
    assert [tuple(layer.shape) for layer in start] == [(2, 9, 8), (2, 1, 8), (2, 8, 4), (2, 1, 4)]
    assert 0.3 < start[0].detach().abs().max() <= 1 / 3


def test_pairs_that_are_trained_side_by_side_are_each_by_itself() -> None:
    points, labels = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32), np.arange(20) % 4
    settings = MatchingSettings(
        loss="hinge", temperature=0.1, margin=0.2, hidden=8, size=4, steps=20, batch=16, rate=1e-3, weight_decay=0.01
    )  # fmt: skip
    texts, seen = np.eye(4, dtype=np.float32), [np.arange(10), np.arange(10, 20)]
    both = fit_matching(points, labels, seen, texts, settings, seed=3)
    one = fit_matching(points, labels, seen[:1], texts, settings, seed=3)
    assert both.texts[0] == pytest.approx(one.texts[0], abs=1e-5)
    assert np.abs(both.texts[0] - both.texts[1]).max() > 1e-3


def test_one_hot_texts_are_the_identity_as_vectors() -> None:
    """t = 0 means a text of one 1 a label, of which no matrix is made."""
    settings = MatchingSettings(
        loss="softmax", temperature=0.1, margin=0.2, hidden=8, size=4, steps=20, batch=16, rate=1e-3, weight_decay=0.01
    )  # fmt: skip
    points, labels = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32), np.arange(20) % 4
    short, long = (
        fit_matching(points, labels, [np.arange(20)], texts, settings, seed=3) for texts in (np.zeros((4, 0), np.float32), np.eye(4, dtype=np.float32))
    )  # fmt: skip
    assert short.texts == pytest.approx(long.texts, abs=1e-5)


def test_texts_are_centred_and_scaled_as_a_whole() -> None:
    scaled = scaled_texts(np.array([[1, 0], [3, 0]], np.float32))
    assert scaled == pytest.approx(np.array([[-(2**0.5), 0], [2**0.5, 0]]))
    assert scaled_texts(np.ones((1, 3), np.float32)).tolist() == [[0, 0, 0]]
    assert scaled_texts(np.zeros((3, 0), np.float32)).shape == (3, 0)


def test_the_facts_hold_every_score_and_examples_of_the_slides_bins() -> None:
    """.95 | .75 | .85, which lies between two bins | .1 and -.5 | NaN."""
    facts = score_facts(np.array([0.95, 0.75, 0.85, 0.1, -0.5, np.nan]), np.arange(6) + 10)
    assert sum(facts["counts"]) == 5
    assert {name: one["n"] for name, one in facts["bins"].items()} == {"0.9 to 1": 1, "0.7 to 0.8": 1, "below 0.6": 2}
    assert facts["bins"]["below 0.6"]["examples"] == [[13, 0.1], [14, -0.5]]
    assert score_facts(np.array([np.nan]), np.arange(1))["mean"] is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("temperature", 0.0, "above 0"), ("rate", float("nan"), "above 0"), ("margin", -0.1, "0 or more"), ("steps", 0, "1 or more"), ("n_folds", 0, "1 or more")],
)  # fmt: skip
def test_settings_out_of_range_name_their_key(name: str, value: float, words: str) -> None:
    with pytest.raises(ReweighError, match=rf"weights\.image_text\.{name} must be {words}"):
        ImageText(**{name: value})


@pytest.mark.parametrize("known", [[], [2]])
@pytest.mark.parametrize("is_calibrated", [True, False])
def test_where_fewer_than_two_labels_are_known_it_says_nothing_and_why(known: list[int], is_calibrated: bool) -> None:
    """A softmax over one text is constant: what the networks gave would be chance."""
    evidence = example_evidence()
    is_known = np.isin(np.arange(4), known)
    vectors = np.eye(4, dtype=np.float32) * is_known[:, None]
    text = LabelText(vectors=vectors, is_known=is_known, made_from="word_vectors", unknown_words=())
    settings = replace(QUICK, is_calibrated=is_calibrated)
    factor = make_factor("image_text", settings, {**evidence, "label_text": text})
    assert np.isnan(factor.values).all() if is_calibrated else (factor.values == 1).all()
    assert factor.facts == {"says_nothing": "fewer than two labels have a text and an image to learn from"}
    assert factor.score is None


def test_the_cosines_are_kept_beside_what_is_made_of_them() -> None:
    evidence = example_evidence()
    factor = make_factor("image_text", QUICK, evidence)
    assert factor.score is not None and np.array_equal(factor.score, scores_of(evidence, QUICK))
    assert "score" not in factor.facts
    json.dumps(factor.facts)


def test_labels_without_words_are_named_in_a_note() -> None:
    evidence = dict(example_evidence())
    is_known = np.array([True, True, True, False])
    evidence["label_text"] = replace(
        evidence["label_text"], vectors=np.eye(4, dtype=np.float32) * is_known[:, None], is_known=is_known
    )
    settings = WeightSettings(use=("held_out", "image_text"), image_text=QUICK)
    inside = {**evidence, "features": evidence["features"]}
    made = weigh_images(evidence["images"], inside, settings.use, settings, class_names=("ash", "elm", "oak", "yew"))
    n = int((evidence["images"].labels == 3).sum())
    assert made.notes[0] == f"image_text knows no word of 1 of the 4 labels and has no opinion on their {n} images: yew"
    assert "label 3" in weigh_images(evidence["images"], inside, settings.use, settings).notes[0]
