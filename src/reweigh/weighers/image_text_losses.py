"""Losses of image-text matching on cosines between images and labels' texts. URNet (eq. 8, and the slides' hinge)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Matches:
    """A step's images against the texts of all k labels."""

    cosines: torch.Tensor
    """(b, k) cos(u_i, v_c)"""
    own: torch.Tensor
    """(b,) int64 label of each image"""
    other: torch.Tensor
    """(b,) int64 one random other label; the own one where there is no other"""

    @property
    def right(self) -> torch.Tensor:
        """(b,) cos(u_i, v_p) with the own text"""
        return self.cosines.gather(1, self.own[:, None])[:, 0]


def softmax_losses(matches: Matches, *, temperature: float, margin: float) -> torch.Tensor:
    """(b,) -log softmax(cos / temperature) of the own text among all: what is shipped."""
    return (matches.cosines / temperature).logsumexp(dim=1) - matches.right / temperature


def equation_8_losses(matches: Matches, *, temperature: float, margin: float) -> torch.Tensor:
    """(b,) -[cos(u, v_p) - cos(u, v_n)], n one random other label: URNet eq. 8.

    Linear in both: it goes on rewarding pairs that are right already, and knows no order among the other texts.
    """
    return matches.cosines.gather(1, matches.other[:, None])[:, 0] - matches.right


def hinge_losses(matches: Matches, *, temperature: float, margin: float) -> torch.Tensor:
    """(b,) mean over the other labels in the batch of max(0, cos(u, v_n) - cos(u, v_p) + margin): what the slides mean."""
    return _hinge(matches, margin, sign=1)


def printed_hinge_losses(matches: Matches, *, temperature: float, margin: float) -> torch.Tensor:
    """(b,) the same with max(0, cos(u, v_p) - cos(u, v_n) + margin), as the slides print it: it pushes the right text away."""
    return _hinge(matches, margin, sign=-1)


def _hinge(matches: Matches, margin: float, *, sign: int) -> torch.Tensor:
    """Means over the negatives of each row, so that the size of the batch does not scale the loss."""
    import torch

    in_batch = torch.zeros(matches.cosines.shape[1], dtype=torch.bool)
    in_batch[matches.own] = True
    is_negative = in_batch[None, :].repeat(len(matches.own), 1)
    is_negative[torch.arange(len(matches.own)), matches.own] = False
    gaps = (sign * (matches.cosines - matches.right[:, None]) + margin).clamp(min=0)
    return (gaps * is_negative).sum(dim=1) / is_negative.sum(dim=1).clamp(min=1)


MATCHING_LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "softmax": softmax_losses,
    "hinge": hinge_losses,
    "eq8": equation_8_losses,
    "printed_hinge": printed_hinge_losses,
}
