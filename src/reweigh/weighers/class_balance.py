"""Class balance: every class weighs the same. URNet eqs 3-4 as printed, and the reading that does what its text says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.weighers.factor import Evidence, Kind, State

LEAST_MASS = 1e-3
"""A class's mean credibility is taken for at least this: one that nobody believes is not blown up without end."""


@dataclass(frozen=True, kw_only=True)
class ClassBalance:
    """Weights that give classes equal shares, of images or of credible mass."""

    alpha: float = 1.0
    """0: every image the same; 1: every class the same; .5 where the test follows the training sizes. URNet used 0.5."""
    on: Literal["credible_mass", "counts"] = "credible_mass"
    """What is made equal: credibilities summed over a class (counts where there are none), or images."""
    reading: Literal["shipped", "paper", "effective"] = "shipped"
    """`paper`: URNet eq. 4 as printed, which does next to nothing for many classes; `effective`: Cui et al. 2019."""
    beta: float = 0.999
    """Of `effective`, at least 0 and below 1: (1 - beta) / (1 - beta^N)."""

    kind: ClassVar[Kind] = "balance"
    group: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ReweighError(f"weights.class_balance.alpha must lie in 0..1, found {self.alpha}.")
        if not 0 <= self.beta < 1:
            raise ReweighError(f"weights.class_balance.beta must be at least 0 and below 1, found {self.beta}.")

    def fit(self, evidence: Evidence) -> State | None:
        """Nothing to learn."""
        return None

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Weight of each image's class, mean 1 over the images."""
        labels, k = evidence["images"].labels, evidence["images"].k
        mass = np.bincount(labels, minlength=k).astype(np.float64)
        is_credible = credibility is not None and self.on == "credible_mass"
        if is_credible:
            mass = np.maximum(np.bincount(labels, weights=credibility, minlength=k), LEAST_MASS * mass)
        if self.reading == "shipped":
            weights = class_weights(mass, alpha=self.alpha)
        elif self.reading == "paper":
            weights = printed_class_weights(mass, alpha=self.alpha)
        else:
            weights = effective_class_weights(mass, beta=self.beta)
        values = weights[labels]
        return (values / values.mean()).astype(np.float32), {
            "on": "credible mass" if is_credible else "counts",
            "empty_classes": int((mass == 0).sum()),
        }


def class_weights(mass: NDArray[np.float64], *, alpha: float) -> NDArray[np.float64]:
    """Weight of each class, (k,): (1 - alpha) + alpha sum(mass) / (k mass); what URNet's text says.

    mass (k,) images or credibilities of each class; an empty class is left out of k and gets 0. At alpha 1 every class has
    the same total, at 0 every image the same weight, and the mean over the mass is 1 at any alpha. Differs from eq. 4,
    whose fraction is about 1/k: there the constant wins as k grows.
    """
    filled = mass > 0
    share = np.divide(mass.sum(), filled.sum() * mass, out=np.zeros_like(mass), where=filled)
    return np.where(filled, (1 - alpha) + alpha * share, 0.0)


def printed_class_weights(mass: NDArray[np.float64], *, alpha: float) -> NDArray[np.float64]:
    """Weight of each class, (k,), as URNet prints it: eq. 3, r_c / sum_j r_j with r_c = 1/N_c, in eq. 4."""
    filled = mass > 0
    inverse = np.divide(1.0, mass, out=np.zeros_like(mass), where=filled)
    return np.where(filled, (1 - alpha) + alpha * inverse / inverse.sum(), 0.0)


def effective_class_weights(mass: NDArray[np.float64], *, beta: float) -> NDArray[np.float64]:
    """Weight of each class, (k,): (1 - beta) / (1 - beta^N), the inverse of Cui et al.'s effective number, mean 1 over classes."""
    filled = mass > 0
    number = 1 - beta ** np.where(filled, mass, 1.0)
    weights = np.where(filled, (1 - beta) / number, 0.0)
    return weights * filled.sum() / weights.sum()
