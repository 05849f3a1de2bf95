"""A factor: what one weigher says about every image; and what a weigher is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError

Kind = Literal["exclude", "credibility", "multiplier", "balance"]
KINDS: tuple[Kind, ...] = ("exclude", "credibility", "multiplier", "balance")
"""In the order in which they are applied."""
GROUPS = ("visual", "rank", "text", "source", "person")
"""What a credibility looks at; factors of one group see the same thing and are averaged by `pooled`."""

Evidence = Mapping[str, Any]
"""Pieces by name, all of the same n rows; `images` is always there, and `features`, the `FeatureMatrix` whose rows
`images.rows` are, wherever there are features: it is neither made nor stored."""
State = dict[str, NDArray]
"""What a weigher has learnt, as arrays."""


@dataclass(frozen=True, kw_only=True)
class Factor:
    """Values of one weigher for n images."""

    name: str
    kind: Kind
    group: str
    """One of GROUPS for a credibility, else empty."""
    values: NDArray[np.float32]
    """(n,): exclude 0 or 1; credibility in [0, 1] or NaN (no opinion); multiplier >= 0; balance > 0"""
    facts: dict[str, Any] = field(default_factory=dict)
    """What a reader should know, as JSON: counts, directions, why it says nothing."""
    score: NDArray[np.float32] | None = None
    """(n,) what the values were made from, in its own unit, NaN = none; kept as a column beside them."""


class Weigher(Protocol):
    """A frozen record of settings that turns evidence into a factor."""

    @property
    def kind(self) -> Kind:
        """Mostly of the class; it may follow from a setting."""
        ...

    group: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    """Pieces of evidence that it reads besides `images`."""

    def fit(self, evidence: Evidence) -> State | None:
        """What it learns from the evidence, None where there is nothing to learn."""
        ...

    def weigh(
        self, evidence: Evidence, state: State | None, credibility: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """(values (n,), facts); only a `balance` is given the combined credibility, (n,), where there is one.

        Facts are JSON. `says_nothing`: why there is no opinion on any image; `score`, (n,) float32: `Factor.score`, no JSON.
        """
        ...


def make_factor(
    name: str, weigher: Weigher, evidence: Evidence, *, state: State | None = None, credibility: NDArray[np.float32] | None = None
) -> Factor:  # fmt: skip
    """The weigher's factor for this evidence, checked; `state` None: fitted now.

    Raises ReweighError, naming the weigher and the image, for values of a wrong shape or out of the kind's range.
    """
    state = weigher.fit(evidence) if state is None else state
    values, told = weigher.weigh(evidence, state, credibility)
    facts = {key: value for key, value in told.items() if key != "score"}
    made = Factor(
        name=name, kind=weigher.kind, group=weigher.group, values=values, facts=facts, score=told.get("score")
    )
    return checked(made, evidence)


def checked(factor: Factor, evidence: Evidence) -> Factor:
    """The factor as float32, if its shape and values are those of its kind."""
    images = evidence["images"]
    values = np.asarray(factor.values)
    if factor.kind not in KINDS:
        raise ReweighError(f"The weigher {factor.name!r} is of kind {factor.kind!r}; there are: {', '.join(KINDS)}.")
    if factor.kind == "credibility" and factor.group not in GROUPS:
        raise ReweighError(
            f"The weigher {factor.name!r} is of group {factor.group!r}; a credibility has one of: {', '.join(GROUPS)}."
        )
    if values.shape != images.labels.shape:
        raise ReweighError(
            f"The weigher {factor.name!r} must give one value an image, shape {images.labels.shape}; it gave {values.shape}."
        )
    wrong, allowed = _out_of_range(factor.kind, values)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise ReweighError(
            f"The weigher {factor.name!r} gave {values[first]} for row {int(images.rows[first])} and {int(wrong.sum()) - 1} more; "
            f"a factor of kind {factor.kind} must be {allowed}."
        )
    return replace(factor, values=values.astype(np.float32))


def _out_of_range(kind: Kind, values: NDArray) -> tuple[NDArray[np.bool_], str]:
    with np.errstate(invalid="ignore"):
        if kind == "exclude":
            return ~np.isin(values, (0, 1)), "0 or 1"
        if kind == "credibility":
            return (values < 0) | (values > 1), "between 0 and 1, or NaN for no opinion"
        if kind == "multiplier":
            return ~(np.isfinite(values) & (values >= 0)), "0 or more"
        return ~(np.isfinite(values) & (values > 0)), "above 0"
