"""The sampling plan: every rank the same steps, together what one process reads, and weights kept on average."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.training.sampling import epoch_rows

PLANS = {
    "weights": st.lists(st.sampled_from([0.0, 0.3, 1.0, 7.5]), min_size=1, max_size=40).filter(any),
    "world": st.integers(1, 4),
    "batch_of_rank": st.integers(1, 6),
    "seed": st.integers(0, 3),
    "epoch": st.integers(0, 3),
    "mode": st.sampled_from(["shuffle", "weighted"]),
}


@given(**PLANS)
@settings(max_examples=150)
def test_all_ranks_together_read_what_one_process_reads_step_by_step(
    weights: list[float], world: int, batch_of_rank: int, seed: int, epoch: int, mode: str
) -> None:
    given_ = {"seed": seed, "epoch": epoch, "batch": batch_of_rank * world, "mode": mode}
    one = epoch_rows(weights, **given_)
    ranks = [epoch_rows(weights, **given_, rank=rank, world=world) for rank in range(world)]
    assert {plan.shape for plan in ranks} == {(len(one), batch_of_rank)}
    together = np.empty_like(one)
    for rank, plan in enumerate(ranks):
        together[:, rank::world] = plan
    np.testing.assert_array_equal(together, one)


@given(**PLANS)
@settings(max_examples=150)
def test_counts_are_what_the_weights_say_and_weight_0_is_never_read(
    weights: list[float], world: int, batch_of_rank: int, seed: int, epoch: int, mode: str
) -> None:
    plan = epoch_rows(weights, seed=seed, epoch=epoch, batch=batch_of_rank * world, mode=mode)
    n_positive = np.count_nonzero(weights)
    assert plan.dtype == np.int64
    assert n_positive <= plan.size < n_positive + batch_of_rank * world
    counts = np.bincount(plan.ravel(), minlength=len(weights))
    assert (counts[np.array(weights) == 0] == 0).all()
    share = (np.array(weights) > 0) / n_positive if mode == "shuffle" else np.array(weights) / np.sum(weights)
    assert (np.abs(counts - plan.size * share) <= 1 + 1e-9).all()  # rounded up or down


def test_shuffle_reads_every_row_once_and_fills_up_the_last_step_from_the_beginning() -> None:
    plan = epoch_rows(10, seed=0, epoch=0, batch=4)
    assert plan.shape == (3, 4)
    assert sorted(plan.ravel()[:10]) == list(range(10))
    np.testing.assert_array_equal(plan[2, 2:], plan[0, :2])
    tiny = epoch_rows([0, 1, 0, 1], seed=0, epoch=0, batch=5)  # a batch larger than all rows goes round
    assert tiny.shape == (1, 5) and set(tiny.ravel()) == {1, 3}


def test_each_epoch_and_each_seed_draw_anew_and_the_same_ones_the_same() -> None:
    weights = np.linspace(0.1, 2, 50)
    for mode in ("shuffle", "weighted"):
        plans = [epoch_rows(weights, seed=s, epoch=e, batch=10, mode=mode) for s, e in ((0, 0), (0, 1), (1, 0))]
        assert all((a != b).any() for a, b in zip(plans, plans[1:] + plans[:1], strict=True))
        np.testing.assert_array_equal(epoch_rows(weights, seed=0, epoch=0, batch=10, mode=mode), plans[0])
    small = [set(epoch_rows(weights, seed=0, epoch=e, batch=10, mode="weighted").ravel()) for e in range(60)]
    assert set.union(*small) == set(range(50))  # a row of small weight is left out of one epoch, not of all


def test_rows_are_drawn_in_proportion_to_their_weights_over_epochs() -> None:
    weights = np.array([0.05, 0.35, 1.0, 2.6, 0.0])
    counts = sum(
        np.bincount(epoch_rows(weights, seed=1, epoch=e, batch=4, mode="weighted").ravel(), minlength=5)
        for e in range(2000)
    )
    np.testing.assert_allclose(counts / 8000, weights / 4, atol=0.006)


def test_rows_of_equal_weight_are_each_read_once_and_not_in_order() -> None:
    plan = epoch_rows(np.full(1000, 0.37), seed=0, epoch=0, batch=100, mode="weighted").ravel()
    assert sorted(plan) == list(range(1000))
    assert abs(np.corrcoef(plan, np.arange(1000))[0, 1]) < 0.1


def test_repetitions_of_a_heavy_row_are_spread_over_the_steps() -> None:
    weights = np.ones(1000)
    weights[7] = 100
    plan = epoch_rows(weights, seed=0, epoch=0, batch=100, mode="weighted")
    assert ((plan == 7).sum(axis=1) > 0).all()  # about 9 of each 100; all in one step if the draws were not mixed


def test_double_weights_change_nothing_but_a_scale() -> None:
    weights = np.random.default_rng(0).random(100)
    one, two = (epoch_rows(w, seed=0, epoch=3, batch=20, mode="weighted") for w in (weights, 2 * weights))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -0.5, 1], r"row 1 has -0\.5 \(1 of 3 rows\)"),
        ([1, 1, float("nan"), float("inf")], r"row 2 has nan \(2 of 4 rows\)"),
        ([0.0, 0.0], "All 2 weights are 0"),
        ([[1.0, 2.0]], r"found shape \(1, 2\)"),
        ([], r"found shape \(0,\)"),
        (0, "needs a row or more, found 0"),
    ],
)
def test_bad_weights_are_named(weights: object, message: str) -> None:
    with pytest.raises(ReweighError, match=message):
        epoch_rows(weights, seed=0, epoch=0, batch=1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rank": 2, "world": 2}, "found rank 2 of 2"),
        ({"batch": 3, "world": 2}, "multiple of the 2 ranks it is dealt out to, found 3"),
        ({"batch": 0}, "found 0"),
        ({"mode": "random"}, "No mode 'random'"),
        ({"epoch": -1}, "found 0 and -1"),
    ],
)
def test_ranks_batches_and_modes_that_do_not_fit_are_named(changed: dict, message: str) -> None:
    with pytest.raises(ReweighError, match=message):
        epoch_rows(4, **({"seed": 0, "epoch": 0, "batch": 2} | changed))
