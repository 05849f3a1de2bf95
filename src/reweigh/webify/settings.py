"""Settings of webify: what a clean set is made into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reweigh.errors import ReweighError

SHARES = ("near", "far", "random", "out_of_set")
"""Kinds of wrong labels that are drawn; their shares make 1."""


@dataclass(frozen=True, kw_only=True)
class WebifySettings:
    """How large, how wrong and how described the made set is. A share is a number from 0 to 1."""

    n_max: int = 0
    """Training images of the largest class; 0 takes the most that the images there are allow, and says how many."""
    ratio: float = 10.0
    """Size of the largest class over that of the smallest, 1 or more."""
    noise: float = 0.4
    """Share of wrong labels; a class has .6 to 1.4 times of it. Under a `corruption` of all classes alike."""
    near: float = 0.45
    """Share of the errors whose image is of one of the 5 most similar classes."""
    far: float = 0.2
    """Share of the errors whose image is of a class that is none of those 5."""
    random: float = 0.0
    """Share of the errors whose image is of any other class."""
    out_of_set: float = 0.35
    """Share of the errors whose image is of none of the classes; without `pool_classes` it goes to near and far."""
    pool_classes: int = 0
    """Classes put aside, spread evenly, whose images are the out-of-set ones; 8 of 40 gives classes 4, 9, ..., 39."""
    source_noise: tuple[float, ...] = (0.75, 1.25)
    """Factor on the noise of each source; as many sources as factors, all of the same size."""
    source_rank: tuple[float, ...] = (1.0, 0.5)
    """Factor on `rank_signal` of each source."""
    rank_signal: float = 1.2
    """By how many standard deviations right images stand before wrong ones in a search, 0 or more; 0: a rank says nothing."""
    notext: float = 0.15
    """Share of images without any text."""
    text_signal: float = 0.6
    """Share of texts that name what the image shows; 0: they know only the query, 1: almost a second label."""
    query_in: float = 0.7
    """Share of texts that hold the query, a word of the label: that is why the image was found."""
    duplicates: float = 0.0
    """Share of training rows repeated under the same label."""
    crossed: float = 0.0
    """Share of training rows repeated under the label of another class."""
    recompressed: float = 0.5
    """Share of the repeated rows that are written anew as JPEGs of another quality; the others have the same bytes."""
    keep_side: bool = False
    """Images, sizes, text, ranks and sources stay as they are; only labels are made wrong."""
    corruption: Literal["", "uniform", "pair", "matrix"] = ""
    """Labels flipped on all training rows and nothing else: `uniform` to any other class, `pair` to the next class, each
    with probability `noise`; `matrix` by a row-stochastic matrix of a file."""

    def __post_init__(self) -> None:
        if self.n_max < 0:
            raise ReweighError(f"webify.n_max must be 0 (chosen) or more images, found {self.n_max}.")
        if not self.ratio >= 1:
            raise ReweighError(f"webify.ratio is largest over smallest class, 1 or more, found {self.ratio}.")
        if self.pool_classes < 0:
            raise ReweighError(f"webify.pool_classes must be 0 or more classes, found {self.pool_classes}.")
        if not self.rank_signal >= 0:
            raise ReweighError(f"webify.rank_signal must be 0 or more, found {self.rank_signal}.")
        _check_shares(self)
        _check_sources(self)
        if self.corruption and (self.pool_classes or self.duplicates or self.crossed):
            raise ReweighError(
                f"webify.corruption = {self.corruption!r} flips labels and does nothing else; leave out pool_classes, "
                "duplicates and crossed."
            )
        if self.keep_side and (self.duplicates or self.crossed):
            raise ReweighError("webify.keep_side adds no image; leave out duplicates and crossed, or keep_side.")


def _check_shares(settings: WebifySettings) -> None:
    shares = ("noise", "notext", "text_signal", "query_in", "duplicates", "crossed", "recompressed", *SHARES)
    for name in shares:
        if not 0 <= getattr(settings, name) <= 1:
            raise ReweighError(f"webify.{name} is a share from 0 to 1, found {getattr(settings, name)}.")
    total = sum(getattr(settings, name) for name in SHARES)
    if abs(total - 1) > 1e-6:
        said = ", ".join(f"{name} {getattr(settings, name):g}" for name in SHARES)
        raise ReweighError(f"webify: the shares of the errors must make 1; {said} make {total:g}.")


def _check_sources(settings: WebifySettings) -> None:
    noise, rank = settings.source_noise, settings.source_rank
    if not noise or len(noise) != len(rank):
        raise ReweighError(
            f"webify.source_noise and webify.source_rank have a factor a source; found {len(noise)} and {len(rank)}."
        )
    for name, factors in (("source_noise", noise), ("source_rank", rank)):
        if not all(0 <= factor < float("inf") for factor in factors):
            raise ReweighError(f"webify.{name} must be factors of 0 or more, found {factors}.")
