"""URNet's five challenges as one figure each: pure functions on the arrays of a finished run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CORE = 0.5
"""An image near fewer than this share of its class lies outside the class's core."""
RIVAL = 2.0
"""A label is ambiguous where neither it nor the best other class is more than this many times as probable as the other."""


def size_ratio(sizes: NDArray[np.integer]) -> float:
    """Class imbalance: images of the largest class / of the smallest, among classes that have images; NaN without any.

    sizes (k,). (40, 0, 10, 5) -> 8.
    """
    filled = np.asarray(sizes)[np.asarray(sizes) > 0]
    return float(filled.max() / filled.min()) if len(filled) else float("nan")


def outside_core(share: NDArray[np.floating], labels: NDArray[np.integer], k: int) -> float:
    """Cluster diversity: mean over the classes of |{i in c: share_i < 1/2}| / |{i in c}|; NaN where nothing was measured.

    share (n,): how much of its class an image is near to (`Density.share`: the class's other images nearer than its cut-off,
    or `NeighbourVotes.label_share`: the nearest images that carry its label), NaN = not measured; labels (n,), -1 = none.
    With densities, whose cut-off is the class's own, it says how much of a class lies apart from its main look; a class of
    several looks of one size has no core to be outside of, and is not told from a class of one look.
    Classes count the same, so that a large one does not speak for all.
    """
    known = ~np.isnan(share) & (labels >= 0)
    n = np.bincount(labels[known], minlength=k)
    outside = np.bincount(labels[known], weights=share[known] < CORE, minlength=k)
    measured = n > 0
    return float((outside[measured] / n[measured]).mean()) if measured.any() else float("nan")


def disagreement(label_position: NDArray[np.integer], labels: NDArray[np.integer]) -> float:
    """Noisy images: share of the labels that are not the held-out prediction; NaN without labels.

    label_position (n,): classes more probable than the label; labels (n,), -1 = none.
    """
    judged = labels >= 0
    return float((label_position[judged] > 0).mean()) if judged.any() else float("nan")


def doubt(credibility: NDArray[np.floating]) -> float:
    """Noisy images: 1 - mean credibility over the images that have one; NaN without any.

    While no share of right labels has been estimated the credibilities are unshifted: an order, not a rate of errors.
    """
    known = credibility[~np.isnan(credibility)]
    return float(1 - known.mean(dtype=np.float64)) if len(known) else float("nan")


def saliency(class_shares: NDArray[np.floating]) -> float:
    """Instance saliency: mean over the classes of (sum w)^2 / (n sum w^2) within the class; NaN = class without weight.

    Near 1 the images of a class count alike; near 1 / n one image speaks for its class. Balance between classes plays no part.
    """
    known = class_shares[~np.isnan(class_shares)]
    return float(known.mean()) if len(known) else float("nan")


def ambiguity(
    label_log_probability: NDArray[np.floating], best_other_log_probability: NDArray[np.floating], labels: NDArray[np.integer]
) -> float:  # fmt: skip
    """Label ambiguity: share of the labels with 1/2 <= p(label) / p(best other class) <= 2, held out; NaN without labels.

    Both bounds: a label far behind its rival is doubted (noise), not ambiguous. With one class there is no rival: 0.
    """
    judged = labels >= 0
    if not judged.any():
        return float("nan")
    own = label_log_probability[judged].astype(np.float64)
    other = best_other_log_probability[judged].astype(np.float64)
    with np.errstate(invalid="ignore"):
        margin = np.abs(own - other)
    return float((np.isfinite(other) & (margin <= np.log(RIVAL) + 1e-6)).mean())
