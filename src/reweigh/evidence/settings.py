"""Settings of what is gathered about each label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reweigh.errors import ReweighError
from reweigh.probes.log_probabilities import TOP_M


@dataclass(frozen=True, kw_only=True)
class EvidenceSettings:
    """How held-out predictions and neighbours are made."""

    n_folds: int = 5
    """Folds of the held-out predictions, 2 to 127; AUC of wrong labels .909 / .918 / .923 / .925 at 2 / 3 / 5 / 10."""
    kept_classes: int = TOP_M
    """Classes kept for each row where all log-probabilities would take 2 GiB or more, 1 or more."""
    n_neighbours: int = 20
    """Nearest images by cosine that vote on a label, 1 or more; 20 was measured best."""
    truth: Literal["auto", "clear"] = "auto"
    """How clear-cut the classes are taken to be: `auto` chooses; `clear`: no image is ambiguous, so doubt means a wrong label."""
    verified: int = 0
    """Checked labels that may serve as evidence, drawn by hash, 0 or more; they are left out where quality is measured."""

    def __post_init__(self) -> None:
        if not 2 <= self.n_folds <= 127:
            raise ReweighError(f"evidence.n_folds must lie in 2..127, found {self.n_folds}.")
        if self.kept_classes < 1:
            raise ReweighError(f"evidence.kept_classes must be 1 or more, found {self.kept_classes}.")
        if self.verified < 0:
            raise ReweighError(f"evidence.verified must be 0 or more, found {self.verified}.")
        if self.n_neighbours < 1:
            raise ReweighError(f"evidence.n_neighbours must be 1 or more, found {self.n_neighbours}.")
