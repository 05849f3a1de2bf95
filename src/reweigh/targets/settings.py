"""Settings of label targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reweigh.errors import ReweighError

Form = Literal["soft", "hard", "top_k"]


@dataclass(frozen=True, kw_only=True)
class TargetSettings:
    """What an image is taught: t = share x its label + (1 - share) x a prediction."""

    policy: Literal["keep", "bootstrap", "per_row"] = "keep"
    """`keep`: the label; `bootstrap`: the label's share is `beta` (Reed et al. 2014; URNet eq. 10); `per_row`: it is the image's credibility."""
    source: Literal["weighted", "held_out", "baseline", "current"] = "weighted"
    """Whose predictions: held out, of probes with the weights (best by far); held out, without them; a probe without weights on
    the images it learnt from (URNet's paper); the weighted probe itself, refitted three times (URNet's slides). Probes also where a network is trained."""
    form: Form = "soft"
    """All probabilities; `hard`: the most probable class alone, as URNet does; `top_k`: the largest `top`, to sum 1 (SINet)."""
    beta: float = 0.8
    """The label's share under `bootstrap`, 0 to 1."""
    top: int = 5
    """Classes of `top_k`, 1 or more."""
    weights: Literal["full", "balance", "none"] = "full"
    """What weights the training uses beside targets: all; those of class balance alone; none. Images of weight 0 stay out of it."""

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= 1:
            raise ReweighError(f"targets.beta is the label's share, from 0 to 1; found {self.beta}.")
        if self.top < 1:
            raise ReweighError(f"targets.top must be 1 or more, found {self.top}.")
