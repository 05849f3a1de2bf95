"""Losses of image-text matching by hand, and beside torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from reweigh.weighers.image_text_losses import (
    MATCHING_LOSSES,
    Matches,
    equation_8_losses,
    hinge_losses,
    printed_hinge_losses,
    softmax_losses,
)

ONE_IMAGE = Matches(cosines=torch.tensor([[0.5, 0.2]]), own=torch.tensor([0]), other=torch.tensor([1]))
"""One image: .5 to its own text, .2 to the only other one; the other is in no image of the batch."""
TWO_IMAGES = Matches(
    cosines=torch.tensor([[0.5, 0.4, 0.9], [0.8, 0.1, 0.0]]), own=torch.tensor([0, 1]), other=torch.tensor([2, 0])
)
"""Labels 0 and 1 of three; label 2 is in no image of the batch."""
SETTINGS = {"temperature": 0.1, "margin": 0.2}


def test_equation_8_is_the_negative_difference_to_one_random_other_text() -> None:
    """-(.5 - .9) = .4 and -(.1 - .8) = .7."""
    assert equation_8_losses(TWO_IMAGES, **SETTINGS).tolist() == pytest.approx([0.4, 0.7])


def test_equation_8_goes_on_rewarding_a_pair_that_is_right_already() -> None:
    """Its slope in cos(u, v_p) is -1 whatever the cosines are; that of the hinge is 0 beyond the margin."""
    for cosines, slope in (([[0.9, -0.9]], -1.0), ([[0.1, 0.9]], -1.0)):
        x = torch.tensor(cosines, requires_grad=True)
        equation_8_losses(
            Matches(cosines=x, own=torch.tensor([0]), other=torch.tensor([1])), **SETTINGS
        ).sum().backward()
        assert x.grad is not None and x.grad[0, 0] == slope
    x = torch.tensor([[0.9, -0.9], [0.0, 0.5]], requires_grad=True)
    hinge_losses(Matches(cosines=x, own=torch.tensor([0, 1]), other=torch.tensor([1, 0])), **SETTINGS).sum().backward()
    assert x.grad is not None and x.grad[0].tolist() == [0, 0]


def test_the_hinge_compares_with_the_other_labels_of_the_batch() -> None:
    """Image 1: max(0, .4 - .5 + .2) = .1, label 2 is not in the batch. Image 2: max(0, .8 - .1 + .2) = .9."""
    assert hinge_losses(TWO_IMAGES, **SETTINGS).tolist() == pytest.approx([0.1, 0.9])


def test_the_hinge_is_the_mean_over_several_negatives() -> None:
    """Of .5 against .4, .9 and -.9: .1, .6 and 0, mean .7 / 3. A label that two images have counts once."""
    cosines = torch.tensor([[0.5, 0.4, 0.9, -0.9]]).repeat(5, 1)
    matches = Matches(cosines=cosines, own=torch.tensor([0, 1, 2, 3, 3]), other=torch.zeros(5, dtype=torch.int64))
    assert hinge_losses(matches, **SETTINGS)[0].item() == pytest.approx(0.7 / 3)


def test_the_hinge_as_printed_has_the_sign_reversed() -> None:
    """Image 1: max(0, .5 - .4 + .2) = .3; image 2: max(0, .1 - .8 + .2) = 0: the worse image has the smaller loss."""
    assert printed_hinge_losses(TWO_IMAGES, **SETTINGS).tolist() == pytest.approx([0.3, 0])
    x = torch.tensor([[0.5, 0.4], [0.0, 0.0]], requires_grad=True)
    matches = Matches(cosines=x, own=torch.tensor([0, 1]), other=torch.tensor([1, 0]))
    printed_hinge_losses(matches, **SETTINGS)[0].backward()
    assert x.grad is not None and x.grad[0].tolist() == [1, -1], "minimised, it pushes the right text away"


def test_the_hinge_without_another_label_is_zero() -> None:
    assert hinge_losses(ONE_IMAGE, **SETTINGS).tolist() == [0]


def test_the_softmax_is_over_all_texts() -> None:
    """cos .5 and .2 at temperature .1: -log(e^5 / (e^5 + e^2)) = log(1 + e^-3) = .0486."""
    assert softmax_losses(ONE_IMAGE, **SETTINGS).tolist() == pytest.approx([math.log1p(math.exp(-3))], rel=1e-5)


def test_softmax_is_the_cross_entropy_of_torch_and_one_pair_its_margin_ranking_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    cosines, own = 2 * torch.rand(9, 5, generator=generator) - 1, torch.arange(9) % 5
    matches = Matches(cosines=cosines, own=own, other=(own + 1) % 5)
    expected = functional.cross_entropy(cosines / 0.3, own, reduction="none")
    assert torch.allclose(softmax_losses(matches, temperature=0.3, margin=0.2), expected, atol=1e-6)
    pair = Matches(cosines=cosines[:2, :2], own=torch.tensor([0, 1]), other=torch.tensor([1, 0]))
    right, wrong = cosines[[0, 1], [0, 1]], cosines[[0, 1], [1, 0]]
    ranking = functional.margin_ranking_loss(right, wrong, torch.ones(2), margin=0.2, reduction="none")
    assert torch.allclose(hinge_losses(pair, **SETTINGS), ranking, atol=1e-6)


def test_equation_8_is_torchs_cosine_embedding_loss_up_to_a_constant_where_the_wrong_cosine_is_positive() -> None:
    """cosine_embedding: 1 - cos for a pair that belongs together, max(0, cos) for one that does not."""
    u, right, wrong = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]]), torch.tensor([[0.8, 0.6]])
    cosines = torch.stack([functional.cosine_similarity(u, right), functional.cosine_similarity(u, wrong)], dim=1)
    ours = equation_8_losses(Matches(cosines=cosines, own=torch.tensor([0]), other=torch.tensor([1])), **SETTINGS)
    one = functional.cosine_embedding_loss(u, right, torch.ones(1))
    other = functional.cosine_embedding_loss(u, wrong, -torch.ones(1))
    assert ours.item() == pytest.approx((one + other).item() - 1)


@pytest.mark.parametrize("name", MATCHING_LOSSES)
def test_batches_side_by_side_are_each_by_itself(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    cosines, own = 2 * torch.rand(3, 6, 5, generator=generator) - 1, torch.randint(0, 5, (3, 6), generator=generator)
    both = MATCHING_LOSSES[name](Matches(cosines=cosines, own=own, other=(own + 1) % 5), **SETTINGS)
    for i in range(3):
        one = MATCHING_LOSSES[name](Matches(cosines=cosines[i], own=own[i], other=(own[i] + 1) % 5), **SETTINGS)
        assert torch.allclose(both[i], one, atol=1e-6)


@pytest.mark.parametrize("name", MATCHING_LOSSES)
def test_every_loss_has_a_value_an_image(name: str) -> None:
    assert MATCHING_LOSSES[name](TWO_IMAGES, **SETTINGS).shape == (2,)
