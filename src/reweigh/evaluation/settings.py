"""Settings of what is measured, and on which images."""

from __future__ import annotations

from dataclasses import dataclass

from reweigh.errors import ReweighError


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How much is set aside, and how intervals are drawn."""

    test_fraction: float = 0.1
    """Share of each class's groups set aside where the data has no test split, above 0 and below 1."""
    n_draws: int = 1000
    """Bootstrap draws behind each interval, 100 or more."""
    confidence: float = 0.95
    """Share of the draws that an interval covers, above 0 and below 1."""

    def __post_init__(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise ReweighError(f"evaluation.test_fraction must lie between 0 and 1, found {self.test_fraction}.")
        if self.n_draws < 100:
            raise ReweighError(f"evaluation.n_draws must be 100 or more, found {self.n_draws}.")
        if not 0 < self.confidence < 1:
            raise ReweighError(f"evaluation.confidence must lie between 0 and 1, found {self.confidence}.")
