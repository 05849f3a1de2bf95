"""All of it in order: exclude, credibility, combine, balance, clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.errors import ReweighError
from reweigh.evidence.images import Images, chosen_images
from reweigh.metrics.effective_share import class_effective_shares, effective_share
from reweigh.verdicts.record import LabelVerdicts
from reweigh.weighers.combine import COMBINERS, Combined
from reweigh.weighers.factor import Evidence, Factor, State, make_factor
from reweigh.weighers.settings import WeightSettings, weigher_named

FEW = 0.1
"""An effective sample share below this is warned of."""
LEAST_SHARE = 0.001
"""An estimated share of right labels stays this far from 0 and 1: the pool has no log-odds for certainty."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights of n labelled images and what made them."""

    weights: NDArray[np.float32]
    """(n,) finite, >= 0, mean 1 over those above 0"""
    credibility: NDArray[np.float32] | None
    """(n,) P(label is right | all evidence), NaN for excluded images; None where no factor speaks of labels"""
    factors: dict[str, Factor]
    """By name, in the order of application; values (n,), NaN for images excluded before"""
    effective_share: float
    """(sum w)^2 / (n sum w^2) over the images that are not excluded"""
    class_effective_shares: NDArray[np.float64]
    """(k,) the same within each class; NaN for a class without weight"""
    facts: dict[str, Any]
    """As JSON: combiner and its numbers, sharpness, clipping, facts of each factor"""
    notes: tuple[str, ...]
    """What a user should know"""
    states: dict[str, State] = field(default_factory=dict)
    """What each weigher has learnt"""


def kept_images(
    images: Images, names: Sequence[str], settings: WeightSettings
) -> tuple[NDArray[np.bool_], list[Factor]]:
    """(which of the images stay (n,), the factors of kind `exclude` among `names`); from the catalog alone."""
    factors = [
        make_factor(name, weigher, {"images": images})
        for name, weigher in ((name, weigher_named(name, settings)) for name in names)
        if weigher.kind == "exclude"
    ]
    kept = np.ones(len(images.labels), bool)
    for factor in factors:
        kept &= factor.values > 0
    return kept, factors


def weigh_images(
    images: Images, evidence: Evidence, names: Sequence[str], settings: WeightSettings, *, share_right: float | None = None, sharpness: float = 1.0,
    class_names: Sequence[str] | None = None,
) -> Weights:  # fmt: skip
    """Weights of all images, from the evidence on those that `kept_images` keeps.

    evidence: pieces by name, of the kept rows; `images` and, for the choice among contested copies, `agreement` where it
    was made. share_right: estimated share of right labels, None while there is none. sharpness: what 0 in the settings
    stands for once a share is known. class_names: what labels are called in notes.
    Raises ReweighError where nothing is left, and for factors that are not what their kind promises.
    """
    kept, excluding = kept_images(images, names, settings)
    if not kept.any():
        raise ReweighError(
            f"No image is left to weigh: {', '.join(f.name for f in excluding)} excluded all {len(kept):,}."
        )
    made, states = _credible_factors(evidence, names, settings)
    speaking = [f for f in made if not np.isnan(f.values).all() and "says_nothing" not in f.facts]
    combined = _combined(speaking, settings, share_right)
    stays = _one_of_contested(evidence, combined)
    power = settings.sharpness or _default_sharpness(settings, share_right, sharpness)
    weights = np.where(stays, 1.0 if combined is None else combined.credibility.astype(np.float64) ** power, 0.0)
    balances = _balances(evidence, stays, names, settings, combined)
    for balance in balances:
        weights *= balance.values
    weights, n_clipped = clipped(weights, settings.clip)
    facts = {
        **(combined.facts if combined else {"combiner": None}),
        "sharpness": power if combined else None,
        "clipped": n_clipped,
        "contested_copies_left_out": int((~stays).sum()),
        "factors": {f.name: {"kind": f.kind, "group": f.group, **f.facts} for f in (*excluding, *made, *balances)},
    }
    everywhere = {f.name: f for f in excluding} | {f.name: _spread(f, kept) for f in (*made, *balances)}
    labels = images.labels[kept]
    share = effective_share(weights)
    shares = class_effective_shares(weights, labels, images.k)
    smallest = _smallest(labels, shares, images.k)
    return Weights(
        weights=_at(kept, weights, 0.0),
        credibility=None if combined is None else _at(kept, combined.credibility, np.nan),
        factors=everywhere,
        effective_share=share,
        class_effective_shares=shares,
        facts={**facts, "effective_share": share, **smallest},
        notes=(
            *_notes_on_factors(made, speaking, images.k, class_names),
            *_notes_on_shares(share, int(kept.sum()), smallest, class_names),
        ),
        states=states,
    )


