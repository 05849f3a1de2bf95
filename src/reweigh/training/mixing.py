"""Mixup and cutmix, of images, targets and weights alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reweigh.images.settings import AugmentationSettings

MIXING = 9
"""Purpose of the draws in SeedSequence([seed, purpose, epoch, step, rank])."""


@dataclass(frozen=True)
class Mixing:
    """How the images of a step are mixed with partners among themselves."""

    share: float
    """Lambda: what an image keeps of itself, 0 to 1."""
    partners: NDArray[np.int64]
    """(b,) position of each one's partner"""
    box: tuple[int, int, int, int] | None
    """Cutmix: top, left, bottom, right of what comes from the partner; None: mixup."""


def mixing_of_step(
    settings: AugmentationSettings, *, seed: int, epoch: int, step: int, rank: int, b: int, size: int
) -> Mixing | None:
    """The mixing of b images of size x size; None where the settings ask for none or there is no partner.

    Mixup: Zhang et al. 2018; cutmix: Yun et al. 2019, whose share is that of the area after the box is cut at the edge.
    """
    if b < 2 or not (settings.mixup or settings.cutmix):
        return None
    generator = np.random.default_rng(np.random.SeedSequence([seed, MIXING, epoch, step, rank]))
    cuts = bool(settings.cutmix) and (not settings.mixup or generator.random() < 0.5)
    alpha = settings.cutmix if cuts else settings.mixup
    share, partners = float(generator.beta(alpha, alpha)), generator.permutation(b)
    if not cuts:
        return Mixing(share, partners, None)
    side, y, x = size * math.sqrt(1 - share), *(generator.random(2) * size)
    top, left = (max(round(v - side / 2), 0) for v in (y, x))
    bottom, right = (min(round(v + side / 2), size) for v in (y, x))
    return Mixing(1 - (bottom - top) * (right - left) / size**2, partners, (top, left, bottom, right))


def mix_images(images: torch.Tensor, mixing: Mixing) -> torch.Tensor:
    """Images (b, 3, s, s) mixed; a new tensor."""
    other = images[torch.from_numpy(mixing.partners).to(images.device)]
    if mixing.box is None:
        return images * mixing.share + other * (1 - mixing.share)
    top, left, bottom, right = mixing.box
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = other[:, :, top:bottom, left:right]
    return mixed


def mixed_losses(
    per_row: Callable[[torch.Tensor], torch.Tensor], targets: torch.Tensor, weights: torch.Tensor, mixing: Mixing | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted losses (b,) and weights (b,): the step's loss is the sum of the one over the sum of the other.

    per_row: targets -> losses (b,) of the mixed images. Image i with partner j: share w_i CE(t_i) + (1 - share) w_j CE(t_j),
    and share w_i + (1 - share) w_j: a label of no weight teaches nothing, whatever it is mixed with.
    """
    if mixing is None:
        return weights * per_row(targets), weights
    partners = torch.from_numpy(mixing.partners).to(targets.device)
    own, other = mixing.share * weights, (1 - mixing.share) * weights[partners]
    return own * per_row(targets) + other * per_row(targets[partners]), own + other
