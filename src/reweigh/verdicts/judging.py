"""From the label posterior to verdicts: flags, suggestions, order of review, rates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reweigh.errors import ReweighError
from reweigh.probes.log_probabilities import LogProbabilities
from reweigh.progress import Progress, silent
from reweigh.verdicts.candidates import Candidates, without_class_sizes
from reweigh.verdicts.channel import Channel, Observed, passed_at, with_own_noise
from reweigh.verdicts.class_noise import class_ranges, class_rates, confusions, overall_range, rate_from_looks
from reweigh.verdicts.cut import cut_off
from reweigh.verdicts.label_posterior import Beliefs, Fitted, Truth, believe, believed, fit_posterior, refits
from reweigh.verdicts.look_alikes import (
    as_log_probabilities,
    asked,
    look_alike_evidence,
    stored_beliefs,
)
from reweigh.verdicts.pairs import Pairs, fitted_pairs, pairs_of
from reweigh.verdicts.record import Confusions, LabelVerdicts
from reweigh.verdicts.remarks import is_to_be_trusted, remarks
from reweigh.verdicts.row_verdicts import Around, row_verdicts

LEAST_INFORMATION = 0.02
"""Probabilities that know less than this of the labels judge nothing: uniform ones would flag every row."""
FEWEST_FOR_OWN_NOISE = 100


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What judges further rows: the channel, and what the n judged rows are believed to show."""

    channel: Channel
    truth: NDArray[np.int32]
    """(p,) true class of each pair of the channel"""
    label: NDArray[np.int32]
    """(p,) its given label"""
    prior: NDArray[np.float64]
    """(k,)"""
    prior_rows: float
    cut: float
    beliefs: LogProbabilities
    """log P(true class | image, label), n rows of k classes"""
    entropy: NDArray[np.float32]
    """(n,) of what the image itself shows, 0 = clear"""
    wrong: NDArray[np.float32]
    """(n,) P(the label is wrong); NaN without a label"""
    has_look_alikes: bool


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Verdicts on n rows."""

    verdicts: LabelVerdicts
    learnt: Learnt | None
    """None where nothing can be told"""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be judged: n rows."""

    candidates: Candidates
    indices: NDArray[np.integer] | None
    """(n, m) nearest rows of each, -1 = missing; None: not known"""
    is_learnt: NDArray[np.bool_]
    """(n,) rows with a label that the fit may use"""
    person: NDArray[np.floating]
    """(n,) 1 the label is right, 0 wrong, NaN nobody looked"""


def judge(rows: Asked, *, truth: Truth = "auto", progress: Progress = silent) -> Judged:
    """Verdicts on these rows. Raises ReweighError for an unknown `truth`."""
    if truth not in ("auto", "clear"):
        raise ReweighError(f"truth must be 'auto' or 'clear', found {truth!r}.")
    k, learnt = rows.candidates.k, rows.is_learnt
    if k < 2 or len(np.unique(rows.candidates.labels[learnt])) < 2:
        why = "there is one class only" if k < 2 else "all labels are the same class, or there are none"
        return _silent(
            rows, f"no label was judged: {why}, so nothing can be compared; it takes images of a second class"
        )
    votes = None if rows.indices is None else asked(rows.indices, rows.candidates.n)
    fitted, pieces = fit_posterior(rows.candidates, votes, learnt, truth=truth, person=rows.person, progress=progress)
    information = 1 - fitted.loss / _entropy(fitted.seen.candidates.labels, k)
    if information < LEAST_INFORMATION:
        return _silent(
            rows, f"no label was judged: the probabilities know next to nothing of the labels (information {information:.3f})",
            information=information,
        )  # fmt: skip
    beliefs = believe(rows.candidates, pieces, fitted)
    wrongs = [beliefs.wrong, *(believe(rows.candidates, pieces, fitted, channel).wrong for channel in refits(fitted))]
    cut = cut_off(beliefs.wrong[learnt])
    verdicts = _verdicts(rows, votes, fitted, beliefs, wrongs, cut=cut, information=information)
    return Judged(verdicts=verdicts, learnt=_learnt(fitted, beliefs, rows.candidates, cut, votes is not None))


def judge_more(learnt: Learnt, before: LabelVerdicts, candidates: Candidates, indices: NDArray[np.integer] | None) -> LabelVerdicts:  # fmt: skip
    """Verdicts on further rows, which the channel was not fitted to; what is said of all labels together stays that of `before`.

    From 100 labelled rows on they have a noise of their own: a test set may have been checked.

    indices (q, m): their nearest rows among the judged ones, -1 = missing; needed where the judged rows had theirs.
    """
    votes = None if indices is None else asked(indices, learnt.beliefs.n)
    pieces = [without_class_sizes(candidates, learnt.prior)]
    if learnt.has_look_alikes:
        if votes is None:
            raise ReweighError("These rows need their look-alikes: the verdicts before were made with them.")
        pieces.append(look_alike_evidence(votes, stored_beliefs(learnt.beliefs), candidates))
    rows = replace(candidates, labels=np.maximum(candidates.labels, 0))
    pairs, fitted = pairs_of(rows), fitted_pairs(learnt.truth, learnt.label)
    passed = passed_at(learnt.channel, fitted, pairs, learnt.prior)
    seen = Observed(
        candidates=rows, pieces=tuple(pieces), pairs=pairs, prior=learnt.prior, prior_rows=learnt.prior_rows
    )  # fmt: skip
    channel, has_label = replace(learnt.channel, passed=passed), candidates.labels >= 0
    if candidates.n >= FEWEST_FOR_OWN_NOISE and has_label.all():
        channel = with_own_noise(seen, channel)
    beliefs = believed(seen, channel, has_label)
    around = (
        None if votes is None else Around(votes=votes, entropy=learnt.entropy, wrong=learnt.wrong, labels=before.labels)
    )
    person = np.full(candidates.n, np.nan)
    return replace(before, **row_verdicts(candidates, beliefs, around, person, learnt.cut))


