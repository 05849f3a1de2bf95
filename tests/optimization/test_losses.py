"""Losses of rows by hand, against torch and timm, and their gradients."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from reweigh.errors import ReweighError
from reweigh.optimization.losses import LOSSES, row_losses
from reweigh.timm_import import timm_part

HALF = torch.tensor([[0.0, 0.0]])  # p = (.5, .5)


def problem(b=6, k=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(b, k, generator=generator)
    soft = torch.rand(b, k, generator=generator)
    labels = torch.randint(k, (b,), generator=generator)
    return logits, labels, soft / soft.sum(dim=1, keepdim=True)


def test_generalised_cross_entropy_by_hand():
    # (1 - .5^.7) / .7 = (1 - .6155722) / .7 = .3844278 / .7
    assert row_losses(HALF, torch.tensor([0]), loss="generalised_cross_entropy").item() == pytest.approx(0.5491825)
    # q = 1: 1 - p; q -> 0: -log p
    at_1 = row_losses(HALF, torch.tensor([0]), loss="generalised_cross_entropy", q=1.0)
    near_0 = row_losses(HALF, torch.tensor([0]), loss="generalised_cross_entropy", q=1e-7)
    assert at_1.item() == pytest.approx(0.5)
    assert near_0.item() == pytest.approx(np.log(2), rel=1e-6)


def test_symmetric_cross_entropy_by_hand():
    # logits (0, ln 3), p = (.25, .75), label 0: CE = ln 4; reverse: -(.25 log 1 + .75 * -4) = 3; .1 ln 4 + 3
    logits = torch.tensor([[0.0, np.log(3)]], dtype=torch.float32)
    label = row_losses(logits, torch.tensor([0]), loss="symmetric_cross_entropy")
    assert label.item() == pytest.approx(0.1 * np.log(4) + 3)
    # target (.6, .4): CE = .6 ln 4 + .4 ln(4/3); reverse: -(.25 ln .6 + .75 ln .4)
    soft = row_losses(logits, torch.tensor([[0.6, 0.4]]), loss="symmetric_cross_entropy")
    forward, reverse = 0.6 * np.log(4) + 0.4 * np.log(4 / 3), -(0.25 * np.log(0.6) + 0.75 * np.log(0.4))
    assert soft.item() == pytest.approx(0.1 * forward + reverse)


def test_label_smoothing_by_hand():
    # p = (.5, .5), e = .2: target (.9, .1), loss ln 2 whatever the target; logits (0, ln 3): .9 ln 4 + .1 ln(4/3)
    assert row_losses(HALF, torch.tensor([0]), loss="cross_entropy", label_smoothing=0.2).item() == pytest.approx(
        np.log(2)
    )
    logits = torch.tensor([[0.0, np.log(3)]], dtype=torch.float32)
    found = row_losses(logits, torch.tensor([0]), loss="cross_entropy", label_smoothing=0.2).item()
    assert found == pytest.approx(0.9 * np.log(4) + 0.1 * np.log(4 / 3))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_torch_and_of_timm(smoothing):
    logits, labels, soft = problem(b=64, k=10)
    ours = row_losses(logits, labels, loss="cross_entropy", label_smoothing=smoothing)
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing))
    timm_loss = timm_part("loss").LabelSmoothingCrossEntropy(smoothing)
    assert ours.mean().item() == pytest.approx(timm_loss(logits, labels).item(), rel=1e-6)
    ours = row_losses(logits, soft, loss="cross_entropy", label_smoothing=smoothing)
    torch.testing.assert_close(ours, F.cross_entropy(logits, soft, reduction="none", label_smoothing=smoothing))
    if not smoothing:
        timm_loss = timm_part("loss").SoftTargetCrossEntropy()
        assert ours.mean().item() == pytest.approx(timm_loss(logits, soft).item(), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_label_is_the_target_that_is_1_there(loss, smoothing):
    logits, labels, _ = problem(b=64, k=10)
    by_label = row_losses(logits, labels, loss=loss, label_smoothing=smoothing)
    by_target = row_losses(logits, F.one_hot(labels, 10).double(), loss=loss, label_smoothing=smoothing)
    assert by_label.shape == (64,) and by_label.dtype == torch.float32
    torch.testing.assert_close(by_label, by_target)


@pytest.mark.parametrize("is_soft", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_differences(loss, is_soft):
    logits, labels, soft = problem()
    targets = soft.double() if is_soft else labels
    of_logits = partial(LOSSES[loss], targets=targets, q=0.7, beta=0.8)
    assert gradcheck(lambda x: of_logits(x), logits.double().requires_grad_())


@pytest.mark.parametrize("is_soft", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_gradients_stay_finite_where_the_probability_is_0_or_1(loss, is_soft):
    """p of the label is 0 in float32 (logit -300), and 1."""
    logits = torch.tensor([[-300.0, 0.0, 0.0], [300.0, 0.0, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 0])
    losses = row_losses(logits, F.one_hot(labels, 3).float() if is_soft else labels, loss=loss)
    (slope,) = torch.autograd.grad(losses.sum(), logits)
    assert losses.isfinite().all() and slope.isfinite().all()
    assert losses[1].item() == pytest.approx(0, abs=1e-6)
    if loss == "generalised_cross_entropy":
        assert losses[0].item() == pytest.approx(1 / 0.7)
        assert slope[0].abs().max() < 1e-30  # a label that the network rules out pulls no more


@pytest.mark.parametrize("loss", LOSSES)
def test_logits_of_half_precision_give_float32_losses(loss):
    logits, labels, _ = problem(b=16)
    half = logits.bfloat16()
    found = row_losses(half, labels, loss=loss)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, row_losses(half.float(), labels, loss=loss), rtol=0, atol=0)


def test_an_unknown_loss_is_named_with_those_there_are():
    with pytest.raises(ReweighError, match="No loss named 'mse'; there are: cross_entropy"):
        row_losses(HALF, torch.tensor([0]), loss="mse")


def test_bootstrapping_by_hand() -> None:
    """p = (.7, .2, .1), label the second, beta .8: -(.8 log .2 + .2 log .7) = 1.359; its slope has none of the argmax."""
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1]])).requires_grad_()
    loss = row_losses(logits, torch.tensor([1]), loss="bootstrapping", beta=0.8)
    assert loss.item() == pytest.approx(1.3589, abs=1e-4)
    loss.sum().backward()
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad[0].numpy(), [0.7 - 0.2, 0.2 - 0.8, 0.1], atol=1e-6)
