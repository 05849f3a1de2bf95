"""The moving average by hand, against torch's and timm's, and put back to the same bits."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from reweigh.optimization.averaging import Average, decay_at
from reweigh.timm_import import timm_part

LATE = 10**6
"""A step behind the warm-up of the decay."""


def network(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2)).to(dtype)


def changed(module):
    """Other weights and other running statistics, in place."""
    with torch.no_grad():
        for value in module.parameters():
            value.add_(torch.randn_like(value))
    module.train()(torch.randn(5, 3, 4, 4, dtype=next(module.parameters()).dtype))


def test_the_decay_warms_up_by_hand():
    # (1 + t) / (10 + t): .1 at 0, 2/11 at 1, .5 at 8, .9 at 80, .9 reached from there on
    assert [decay_at(t, decay=0.9) for t in (0, 1, 8, 80, 81, 9999)] == pytest.approx([0.1, 2 / 11, 0.5, 0.9, 0.9, 0.9])


def test_the_average_by_hand():
    # begins at 1; step 0 gives 3: .1 * 1 + .9 * 3 = 2.8; step 1 gives 5: 2/11 * 2.8 + 9/11 * 5 = 4.6
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 1.0)
    average = Average(module, decay=0.999)
    for step, value in enumerate((3.0, 5.0)):
        nn.init.constant_(module.weight, value)
        average.update(module, step=step)
    assert average.tensors()["weight"].item() == pytest.approx(4.6)


def test_the_average_is_that_of_torch_and_of_timm_statistics_and_counters_too():
    module = network()
    ours = Average(module, decay=0.9)
    torchs = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    torchs.update_parameters(module)  # its first call copies
    timms = timm_part("utils").ModelEmaV3(module, decay=0.9)
    for step in range(5):
        changed(module)
        ours.update(module, step=LATE + step)
        torchs.update_parameters(module)
        timms.update(module, step=LATE + step)
    for name, value in ours.tensors().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, torchs.module.state_dict()[name], rtol=0, atol=0, msg=lambda m, n=name: n)
            torch.testing.assert_close(value, timms.module.state_dict()[name], msg=lambda m, n=name: f"{n}: {m}")
        else:
            assert torch.equal(value, module.state_dict()[name]), name  # a count of batches is not averaged


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_average_put_back_goes_on_to_the_same_bits(dtype):
    module = network(dtype).to(memory_format=torch.channels_last)
    whole = Average(module, decay=0.99)
    for step in range(6):
        if step == 3:
            stored = {name: value.clone() for name, value in whole.tensors().items()}
            resumed_module = copy.deepcopy(module)
            resumed = Average(network(dtype), decay=0.99)
            resumed.restore(stored)
        torch.manual_seed(step)
        changed(module)
        whole.update(module, step=step)
        if step >= 3:
            torch.manual_seed(step)
            changed(resumed_module)
            resumed.update(resumed_module, step=step)
    assert all(torch.equal(value, resumed.tensors()[name]) for name, value in whole.tensors().items())


def test_weights_of_half_precision_are_averaged_as_float32():
    """At a decay of .999 the average of 1, 1, ... from 0 is 1 - .999^n; in bfloat16 it would stop at .25."""
    module = nn.Linear(1, 1, bias=False).bfloat16()
    nn.init.constant_(module.weight, 0.0)
    average = Average(module, decay=0.999)
    nn.init.constant_(module.weight, 1.0)
    for step in range(1000):
        average.update(module, step=LATE + step)
    assert average.tensors()["weight"].dtype == torch.float32
    assert average.tensors()["weight"].item() == pytest.approx(1 - 0.999**1000, rel=1e-4)


def test_the_average_shares_no_memory_with_the_module():
    module = network()
    average = Average(module, decay=0.9)
    before = {name: value.clone() for name, value in average.tensors().items()}
    changed(module)
    assert all(torch.equal(value, before[name]) for name, value in average.tensors().items())
