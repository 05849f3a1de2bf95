"""What a user should know of the verdicts, in a sentence each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reweigh.verdicts.candidates import Candidates
from reweigh.verdicts.channel import LARGEST_SLOPE, Channel
from reweigh.verdicts.clearness import RATIOS
from reweigh.verdicts.row_verdicts import Around, label_share

TRUSTED_INFORMATION, WEAK_INFORMATION = 0.15, 0.3
"""Under the first, verdicts are worth little one by one, and under the second where the fit can do no better than to flag whatever is
not the most probable class: fashion photos .05 to .19, where F1 is hardly that of chance; .3 and more elsewhere."""
MANY = 0.1
"""Share of labels that are not the most probable class from which it is said what they were taken for."""
SUSPICIOUS_AGREEMENT, SUSPICIOUS_PROBABILITY = 0.995, 0.98


def is_to_be_trusted(information: float, channel: Channel, ratio: float) -> bool:
    """Whether the evidence tells the classes apart.

    A slope at its bound makes the most probable class certain; where the ratio of scales does not say that the truth is
    clear-cut, that is no more than the classifier's first choice.
    """
    is_first_choice = bool((channel.slopes >= LARGEST_SLOPE).any()) and ratio < RATIOS[-1]
    return information >= (WEAK_INFORMATION if is_first_choice else TRUSTED_INFORMATION)


def remarks(candidates: Candidates, around: Around | None, flagged: NDArray[np.bool_], is_trusted: bool) -> list[str]:
    """Suspicious input, verdicts that are not to be trusted, and what doubtful labels were taken for."""
    notes = []
    at = np.flatnonzero(candidates.labels >= 0)
    own = candidates.log_p[at, candidates.own[at]]
    agreement = float((own >= candidates.log_p[at, : candidates.m].max(axis=1)).mean())
    sure = float(np.exp(own).mean(dtype=np.float64))
    share = label_share(around, candidates.labels)[at]
    of_look_alikes = float(np.nanmean(share)) if not np.isnan(share).all() else 0.0
    if agreement > SUSPICIOUS_AGREEMENT and sure > SUSPICIOUS_PROBABILITY and of_look_alikes < 0.9:
        notes.append(
            f"{agreement:.1%} of the labels are the most probable class: either nearly all are right, or the probabilities come from a "
            "model that has seen these labels; they must be held out"
        )
    if not is_trusted:
        notes.append(
            f"do not trust single verdicts: the predictions agree with {agreement:.0%} of the labels and cannot tell these classes apart"
        )
    elif 1 - agreement > MANY and flagged[at].mean() < (1 - agreement) / 2:
        notes.append(
            f"{1 - agreement:.0%} of the labels are not the most probable class, and most of them are taken for right labels of ambiguous images; "
            'where every image is of one class, truth="clear" (evidence.truth=clear) takes more of them for errors; review_order has them first'
        )
    elif flagged[at].mean() > 0.5:
        notes.append(
            f"{flagged[at].mean():.0%} of the labels are flagged: look at some of them; are labels and class numbers of the same list?"
        )
    return notes