def share_right_of(verdicts: LabelVerdicts) -> float | None:
    """The estimated share of right labels; None where nothing could be told, or the verdicts are not to be trusted."""
    if not (verdicts.is_trusted and np.isfinite(verdicts.noise_rate)):
        return None
    return float(np.clip(1 - verdicts.noise_rate, LEAST_SHARE, 1 - LEAST_SHARE))


def clipped(weights: NDArray[np.float64], limit: float) -> tuple[NDArray[np.float64], int]:
    """(weights of mean 1 over those above 0, none over `limit` times that mean before the last scaling; how many were cut).

    Raises ReweighError where every weight is 0.
    """
    positive = weights > 0
    if not positive.any():
        raise ReweighError(
            "All weights are 0: nothing would be learnt. Leave out the weigher that gives every image 0."
        )
    scaled = weights / weights[positive].mean()
    cut = np.minimum(scaled, limit)
    return cut / cut[positive].mean(), int((scaled > limit).sum())


def _credible_factors(
    evidence: Evidence, names: Sequence[str], settings: WeightSettings
) -> tuple[list[Factor], dict[str, State]]:
    factors, states = [], {}
    for name in names:
        weigher = weigher_named(name, settings)
        if weigher.kind in ("credibility", "multiplier"):
            state = weigher.fit(evidence)
            if state is not None:
                states[name] = state
            factors.append(make_factor(name, weigher, evidence, state=state))
    return factors, states


def _combined(factors: list[Factor], settings: WeightSettings, share_right: float | None) -> Combined | None:
    """One credibility; a person's word stands above the combiner. None where no factor has an opinion."""
    person = [f for f in factors if f.group == "person"]
    others = [f for f in factors if f.group != "person"]
    if not others and person:
        raise ReweighError(
            "weights.use names verified alone: a few checked labels need another credibility beside them, such as held_out."
        )
    if not others:
        return None
    combined = COMBINERS[settings.combiner](others, share_right=share_right)
    values = combined.credibility
    for factor in person:
        values = np.where(np.isnan(factor.values), values, factor.values)
    return Combined(credibility=values, facts=combined.facts)


def _one_of_contested(evidence: Evidence, combined: Combined | None) -> NDArray[np.bool_]:
    """(n,) False for copies under different labels but the one whose label is the most credible, the first of equals.

    Without credibility and agreement none of them stays: no label can be trusted by being first.
    """
    images: Images = evidence["images"]
    stays = np.ones(len(images.labels), bool)
    doubtful = np.flatnonzero(~images.is_fitted)
    if len(doubtful):
        if combined is None and "agreement" not in evidence:
            stays[doubtful] = False
            return stays
        belief = evidence["agreement"].share if combined is None else combined.credibility
        order = doubtful[np.lexsort((images.rows[doubtful], -belief[doubtful], images.copies[doubtful]))]
        stays[order[1:]] = images.copies[order[1:]] != images.copies[order[:-1]]
    return stays


