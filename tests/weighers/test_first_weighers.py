"""Ranks, copies, densities and subsets, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.evidence.agreement import label_agreement
from reweigh.evidence.density import density_share
from reweigh.evidence.images import Images, chosen_images, contested
from reweigh.probes.log_probabilities import ArrayProbabilities, compact
from reweigh.testing import example_evidence
from reweigh.weighers.curriculum import Curriculum, density_subsets
from reweigh.weighers.duplicates import first_copies
from reweigh.weighers.factor import make_factor
from reweigh.weighers.rank import rank_fractions
from reweigh.weighers.rank_limit import RankLimit
from reweigh.weighers.verified import Verified


def images(labels: list[int], **changes: object) -> Images:
    n = len(labels)
    made = Images(
        rows=np.arange(n), labels=np.array(labels, np.int32), k=max(labels) + 1, groups=np.arange(n), copies=np.arange(n),
        source=np.full(n, -1, np.int32), source_names=(), rank=np.zeros(n, np.int32), is_fitted=np.ones(n, bool),
        person=np.full(n, np.nan, np.float32),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_soft_agreement_by_hand() -> None:
    """p = (.6, .3, .1), label 1, N = (2, 1, 1): p / N = (.3, .3, .1), t = .3 / (.3 + .3) = .5; label 0: also .5.
    p = (.2, .2, .6), label 2: .6 / (.6 + .2) = .75."""
    p = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.5, 0.25, 0.25]])
    labels = np.array([1, 0, 2, 0])
    np.testing.assert_allclose(label_agreement(ArrayProbabilities(p), labels), [0.5, 0.5, 0.75, 0.5], atol=1e-6)


def test_soft_agreement_is_the_same_from_the_largest_entries_where_they_hold_what_matters() -> None:
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.full(8, 0.3), 300).astype(np.float32)
    labels = p.argsort(axis=1)[:, -1 - generator.integers(0, 2, 300)[0]]
    dense = label_agreement(compact(np.log(np.maximum(p, 1e-9)), m=None), labels)
    top = label_agreement(compact(np.log(np.maximum(p, 1e-9)), m=6), labels)
    assert np.abs(dense - top).max() < 0.02


@given(seed=st.integers(0, 10_000), k=st.integers(3, 12), m=st.integers(1, 12))
def test_the_largest_entries_give_what_whole_rows_would(seed: int, k: int, m: int) -> None:
    """Whole rows made from the m largest, through the plain form, against the way that never makes them."""
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.full(k, 0.3), 40).astype(np.float32)
    labels = generator.integers(0, max(k - 1, 1), 40)  # the last class has no row
    top = compact(np.log(np.maximum(p, 1e-9)), m=min(m, k - 1))
    whole = label_agreement(ArrayProbabilities(np.exp(top.read(0, 40).astype(np.float64))), labels)
    assert np.abs(label_agreement(top, labels) - whole).max() < 1e-5


def test_agreement_by_block_is_the_agreement_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    p = np.random.default_rng(0).dirichlet(np.full(5, 0.5), 101)
    labels = np.arange(101) % 5
    whole = label_agreement(ArrayProbabilities(p), labels)
    monkeypatch.setattr("reweigh.evidence.agreement.BLOCK_BYTES", 7 * 4 * 5)
    assert label_agreement(ArrayProbabilities(p), labels).tobytes() == whole.tobytes()


def test_one_class_agrees_and_no_label_has_no_agreement() -> None:
    assert label_agreement(ArrayProbabilities(np.ones((3, 1))), np.zeros(3, int)).tolist() == [1, 1, 1]
    assert np.isnan(label_agreement(ArrayProbabilities(np.ones((2, 2)) / 2), np.array([-1, 0])))[0]


def test_rank_fractions_within_class_and_source() -> None:
    """Class 0, source 0 has ranks 7, 2, 2, 30: places 3, 1.5, 1.5, 4 of 4 -> (2.5, 1, 1, 3.5) / 4. Source 1 has one rank: .5."""
    made = images(
        [0, 0, 0, 0, 0, 1, 1],
        source=np.array([0, 0, 0, 0, 1, 1, -1], np.int32),
        source_names=("a", "b"),
        rank=np.array([7, 2, 2, 30, 900, 5, 0], np.int32),
    )
    np.testing.assert_allclose(rank_fractions(made), [0.625, 0.25, 0.25, 0.875, 0.5, 0.5, np.nan])


def test_a_rank_limit_is_of_its_source_and_keeps_what_has_no_rank() -> None:
    made = images(
        [0, 0, 0, 0], source=np.array([0, 0, 1, -1], np.int32), source_names=("flickr", "google"), rank=np.array([15, 16, 99, 99], np.int32)
    )  # fmt: skip
    kept = make_factor("rank_limit", RankLimit(limit={"flickr": 15}), {"images": made}).values
    assert kept.tolist() == [1, 0, 1, 1]
    everywhere = make_factor("rank_limit", RankLimit(limit={"flickr": 15, "*": 50}), {"images": made}).values
    assert everywhere.tolist() == [1, 0, 0, 0]
    assert make_factor("rank_limit", RankLimit(limit={"*": 1}), {"images": images([0, 0])}).values.tolist() == [1, 1]
    with pytest.raises(
        ReweighError, match=r"names the source 'flicker'; there are: flickr, google\. Did you mean 'flickr'"
    ):
        make_factor("rank_limit", RankLimit(limit={"flicker": 15}), {"images": made})
    with pytest.raises(ReweighError, match=r"weights\.rank_limit\.limit\.flickr must be 1 or more, found 0"):
        RankLimit(limit={"flickr": 0})


def test_the_first_of_equal_copies_stays_and_copies_under_two_labels_are_contested() -> None:
    made = images([0, 0, 0, 1, 1], copies=np.array([5, 5, 5, 5, 9]), rows=np.array([3, 1, 2, 4, 0]))
    assert first_copies(made).tolist() == [False, True, False, True, True]
    assert contested(made.copies, made.labels).tolist() == [True, True, True, True, False]


def test_a_persons_word() -> None:
    made = images([0, 0, 0], person=np.array([1, 0, np.nan], np.float32))
    np.testing.assert_allclose(make_factor("verified", Verified(), {"images": made}).values, [0.99, 0.01, np.nan])


def test_density_by_hand() -> None:
    """Four points at angles 0, 0, 90 and 180 degrees: of the 16 distances, 6 are 0 and 6 are sqrt 2; the 60 % quantile is the
    10th smallest (place 9 of 0..15), sqrt 2. Nearer than that: the two at 0 see each other (1 of 3), the others see nobody."""
    points = np.array([[1, 0], [1, 0], [0, 1], [-1, 0]], np.float32)
    share = density_share(points, seed=np.random.SeedSequence(0))
    np.testing.assert_allclose(share, [1 / 3, 1 / 3, 0, 0])


def test_density_of_a_large_class_from_random_pairs_orders_its_images_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    from reweigh.evidence import density

    points = np.random.default_rng(0).standard_normal((600, 6)).astype(np.float32) + 1.0
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    exact = density_share(points, seed=np.random.SeedSequence(0))
    monkeypatch.setattr(density, "ALL_PAIRS_UP_TO", 100)
    monkeypatch.setattr(density, "BLOCK", 128)
    drawn = density_share(points, seed=np.random.SeedSequence(0))
    assert np.corrcoef(exact, drawn)[0, 1] > 0.999
    assert np.abs(exact - drawn).max() < 0.02


def test_subsets_are_k_means_of_the_densities_and_fewer_where_these_do_not_differ() -> None:
    share = np.array([0.9, 0.88, 0.5, 0.52, 0.1, 0.12, 0.7, 0.7, np.nan])
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
    assert density_subsets(share, labels, 4).tolist() == [0, 0, 1, 1, 2, 2, 0, 0, 0]
    assert density_subsets(np.array([0.2, 0.8, 0.8]), np.zeros(3, int), 1).tolist() == [1, 0, 0]


def test_the_papers_weights_of_subsets() -> None:
    evidence = example_evidence()
    values = make_factor("curriculum", Curriculum(), evidence).values
    assert set(np.unique(values)) == {0.5, 1.0}
    first = make_factor("curriculum", Curriculum(noisy=0.0, highly_noisy=0.0), evidence).values
    assert set(np.unique(first)) == {0.0, 1.0}
    assert (first <= values).all()


def test_chosen_images_keep_their_rows() -> None:
    made = chosen_images(images([0, 1, 0, 1]), np.array([3, 1]))
    assert made.rows.tolist() == [3, 1]
    assert made.labels.tolist() == [1, 1]
