"""Sizes, kinds and images of the drawn rows, by hand and within the bounds of chance."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.webify.draw import Drawn, Stock, draw
from reweigh.webify.duplicates import with_duplicates
from reweigh.webify.generators import Purpose, uniforms_by_uid
from reweigh.webify.kinds import (
    CROSSED,
    FAR,
    KINDS,
    NEAR,
    OUT_OF_SET,
    RIGHT,
    check_similarity,
    drawn_classes,
    error_shares,
    far_probabilities,
    near_probabilities,
)
from reweigh.webify.ranks import draw_ranks, rank_fractions
from reweigh.webify.settings import WebifySettings
from reweigh.webify.sizes import class_noise, class_sizes, most_images, pool_positions, relative_sizes

SIMILARITY = 1 / (1 + np.abs(np.arange(12)[:, None] - np.arange(12)))


def stock(k: int = 12, images: int = 400, pool: int = 4000) -> Stock:
    """k classes of as many images each."""
    rows = np.arange(k * images + pool)
    return Stock(
        numbers=tuple(range(k)), names=tuple(f"c{i}" for i in range(k)),
        images=tuple(rows[c * images : (c + 1) * images] for c in range(k)), pool=rows[k * images :],
    )  # fmt: skip


def made(settings: WebifySettings, seed: int = 0, **size: int) -> Drawn:
    store = stock(**size)
    k = len(store.numbers)
    return draw(store, SIMILARITY[:k, :k], settings, seed=seed)


def test_sizes_fall_by_the_ratio_by_hand() -> None:
    # ratio 10, three classes, ranks 0, 1, 2: 10^0, 10^-1/2, 10^-1; of 100: 100, 31.6, 10
    relative = relative_sizes([0, 1, 2], 10, seed=0)
    assert sorted(class_sizes(relative, 100), reverse=True) == [100, 32, 10]
    assert relative_sizes([0], 10, seed=0).tolist() == [1]
    assert class_sizes(np.array([1, 1e-3]), 5).tolist() == [5, 1]  # never none


def test_one_more_class_keeps_the_order_of_the_others() -> None:
    few, more = relative_sizes(range(20), 10, seed=3), relative_sizes(range(21), 10, seed=3)
    assert np.argsort(-few).tolist() == [c for c in np.argsort(-more) if c < 20]
    np.testing.assert_array_equal(class_noise(range(20), 0.4, seed=3), class_noise(range(21), 0.4, seed=3)[:20])


def test_noise_of_classes_lies_between_6_and_14_tenths() -> None:
    rates = class_noise(range(500), 0.4, seed=0)
    assert 0.24 <= rates.min() < 0.26 and 0.54 < rates.max() <= 0.56 and abs(rates.mean() - 0.4) < 0.02


def test_the_pool_is_spread_evenly() -> None:
    assert pool_positions(40, 8).tolist() == [4, 9, 14, 19, 24, 29, 34, 39]
    assert pool_positions(7, 2).tolist() == [2, 6] and pool_positions(5, 0).tolist() == []


def test_near_classes_are_the_five_most_similar_by_hand() -> None:
    # class 0 of twelve in a row: neighbours 1..5 with 1/2 .. 1/6; their sum is 1.45
    near = near_probabilities(SIMILARITY, [str(i) for i in range(12)])
    np.testing.assert_allclose(near[0, 1:6], np.array([1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6]) / 1.45)
    assert near[0, 6:].sum() == 0 and near[0, 0] == 0
    far = far_probabilities(near)
    np.testing.assert_allclose(far[0, 6:], 1 / 6)
    np.testing.assert_allclose(far.sum(axis=1), 1)
    assert (far * near == 0).all() and (np.diag(far) == 0).all()


def test_with_few_classes_half_of_the_others_are_near() -> None:
    near = near_probabilities(SIMILARITY[:6, :6], list("abcdef"))
    assert (near > 0).sum(axis=1).tolist() == [3] * 6
    two = near_probabilities(SIMILARITY[:2, :2], list("ab"))
    np.testing.assert_array_equal(far_probabilities(two), two)


def test_without_a_pool_its_share_goes_to_near_and_far() -> None:
    # .45 and .2 share .35 as 9 to 4: .45 / .65 = .692, .2 / .65 = .308
    np.testing.assert_allclose(error_shares(WebifySettings(), has_pool=False), [0.45 / 0.65, 0.2 / 0.65, 0, 0])
    np.testing.assert_allclose(error_shares(WebifySettings(), has_pool=True), [0.45, 0.2, 0, 0.35])


def test_shares_of_kinds_are_as_asked_within_chance() -> None:
    drawn = made(
        WebifySettings(n_max=400, ratio=1, noise=0.4, source_noise=(1,), source_rank=(1,)), images=1000, pool=9000
    )
    n, rates = len(drawn.kind), class_noise(range(12), 0.4, seed=0)
    for kind, share in (
        (RIGHT, 1 - rates.mean()),
        (NEAR, rates.mean() * 0.45),
        (FAR, rates.mean() * 0.2),
        (OUT_OF_SET, rates.mean() * 0.35),
    ):
        count = int((drawn.kind == kind).sum())
        assert abs(count - n * share) < 4 * np.sqrt(n * share * (1 - share)), KINDS[kind]
    assert sum(count for _, count in drawn.facts) == 0


def test_the_second_source_is_noisier() -> None:
    drawn = made(WebifySettings(n_max=400, ratio=1), images=1000, pool=9000)
    wrong = [(drawn.kind[drawn.source == s] != RIGHT).mean() for s in (0, 1)]
    assert abs(wrong[1] / wrong[0] - 1.25 / 0.75) < 0.25


@given(seed=st.integers(0, 50), n_max=st.integers(1, 60), images=st.integers(60, 90), pool=st.integers(0, 40))
def test_no_image_is_used_twice_and_kinds_say_the_truth(seed: int, n_max: int, images: int, pool: int) -> None:
    drawn = made(WebifySettings(n_max=n_max, ratio=3), seed, images=images, pool=pool)
    assert len(set(drawn.image.tolist())) == len(drawn.image)
    assert ((drawn.kind == RIGHT) == (drawn.truth == drawn.label)).all()
    assert ((drawn.kind == OUT_OF_SET) == (drawn.truth == -1)).all()
    shown = np.where(drawn.image < 12 * images, drawn.image // images, -1)
    np.testing.assert_array_equal(shown, drawn.truth)
    near = near_probabilities(SIMILARITY, ["x"] * 12) > 0
    assert near[drawn.label[drawn.kind == NEAR], drawn.truth[drawn.kind == NEAR]].all()
    assert not near[drawn.label[drawn.kind == FAR], drawn.truth[drawn.kind == FAR]].any()


def test_used_up_images_are_counted() -> None:
    # all errors near, class 1 always from class 0 or 2..: 40 images a class and 38 rows of each leave two a class
    settings = WebifySettings(n_max=38, ratio=1, noise=0.3, near=1, far=0, out_of_set=0)
    with_pool, without = made(settings, images=40, pool=500), made(settings, images=40, pool=0)
    assert dict(with_pool.facts)["used-up class, taken from outside of the set"] >= 0
    assert (with_pool.kind == OUT_OF_SET).sum() == dict(with_pool.facts)["used-up class, taken from outside of the set"]
    assert (without.kind == OUT_OF_SET).sum() == 0
    lost = dict(without.facts)
    assert len(without.kind) == 12 * 38 - lost["no image left, row dropped"]


def test_an_exhausted_pool_is_made_right_and_counted() -> None:
    settings = WebifySettings(n_max=100, ratio=1, near=0, far=0, out_of_set=1)
    drawn = made(settings, images=200, pool=10)
    wished = made(settings, images=200, pool=4000)
    assert (drawn.kind == OUT_OF_SET).sum() == 10
    assert dict(drawn.facts)["used-up class or pool, made right"] == (wished.kind == OUT_OF_SET).sum() - 10


def test_the_chosen_size_leaves_no_store_dry() -> None:
    # demand 1 of 120 images: x + 2 sqrt(x) = 120 at x = (sqrt(121) - 1)^2 = 100
    assert most_images(np.array([1.0, 0.5]), np.array([120, 120]), ["a", "b"]) == 100
    for seed in range(5):
        drawn = made(WebifySettings(), seed, images=300, pool=1000)
        assert drawn.n_max > 150 and sum(count for _, count in drawn.facts) <= 3


def test_a_class_too_small_is_named() -> None:
    store = stock(images=50)
    small = replace(store, images=(store.images[0][:3], *store.images[1:]))
    with pytest.raises(ReweighError, match=r"Class 'c0' has 3 training images; n_max 40 needs \d+ of them"):
        draw(small, SIMILARITY, WebifySettings(n_max=40, ratio=1), seed=0)
    empty = replace(store, images=(store.images[0][:0], *store.images[1:]))
    with pytest.raises(ReweighError, match="Too few images of 'c0': 0 training images"):
        draw(empty, SIMILARITY, WebifySettings(), seed=0)
    with pytest.raises(ReweighError, match="at least two classes"):
        made(WebifySettings(), k=1)


def test_an_image_more_changes_no_row_but_those_that_take_it() -> None:
    settings = WebifySettings(n_max=100, ratio=2)
    store = stock()
    more = replace(store, images=(*store.images[:-1], np.append(store.images[-1], 9_999_999)))
    one, other = draw(store, SIMILARITY, settings, seed=0), draw(more, SIMILARITY, settings, seed=0)
    for name in ("label", "truth", "kind", "source"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    moved = one.image != other.image
    assert (one.truth[moved] == 11).all()


def test_chance_of_an_image_hangs_on_its_name_and_the_seed() -> None:
    one, two = (uniforms_by_uid(uids, seed=1, purpose=Purpose.IMAGES) for uids in (["a", "b"], ["new", "a", "b"]))
    np.testing.assert_array_equal(one, two[1:])
    assert (one != uniforms_by_uid(["a", "b"], seed=2, purpose=Purpose.IMAGES)).all()
    many = uniforms_by_uid([str(i) for i in range(20_000)], seed=0, purpose=Purpose.LABELS)
    assert many.min() >= 0 and many.max() < 1 and np.abs(many.mean(axis=0) - 0.5).max() < 0.01


@given(st.floats(0, 1, exclude_max=True), st.lists(st.integers(0, 3), min_size=2, max_size=6).filter(any))
def test_a_class_without_probability_is_never_drawn(u: float, weights: list[int]) -> None:
    probabilities = np.array(weights) / sum(weights)
    (found,) = drawn_classes(np.array([u]), probabilities[None])
    assert probabilities[found] > 0


def test_ranks_are_places_in_class_and_source() -> None:
    drawn = made(WebifySettings(n_max=200, ratio=1))
    rank = draw_ranks(drawn, range(12), WebifySettings(), seed=0)
    for c in range(12):
        for s in (0, 1):
            own = rank[(drawn.label == c) & (drawn.source == s)]
            assert sorted(own.tolist()) == list(range(1, len(own) + 1))


def test_rank_fractions_tell_right_from_wrong_as_measured() -> None:
    """Section 10: AUROC .79 and .66 for the two sources, whose ranks know of the errors unequally."""
    from reweigh.metrics.detection import auroc

    drawn = made(WebifySettings(n_max=600, ratio=1), images=1500, pool=9000)
    rank = draw_ranks(drawn, range(12), WebifySettings(), seed=0)
    score, is_right = -rank_fractions(rank, drawn.label, drawn.source), drawn.kind == RIGHT
    own = [auroc(score[drawn.source == s], is_right[drawn.source == s]) for s in (0, 1)]
    assert abs(own[0] - 0.79) < 0.03 and abs(own[1] - 0.66) < 0.03


def test_rank_fractions_by_hand() -> None:
    # label 0: ranks 3, 1, 7 -> places 2, 1, 3 of three -> .5, 1/6, 5/6; label 1: one of one; rank 0: none
    found = rank_fractions(np.array([3, 1, 7, 9, 0]), np.array([0, 0, 0, 1, 0]), np.zeros(5, int))
    np.testing.assert_allclose(found, [0.5, 1 / 6, 5 / 6, 0.5, np.nan])


def test_no_signal_means_ranks_that_say_nothing() -> None:
    from reweigh.metrics.detection import auroc

    drawn = made(WebifySettings(n_max=600, ratio=1), images=1500, pool=9000)
    rank = draw_ranks(drawn, range(12), WebifySettings(rank_signal=0), seed=0)
    assert abs(auroc(-rank_fractions(rank, drawn.label, drawn.source), drawn.kind == RIGHT) - 0.5) < 0.03


def test_duplicates_keep_truth_and_kind_and_crossed_ones_are_wrong() -> None:
    settings = WebifySettings(n_max=200, ratio=1, duplicates=0.1, crossed=0.1)
    drawn = made(settings)
    more = with_duplicates(drawn, tuple(range(12)), settings, seed=0)
    n = len(drawn.label)
    assert abs((len(more.label) - n) / n - 0.2) < 0.04
    first = {image: row for row, image in enumerate(drawn.image.tolist())}
    at = np.array([first[image] for image in more.image[n:].tolist()])
    same = more.label[n:] == drawn.label[at]
    np.testing.assert_array_equal(more.truth[n:], drawn.truth[at])
    np.testing.assert_array_equal(more.kind[n:][same], drawn.kind[at][same])
    crossed = more.kind[n:][~same]
    assert set(crossed.tolist()) == {CROSSED, OUT_OF_SET} and (more.label[n:] != more.truth[n:])[~same].all()
    assert 0.35 < (more.copy[n:] == 2).mean() < 0.65 and (more.copy[:n] == 0).all()
    pairs = Counter(zip(more.image.tolist(), more.label.tolist(), strict=True))
    assert max(pairs.values()) == 2


def test_crossed_duplicates_need_three_classes() -> None:
    settings = WebifySettings(n_max=20, crossed=0.5)
    with pytest.raises(ReweighError, match="needs three classes"):
        with_duplicates(made(settings, k=2), (0, 1), settings, seed=0)


def similarity_with(value: float) -> NDArray[np.float64]:
    values = np.ones((3, 3))
    values[1, 2] = value
    return values


@pytest.mark.parametrize("bad", [similarity_with(-1), similarity_with(np.nan), np.ones((2, 2)), np.ones(3)])
def test_a_bad_similarity_is_named(bad: NDArray[np.float64]) -> None:
    with pytest.raises(ReweighError, match=r"shape \(3, 3\), found|'b' and 'c' \(row 1, column 2\)"):
        check_similarity(bad, ["a", "b", "c"])


def test_a_class_similar_to_none_is_named() -> None:
    with pytest.raises(ReweighError, match="'b' is similar to no other class"):
        near_probabilities(np.diag([1.0, 1, 1]) + np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]]), ["a", "b", "c"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("noise", 1.2), ("near", -0.1), ("near", 0.9), ("ratio", 0.5), ("n_max", -1), ("pool_classes", -1), ("rank_signal", -1.0),
     ("source_noise", (1.0,)), ("source_noise", (-1.0, 1.0)), ("notext", float("nan"))],
)  # fmt: skip
def test_settings_out_of_range_are_named(name: str, value: object) -> None:
    with pytest.raises(ReweighError, match=f"webify.*{name}"):
        WebifySettings(**{name: value})  # type: ignore[arg-type]


def test_settings_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ReweighError, match="flips labels and does nothing else"):
        WebifySettings(corruption="pair", pool_classes=2)
    with pytest.raises(ReweighError, match="keep_side adds no image"):
        WebifySettings(keep_side=True, duplicates=0.1)
