"""Which pairs of classes are worth a merge or a rename: a rule on expected confusions, and nothing but that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 0.5
"""From this share of a class on, most of it shows another class."""
MUCH = 0.15
"""From this share on, in both directions, two classes are mixed."""
FEWEST = 3.0
"""Expected images that such a share must at least be."""
LEAST = 0.5
"""Expected images under which a pair is not told."""

RULE = (
    f"Worth a “merge?” where at least {MUCH:.0%} of each of two classes show the other, a “rename?” where at least {MOST:.0%} of a "
    f"class show one other class, a “swap?” where that is so both ways; each from {FEWEST:g} estimated images on."
).replace("%", "\u00a0%")
"""The rule in a line, for the page"""


@dataclass(frozen=True, kw_only=True)
class Advised:
    """A pair of classes, with the way back."""

    given: int
    truth: int
    n: float
    """Expected images labelled `given` that show `truth`"""
    share: float
    """Of the images labelled `given`"""
    n_back: float
    share_back: float
    advice: str


def advice(n: float, share: float, n_back: float, share_back: float) -> str:
    """`swap?` where each class shows mostly the other, `rename?` where the first does, `merge?` where both are mixed; else empty.

    n images, which are the share `share` of their class, show another class; n_back and share_back of that one show the first.
    """
    if share >= MOST and n >= FEWEST:
        return "swap?" if share_back >= MOST and n_back >= FEWEST else "rename?"
    is_mixed = min(share, share_back) >= MUCH and max(share, share_back) < MOST and min(n, n_back) >= FEWEST
    return "merge?" if is_mixed else ""


def advised_pairs(confusions: list[tuple[int, int, float]], sizes: NDArray[np.int64], *, most: int) -> list[Advised]:
    """Pairs with an advice first, then the others, each by expected images; at most `most`, none of under half an image.

    confusions: (given, truth, expected images) off the diagonal; sizes (k,): images by given label. A pair with an advice is
    told once: `rename?` from the class to be renamed, the others from the class with more images in the wrong place.
    """
    expected = {(given, truth): n for given, truth, n in confusions if n >= LEAST}
    found = []
    for (given, truth), n in expected.items():
        n_back = expected.get((truth, given), 0.0)
        share, share_back = n / max(int(sizes[given]), 1), n_back / max(int(sizes[truth]), 1)
        said, said_back = advice(n, share, n_back, share_back), advice(n_back, share_back, n, share)
        is_told_there = said_back == "rename?" or (said_back and (n_back, -truth) > (n, -given))
        if not is_told_there:
            one = Advised(given=given, truth=truth, n=n, share=share, n_back=n_back, share_back=share_back, advice=said)
            found.append(one)
    found.sort(key=lambda one: (not one.advice, -one.n, one.given, one.truth))
    return found[:most]
