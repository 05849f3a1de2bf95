"""Several views of an image at test time: crops, mirror images, scales. Their predictions are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reweigh.errors import look_up
from reweigh.images.views import EvaluationView

CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
MIDDLE = (0.5, 0.5)
GRID = tuple((down / 2, across / 2) for down in range(3) for across in range(3))
VIEWS: dict[str, tuple[tuple[tuple[float, float], ...], tuple[bool, ...]]] = {
    "center": ((MIDDLE,), (False,)),
    "flip": ((MIDDLE,), (False, True)),
    "five": ((*CORNERS, MIDDLE), (False,)),
    "ten": ((*CORNERS, MIDDLE), (False, True)),
    "dense": (GRID, (False, True)),
}
"""Name -> (places of the crops, whether mirrored): the middle; with its mirror image; four corners and the middle; these
mirrored too (Krizhevsky et al. 2012); nine places, mirrored too."""


def several_views(view: EvaluationView, name: str = "center", scales: Sequence[float] = (1.0,)) -> list[EvaluationView]:
    """The views of this name at each scale, the usual one first where it is among them.

    Raises ReweighError for a name that is not there and a scale out of range.
    """
    places, sides = look_up(name, VIEWS, kind="set of views")
    made = [
        replace(view, place=place, mirrored=is_mirrored, scale=scale)
        for scale in scales
        for place in places
        for is_mirrored in sides
    ]
    return sorted(made, key=lambda one: one != view)