def _balances(
    evidence: Evidence, stays: NDArray[np.bool_], names: Sequence[str], settings: WeightSettings, combined: Combined | None
) -> list[Factor]:  # fmt: skip
    """Factors of kind `balance` on the images that stay; 1 for the others, whose weight is 0."""
    from reweigh.evidence.table import EVIDENCE

    at = np.flatnonzero(stays)
    images = chosen_images(evidence["images"], at)
    credibility = None if combined is None else combined.credibility[stays]
    found = []
    for name in names:
        weigher = weigher_named(name, settings)
        if weigher.kind == "balance":
            pieces = {piece: EVIDENCE[piece].choose(evidence[piece], at) for piece in weigher.needs}
            own = make_factor(name, weigher, {**pieces, "images": images}, credibility=credibility)
            found.append(_spread(own, stays, otherwise=1.0))
    return found


def _default_sharpness(settings: WeightSettings, share_right: float | None, sharpness: float) -> float:
    """1 under `product` and as long as no share of right labels has been estimated."""
    return 1.0 if settings.combiner == "product" or share_right is None else sharpness


def _spread(factor: Factor, at: NDArray[np.bool_], *, otherwise: float = np.nan) -> Factor:
    score = None if factor.score is None else _at(at, factor.score, np.nan)
    return replace(factor, values=_at(at, factor.values, otherwise), score=score)


def _at(kept: NDArray[np.bool_], values: NDArray[np.floating], otherwise: float) -> NDArray[np.float32]:
    result = np.full(len(kept), otherwise, np.float32)
    result[kept] = values
    return result


def _smallest(labels: NDArray[np.int32], shares: NDArray[np.float64], k: int) -> dict[str, Any]:
    """The smallest class that has images, and its effective sample share."""
    sizes = np.bincount(labels, minlength=k)
    smallest = int(np.argmin(np.where(sizes > 0, sizes, sizes.max() + 1)))
    share = float(shares[smallest])
    return {"smallest_class": smallest, "smallest_class_effective_share": share if np.isfinite(share) else None}


def _notes_on_factors(
    made: Sequence[Factor], speaking: Sequence[Factor], k: int, class_names: Sequence[str] | None
) -> Iterator[str]:
    """Factors without any opinion, and labels that one knows nothing of."""
    heard = {factor.name for factor in speaking}
    for factor in made:
        if factor.name not in heard or "says_nothing" in factor.facts:
            yield f"{factor.name} has no opinion on any image and was left out ({_why(factor.facts)})"
        elif unknown := factor.facts.get("labels_without_text"):
            named = ", ".join(_called(label, class_names) for label in factor.facts["first_without_text"])
            yield (
                f"{factor.name} knows no word of {unknown:,} of the {k:,} labels and has no opinion on their "
                f"{factor.facts['images_without_text']:,} images: {named}{', ...' if unknown > len(factor.facts['first_without_text']) else ''}"
            )


def _notes_on_shares(
    share: float, n: int, smallest: Mapping[str, Any], class_names: Sequence[str] | None
) -> Iterator[str]:
    """Where few of n images decide, overall or in the smallest class."""
    if share < FEW:
        yield (
            f"the effective sample share is {share:.3f}: {share * n:,.0f} images' worth of {n:,} decide; "
            "a product of many factors does that, weights.combiner=pooled does not"
        )
    own = smallest["smallest_class_effective_share"]
    if own is None or own < FEW:
        found = "no weight at all" if own is None else f"an effective sample share of {own:.3f}"
        called = _called(smallest["smallest_class"], class_names)
        yield f"the smallest class ({called}) has {found}: hardly any image speaks for it"


def _called(label: int, class_names: Sequence[str] | None) -> str:
    return f"label {label}" if class_names is None else class_names[label]


def _why(facts: Mapping[str, Any]) -> str:
    curves = facts.get("curves", {})
    if "says_nothing" in facts:
        return str(facts["says_nothing"])
    return ", ".join(f"{name}: {curve['curve']}" for name, curve in curves.items()) or "it found nothing to go by"
