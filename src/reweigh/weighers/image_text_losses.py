"""Losses of image-text matching on cosines between images and labels' texts. URNet (eq. 8, and the slides' hinge)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Matches:
    """A step's images against the texts of all k labels; any number of such batches side by side (...)."""

    cosines: torch.Tensor
    """(..., b, k) cos(u_i, v_c)"""
    own: torch.Tensor
    """(..., b) int64 label of each image"""
    other: torch.Tensor
    """(..., b) int64 one random other label; the own one where there is no other"""


def softmax_losses(matches: Matches, *, temperature: float, margin: float) -> torch.Tensor:
    """(..., b) -log softmax(cos / temperature) of the own text among all: what is shipped."""
    return (matches.cosines / temperature).logsumexp(dim=-1) - _with(matches, matches.own) / temperature


def equation_8_losses(matches: Matches, *, temperature: float, margin: float) -> torch.Tensor:
    """(..., b) -[cos(u, v_p) - cos(u, v_n)], n one random other label: URNet eq. 8.

    Linear in both: it goes on rewarding pairs that are right already, and knows no order among the other texts.
    """
    return _with(matches, matches.other) - _with(matches, matches.own)


def hinge_losses(matches: Matches, *, temperature: float, margin: float) -> torch.Tensor:
    """(..., b) mean over the other labels of the batch of max(0, cos(u, v_n) - cos(u, v_p) + margin): what the slides mean."""
    return _hinge(matches, margin, sign=1)


def printed_hinge_losses(matches: Matches, *, temperature: float, margin: float) -> torch.Tensor:
    """(..., b) the same with max(0, cos(u, v_p) - cos(u, v_n) + margin), as the slides print it: it pushes the right text away."""
    return _hinge(matches, margin, sign=-1)


def _hinge(matches: Matches, margin: float, *, sign: int) -> torch.Tensor:
    import torch

    cosines, own = matches.cosines, matches.own
    in_batch = torch.zeros_like(cosines[..., 0, :]).scatter(-1, own, 1.0)
    is_negative = in_batch[..., None, :].expand_as(cosines).scatter(-1, own[..., None], 0.0)
    gaps = (sign * (cosines - _with(matches, own)[..., None]) + margin).clamp(min=0)
    return (gaps * is_negative).sum(dim=-1) / is_negative.sum(dim=-1).clamp(min=1)


def _with(matches: Matches, labels: torch.Tensor) -> torch.Tensor:
    """(..., b) cosine of each image with the text of this label."""
    return matches.cosines.gather(-1, labels[..., None])[..., 0]


MATCHING_LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "softmax": softmax_losses,
    "hinge": hinge_losses,
    "eq8": equation_8_losses,
    "printed_hinge": printed_hinge_losses,
}
