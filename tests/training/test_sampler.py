"""The sampler of a loop of one's own: exact on several ranks, new draws each epoch."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from reweigh.errors import ReweighError
from reweigh.training.sampler import WeightedSampler


def weights_of(n: int) -> np.ndarray:
    weights = np.random.default_rng(n).gamma(1.0, size=n)
    weights[::5] = 0
    return weights


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("n", [11, 30, 101])
def test_the_ranks_together_read_the_epoch_of_one_process(world: int, n: int) -> None:
    weights = weights_of(n)
    one = WeightedSampler(weights, batch=12, seed=4)
    ranks = [WeightedSampler(weights, batch=12, seed=4, rank=rank, world=world) for rank in range(world)]
    for _ in range(3):
        whole = np.array(list(one)).reshape(-1, 12)
        parts = [list(sampler) for sampler in ranks]
        assert [len(part) for part in parts] == [len(sampler) for sampler in ranks] == [len(one) // world] * world
        for rank, part in enumerate(parts):
            np.testing.assert_array_equal(np.array(part).reshape(len(whole), -1), whole[:, rank::world])


@pytest.mark.parametrize("world", [1, 2, 3])
def test_a_loader_of_each_rank_yields_its_share_of_every_batch(world: int) -> None:
    weights = weights_of(50)
    images = TensorDataset(torch.arange(50))
    loaders = [
        DataLoader(images, batch_size=12 // world, sampler=WeightedSampler(weights, batch=12, rank=rank, world=world))
        for rank in range(world)
    ]
    whole = np.array(list(WeightedSampler(weights, batch=12))).reshape(-1, 12)
    steps = list(zip(*loaders, strict=True))
    assert len(steps) == len(whole)
    for step, expected in zip(steps, whole, strict=True):
        assert sorted(torch.cat([batch for (batch,) in step]).tolist()) == sorted(expected)


def test_each_iteration_is_a_new_epoch_without_being_told() -> None:
    sampler = WeightedSampler(weights_of(40), batch=8)
    first, second = list(sampler), list(sampler)
    assert first != second and sorted(first) != sorted(second)  # not the same rows in another order
    sampler.set_epoch(1)
    assert list(sampler) == second
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_weight_0_is_never_drawn_and_the_length_is_of_rows_with_weight() -> None:
    weights = weights_of(50)  # 10 of them 0
    sampler = WeightedSampler(weights, batch=8)
    assert len(sampler) == 40
    drawn = np.concatenate([list(sampler) for _ in range(20)])
    assert (weights[drawn] > 0).all()


def test_tensors_and_lists_are_weights_too() -> None:
    weights = weights_of(20).astype(np.float32)
    expected = list(WeightedSampler(weights, batch=4))
    assert list(WeightedSampler(torch.from_numpy(weights), batch=4)) == expected
    assert list(WeightedSampler(weights.tolist(), batch=4)) == expected
    assert all(isinstance(row, int) for row in expected)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1], "row 1 has -1"),
        ([float("nan"), 1], "row 0 has nan"),
        ([0, 0, 0], "All 3 weights are 0"),
        ([[1], [1]], r"found shape \(2, 1\)"),
        (5, r"found shape \(\)"),
    ],
)
def test_bad_weights_are_refused_when_the_sampler_is_made(weights: object, message: str) -> None:
    with pytest.raises(ReweighError, match=message):
        WeightedSampler(weights, batch=1)


def test_a_batch_that_the_ranks_cannot_share_is_refused_when_the_sampler_is_made() -> None:
    with pytest.raises(ReweighError, match="multiple of the 3 ranks"):
        WeightedSampler([1, 1], batch=4, rank=0, world=3)