def _verdicts(
    rows: Asked, votes: sparse.csr_matrix | None, fitted: Fitted, beliefs: Beliefs, wrongs: list[NDArray[np.float32]], *, cut: float, information: float
) -> LabelVerdicts:  # fmt: skip
    candidates, learnt, k = rows.candidates, rows.is_learnt, rows.candidates.k
    labels = candidates.labels
    around = None if votes is None else Around(votes=votes, entropy=beliefs.entropy, wrong=beliefs.wrong, labels=labels)
    of_rows = row_verdicts(candidates, beliefs, around, rows.person, cut)
    own = [w[learnt] for w in wrongs]
    is_trusted = is_to_be_trusted(information, fitted.channel, fitted.ratio)
    rate, held = float(np.mean(own[0], dtype=np.float64)), overall_range(own)
    looks = int((~np.isnan(rows.person[learnt])).sum())
    if looks > 1:
        rate, held = rate_from_looks(own[0], rows.person[learnt])
    return LabelVerdicts(
        **of_rows, noise_rate=rate, noise_rate_range=held, is_interval=looks > 1,
        class_noise=class_rates(own[0], labels[learnt], k), class_noise_ranges=class_ranges(own, labels[learnt], k),
        confusions=confusions(candidates, beliefs.q, _pairs(candidates, fitted), learnt),
        clearness=fitted.clearness, information=information, is_trusted=is_trusted,
        notes=tuple(remarks(candidates, around, of_rows["wrong"], is_trusted)),
        facts=_facts(fitted, cut, looks),
    )  # fmt: skip


def _learnt(fitted: Fitted, beliefs: Beliefs, candidates: Candidates, cut: float, has_look_alikes: bool) -> Learnt:
    pairs = fitted.seen.pairs
    return Learnt(
        channel=fitted.channel, truth=pairs.truth, label=pairs.label, prior=fitted.seen.prior, prior_rows=fitted.seen.prior_rows, cut=cut,
        beliefs=as_log_probabilities(candidates, beliefs.q), entropy=beliefs.entropy, wrong=beliefs.wrong,
        has_look_alikes=has_look_alikes,
    )  # fmt: skip


def _pairs(candidates: Candidates, fitted: Fitted) -> Pairs:
    """Numbers of the pairs of all rows, those without a label as class 0: nobody counts them."""
    if candidates is fitted.seen.candidates:
        return fitted.seen.pairs
    return pairs_of(replace(candidates, labels=np.maximum(candidates.labels, 0)))


def _entropy(labels: NDArray[np.int32], k: int) -> float:
    """Of the given labels, in nats; above 0 as there are two classes at least."""
    share = np.bincount(labels, minlength=k) / len(labels)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def _facts(fitted: Fitted, cut: float, looks: int) -> dict[str, object]:
    channel = fitted.channel
    return {
        "slopes": [float(a) for a in channel.slopes], "objective": float(channel.objective), "scale_ratio": fitted.ratio,
        "prior_rows": fitted.seen.prior_rows, "cut_off": cut, "rounds_of_look_alikes": fitted.n_rounds, "looks": looks,
    }  # fmt: skip


def _silent(rows: Asked, note: str, *, information: float = 0.0) -> Judged:
    """Nothing can be told: no flag, no rate, and why."""
    candidates, k = rows.candidates, rows.candidates.k
    n, labels = candidates.n, candidates.labels
    nothing, never = np.full(n, np.nan, np.float32), np.full(n, -1, np.int32)
    order = np.zeros(n, np.int32)
    order[labels >= 0] = np.arange(1, int((labels >= 0).sum()) + 1)
    verdicts = LabelVerdicts(
        labels=labels, wrong=np.zeros(n, bool), probability_right=nothing, suggested_label=never, probability_suggested=nothing.copy(),
        also_plausible=never.copy(), none_of_the_classes=np.zeros(n, bool), review_order=order, noise_rate=float("nan"),
        noise_rate_range=(float("nan"), float("nan")), is_interval=False, class_noise=np.full(k, np.nan),
        class_noise_ranges=np.full((k, 2), np.nan),
        confusions=Confusions(given=np.zeros(0, np.int32), truth=np.zeros(0, np.int32), expected=np.zeros(0), k=k),
        clearness=float("nan"), information=information, is_trusted=False, notes=(note,),
    )  # fmt: skip
    return Judged(verdicts=verdicts, learnt=None)
