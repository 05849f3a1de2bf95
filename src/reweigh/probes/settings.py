"""Settings of linear heads on stored features."""

from __future__ import annotations

from dataclasses import dataclass

from reweigh.errors import ReweighError


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """How a linear head is fitted and how strongly it is held back."""

    l2: float = 0.0
    """Strength of regularisation on centred features of mean length 16; 0 = chosen by held-out loss, written down."""
    tolerance: float = 1e-5
    """Largest error of a coefficient of the scaled features, above 0; 1e-5 is ten times under the promised 1e-4."""
    max_iterations: int = 300
    """Steps of L-BFGS after which a fit ends unconverged and says so, 1 or more; 10 to 30 are usual."""
    l2_grid: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
    """Strengths that are tried, falling; .02 was best on 5,000 web images of 40 classes."""
    choice_rows: int = 100_000
    """Most rows used to choose `l2`, 2 or more; more images than that are drawn from by hash."""

    def __post_init__(self) -> None:
        if not 0 <= self.l2 < float("inf"):
            raise ReweighError(f"probe.l2 must be 0 (chosen) or more, found {self.l2}.")
        if not 0 < self.tolerance < 1:
            raise ReweighError(f"probe.tolerance must lie between 0 and 1, found {self.tolerance}.")
        if self.max_iterations < 1:
            raise ReweighError(f"probe.max_iterations must be 1 or more, found {self.max_iterations}.")
        falling = all(a > b for a, b in zip(self.l2_grid, self.l2_grid[1:], strict=False))
        if not self.l2_grid or not falling or not 0 < self.l2_grid[-1] <= self.l2_grid[0] < float("inf"):
            raise ReweighError(f"probe.l2_grid must hold falling numbers above 0, found {list(self.l2_grid)}.")
        if self.choice_rows < 2:
            raise ReweighError(f"probe.choice_rows must be 2 or more, found {self.choice_rows}.")
