"""What `auto` stands for: the weighers that the data has something for, and what it lacks for the others."""

from __future__ import annotations

from dataclasses import dataclass

from reweigh.evidence.images import Images
from reweigh.weighers.settings import AUTO, WeightSettings

ORDER = ("duplicates", "held_out", "neighbours", "rank", "own_text", "verified", "class_balance")
"""All that `auto` may take, in the order of application. `density` is not: beside held-out predictions and neighbours it
gained nothing on webified Tiny-ImageNet (AUROC .912 with and without) and lost on CIFAR-10N (dev/log.md)."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The weighers of a run."""

    names: tuple[str, ...]
    lacking: tuple[tuple[str, str], ...]
    """(weigher, what the data lacks for it)"""


def choose(settings: WeightSettings, images: Images, *, has_text: bool, has_checked: bool = False) -> Chosen:
    """The weighers named in the settings, `auto` replaced by what these images allow.

    has_checked: whether people checked some labels, though none may serve as evidence.
    """
    if AUTO not in settings.use:
        return Chosen(names=settings.use, lacking=())
    lacking = {}
    if not (images.rank > 0).any():
        lacking["rank"] = "no ranks"
    if not has_text:
        lacking["own_text"] = "no titles, tags or descriptions"
    if not (images.person == images.person).any():
        lacking["verified"] = (
            "checked labels are kept for measuring; evidence.verified lets some serve" if has_checked else ""
        )
    taken = [name for name in ORDER if name not in lacking and name not in settings.leave_out]
    names = [n for name in settings.use for n in (taken if name == AUTO else [name])]
    left = {name: why for name, why in lacking.items() if why and name not in settings.leave_out}
    return Chosen(names=tuple(dict.fromkeys(names)), lacking=tuple(left.items()))


def said(chosen: Chosen) -> str:
    """One line: what is used and what is missing."""
    missing = "; ".join(f"{name}: {why}" for name, why in chosen.lacking)
    return f"weights from {', '.join(chosen.names) or 'nothing'}{f' (not used: {missing})' if missing else ''}"
