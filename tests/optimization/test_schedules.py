"""Learning rates by hand, and the cosine against timm's."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reweigh.errors import ReweighError
from reweigh.optimization.schedules import SCHEDULES, rate_factor, scaled_rate
from reweigh.timm_import import timm_part


def test_the_rate_grows_in_proportion_to_the_batch():
    # Goyal et al. 2017: .1 for 256 images a step, 8192 are 32 times as many
    assert scaled_rate(0.1, batch=8192) == pytest.approx(3.2)
    assert scaled_rate(0.1, batch=64) == pytest.approx(0.025)
    assert scaled_rate(0.1, batch=64, reference=32) == pytest.approx(0.2)


def test_cosine_with_warm_up_by_hand():
    # 4 steps of warm-up and 8 behind them: 1/4, 2/4, 3/4, 1; then (1 + cos(pi j / 8)) / 2 for j = 0..7
    found = [rate_factor(step, n_steps=12, warmup_steps=4, schedule="cosine") for step in range(12)]
    assert found[:4] == [0.25, 0.5, 0.75, 1.0]
    assert found[4] == 1.0
    assert found[6] == pytest.approx((1 + math.sqrt(0.5)) / 2)  # j = 2
    assert found[8] == pytest.approx(0.5)  # j = 4, the middle
    assert found[11] == pytest.approx((1 + math.cos(7 * math.pi / 8)) / 2)  # not 0: the last step still learns


def test_step_falls_at_half_and_at_three_quarters():
    # 10 steps behind 2 of warm-up; half of them is step 2 + 5, three quarters is reached at 2 + 8 (7.5 rounded up)
    found = [rate_factor(step, n_steps=12, warmup_steps=2, schedule="step") for step in range(12)]
    assert found == pytest.approx([0.5, 1] + [1] * 5 + [0.1] * 3 + [0.01] * 2)


def test_constant_stays_and_no_warm_up_begins_at_the_top():
    assert {rate_factor(step, n_steps=5, warmup_steps=0, schedule="constant") for step in range(5)} == {1.0}
    assert rate_factor(0, n_steps=5, warmup_steps=0, schedule="cosine") == 1.0


@pytest.mark.parametrize("warmup", [0, 7])
def test_the_cosine_is_that_of_timm(warmup):
    """Behind the warm-up at every step; within it timm begins at 0, so that its step t + 1 is our step t."""
    n = 50
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = timm_part("scheduler").CosineLRScheduler(
        optimizer, t_initial=n - warmup, warmup_t=warmup, warmup_lr_init=0.0, warmup_prefix=True, t_in_epochs=False
    )

    def timm_rate(step):
        theirs.step_update(step)
        return optimizer.param_groups[0]["lr"]

    for step in range(n):
        ours = rate_factor(step, n_steps=n, warmup_steps=warmup, schedule="cosine")
        if step + 1 < warmup:
            assert ours == pytest.approx(timm_rate(step + 1), abs=1e-12), step
        elif step >= warmup:
            assert ours == pytest.approx(timm_rate(step), abs=1e-12), step


@given(n=st.integers(1, 10_000), share=st.floats(0, 1), at=st.floats(0, 1), schedule=st.sampled_from(sorted(SCHEDULES)))
def test_the_factor_is_above_0_and_at_most_1(n, share, at, schedule):
    step = min(int(at * n), n - 1)
    factor = rate_factor(step, n_steps=n, warmup_steps=int(share * n), schedule=schedule)
    assert 0 < factor <= 1


def test_an_unknown_schedule_is_named_with_those_there_are():
    with pytest.raises(ReweighError, match=r"No schedule named 'cosin'.*Did you mean 'cosine'"):
        rate_factor(0, n_steps=1, warmup_steps=0, schedule="cosin")
