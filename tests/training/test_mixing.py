"""Mixup and cutmix mix images, targets and weights alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reweigh.images.settings import AugmentationSettings
from reweigh.training.mixing import Mixing, mix_images, mixed_losses, mixing_of_step


def test_mixup_of_two_images_by_hand() -> None:
    """Share .3, weights 2 and 1, losses 1 of label 0 and 3 of label 1, whichever image.

    Image 0 with partner 1: .3 x 2 x 1 + .7 x 1 x 3 = 2.7 over .3 x 2 + .7 x 1 = 1.3; image 1 with partner 0:
    .3 x 1 x 3 + .7 x 2 x 1 = 2.3 over 1.7. Pixels: .3 x 10 + .7 x 20 = 17 and .3 x 20 + .7 x 10 = 13.
    """
    mixing = Mixing(0.3, np.array([1, 0]), None)
    images = torch.tensor([10.0, 20.0]).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    mixed = mix_images(images, mixing)
    torch.testing.assert_close(mixed[:, 0, 0, 0], torch.tensor([17.0, 13.0]))
    losses, weights = mixed_losses(lambda t: 1.0 + 2.0 * t, torch.tensor([0, 1]), torch.tensor([2.0, 1.0]), mixing)
    torch.testing.assert_close(losses, torch.tensor([2.7, 2.3]))
    torch.testing.assert_close(weights, torch.tensor([1.3, 1.7]))


def test_a_label_of_no_weight_teaches_nothing_whatever_it_is_mixed_with() -> None:
    mixing = Mixing(0.3, np.array([1, 0]), None)
    for wrong in (0, 5):
        losses, weights = mixed_losses(lambda t: t.float(), torch.tensor([2, wrong]), torch.tensor([1.0, 0.0]), mixing)
        assert losses.sum().item() == pytest.approx(2.0) and weights.sum().item() == pytest.approx(1.0)


def test_cutmix_takes_the_box_from_the_partner() -> None:
    images = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])
    mixed = mix_images(images, Mixing(0.75, np.array([1, 0]), (0, 1, 2, 3)))
    assert mixed[0, 0].tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert torch.equal(mixed[1], 1 - mixed[0])
    assert not images[0].any()


def test_the_share_of_cutmix_is_what_is_left_of_the_area() -> None:
    chosen = AugmentationSettings(cutmix=1.0)
    for step in range(50):
        mixing = mixing_of_step(chosen, seed=0, epoch=0, step=step, rank=0, b=4, size=32)
        assert mixing is not None and mixing.box is not None
        top, left, bottom, right = mixing.box
        assert 0 <= top <= bottom <= 32 and 0 <= left <= right <= 32
        assert mixing.share == pytest.approx(1 - (bottom - top) * (right - left) / 1024)


def test_both_are_taken_in_turns_by_chance_and_follow_from_the_step_alone() -> None:
    chosen = AugmentationSettings(mixup=0.4, cutmix=1.0)
    made = [mixing_of_step(chosen, seed=0, epoch=1, step=step, rank=0, b=8, size=32) for step in range(200)]
    assert 70 < sum(m is not None and m.box is not None for m in made) < 130
    again = mixing_of_step(chosen, seed=0, epoch=1, step=7, rank=0, b=8, size=32)
    assert again is not None and made[7] is not None
    assert again.share == made[7].share and np.array_equal(again.partners, made[7].partners)
    other = mixing_of_step(chosen, seed=0, epoch=1, step=7, rank=1, b=8, size=32)
    assert other is not None and not np.array_equal(other.partners, again.partners)


def test_none_is_wished_or_possible() -> None:
    assert mixing_of_step(AugmentationSettings(), seed=0, epoch=0, step=0, rank=0, b=8, size=32) is None
    assert mixing_of_step(AugmentationSettings(mixup=1.0), seed=0, epoch=0, step=0, rank=0, b=1, size=32) is None
