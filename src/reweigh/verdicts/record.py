"""What is said of every label, and of all of them together."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Confusions:
    """Expected numbers of images by given and true class, at the pairs that occur."""

    given: NDArray[np.int32]
    """(c,)"""
    truth: NDArray[np.int32]
    """(c,)"""
    expected: NDArray[np.float64]
    """(c,) images; the diagonal, right labels, is there too"""
    k: int

    def dense(self) -> NDArray[np.float64]:
        """(k, k), row = given label, column = true class."""
        table = np.zeros((self.k, self.k))
        table[self.given, self.truth] = self.expected
        return table


@dataclass(frozen=True, kw_only=True)
class LabelVerdicts:
    """Verdicts on n labels of k classes."""

    labels: NDArray[np.int32]
    """(n,) given labels, -1 = none"""
    wrong: NDArray[np.bool_]
    """(n,) flagged as wrong; False without a label"""
    probability_right: NDArray[np.float32]
    """(n,) P(the label is right | image, label); NaN without a label, or where nothing can be told"""
    suggested_label: NDArray[np.int32]
    """(n,) the most probable other class of a flagged image, -1 elsewhere"""
    probability_suggested: NDArray[np.float32]
    """(n,) of it; NaN where there is none"""
    also_plausible: NDArray[np.int32]
    """(n,) a second class of an image that keeps its label, -1 = none"""
    none_of_the_classes: NDArray[np.bool_]
    """(n,) a verdict of its own, beside `wrong`; it needs features"""
    review_order: NDArray[np.int32]
    """(n,) 1 = look at this one first; 0 without a label"""
    noise_rate: float
    """Estimated share of wrong labels; NaN where nothing can be told"""
    noise_rate_range: tuple[float, float]
    is_interval: bool
    """Whether that range is a 95 % interval, from verified rows; else it is the spread of refits, and holds the true rate less often."""
    class_noise: NDArray[np.float64]
    """(k,) estimated share of wrong labels in each class; NaN for a class without rows"""
    class_noise_ranges: NDArray[np.float64]
    """(k, 2); NaN for classes of fewer than 20 rows"""
    confusions: Confusions
    clearness: float
    """lambda, how clear-cut the truth was taken to be"""
    information: float
    """1 - loss of the calibrated probabilities / entropy of the labels: what the probabilities know of them, 0 = nothing"""
    is_trusted: bool
    """Whether the probabilities know enough of the labels for these verdicts to be trusted one by one"""
    notes: tuple[str, ...] = ()
    """What a user should know"""
    facts: dict[str, Any] = field(default_factory=dict)
    """Parameters of the fit, as JSON"""


ROW_ARRAYS = (
    "labels", "wrong", "probability_right", "suggested_label", "probability_suggested", "also_plausible",
    "none_of_the_classes", "review_order",
)  # fmt: skip


def chosen_verdicts(verdicts: LabelVerdicts, at: NDArray[np.int64]) -> LabelVerdicts:
    """The verdicts on some rows; what is said of all of them together stays."""
    assert set(ROW_ARRAYS) <= {f.name for f in fields(verdicts)}
    return replace(verdicts, **{name: getattr(verdicts, name)[at] for name in ROW_ARRAYS})
