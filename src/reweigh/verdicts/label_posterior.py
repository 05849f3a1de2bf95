"""The label posterior: what each image truly shows, given its evidence and its label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reweigh.progress import Progress, silent
from reweigh.verdicts.candidates import Candidates, chosen_candidates, class_shares, row_blocks, without_class_sizes
from reweigh.verdicts.channel import (
    Channel,
    Observed,
    clear_probabilities,
    fit_channel,
    logs_and_entropy,
    observed,
    passed_at,
    posterior,
)
from reweigh.verdicts.clearness import CLEAR, GRID, RANGE, calibration, clearness_of, first_fit
from reweigh.verdicts.look_alikes import beliefs, look_alike_evidence
from reweigh.verdicts.pairs import pairs_of
from reweigh.verdicts.prior_rows import CHOICES, chosen_prior_rows

Truth = Literal["auto", "clear"]
STEADY = 2e-3
"""Look-alikes are asked anew until P(wrong) moves less than this on average."""
MOST_ROUNDS = 6
FEWEST_LOOKS = 50
"""Verified rows from which lambda is chosen by them."""


@dataclass(frozen=True, kw_only=True)
class Beliefs:
    """What n rows are believed to show."""

    q: NDArray[np.float32]
    """(n, m), or (n, m + 1) with all classes together that are not candidates: P(true class | image, label)"""
    second: NDArray[np.int32]
    """(n,) column of the class that the image itself shows most but its label; of all where there is no label"""
    second_share: NDArray[np.float32]
    """(n,) its share pi, the label not asked"""
    own_share: NDArray[np.float32]
    """(n,) that of the label; 0 where there is none"""
    entropy: NDArray[np.float32]
    """(n,) of pi / log k, 0 = clear"""
    wrong: NDArray[np.float32]
    """(n,) 1 - q(label); NaN without a label"""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A channel fitted to the labelled rows that may be learnt from, and how."""

    seen: Observed
    channel: Channel
    free: Channel
    """The same at lambda 0"""
    clearness: float
    ratio: float
    loss: float
    """Mean -log P(y | x) of the calibrated probabilities, no look-alikes asked"""
    n_rounds: int


def fit_posterior(
    candidates: Candidates, votes: sparse.csr_matrix | None, is_learnt: NDArray[np.bool_], *, truth: Truth = "auto",
    person: NDArray[np.floating] | None = None, progress: Progress = silent,
) -> tuple[Fitted, list[NDArray[np.float32]]]:  # fmt: skip
    """(the fit, the pieces of evidence of all rows, each in the shape of `log_p`).

    votes (n, n): look-alikes of each row, None = not known. is_learnt (n,): rows with a label that the fit may use.
    person (n,): 1 the label is right, 0 wrong, NaN nobody looked; from 50 looks on they choose lambda.
    """
    at = None if is_learnt.all() else np.flatnonzero(is_learnt)
    shares = class_shares(candidates.labels[is_learnt], candidates.k)
    pieces = [without_class_sizes(candidates, shares)]
    progress("verdicts", 0, MOST_ROUNDS + 1, "noise and calibration")
    seen = _seen(candidates, pieces, at)
    seen = replace(seen, prior_rows=CHOICES[0] if truth == "clear" else chosen_prior_rows(seen))
    fitted = _fitted(seen, first_fit(seen, clearness=0.0), truth=truth)
    if votes is not None:
        fitted, pieces = _with_look_alikes(candidates, votes, at, fitted, pieces[0], truth=truth, progress=progress)
    if person is not None and (~np.isnan(person)).sum() >= FEWEST_LOOKS:
        fitted = _by_looks(fitted, candidates, pieces, person)
    progress("verdicts", MOST_ROUNDS + 1, MOST_ROUNDS + 1, "")
    return fitted, pieces


def believe(
    candidates: Candidates, pieces: list[NDArray[np.float32]], fitted: Fitted, channel: Channel | None = None
) -> Beliefs:
    """What these rows show, whether the channel was fitted to them or not; `channel` None: the fitted one."""
    channel = channel or fitted.channel
    has_label = candidates.labels >= 0
    if candidates is fitted.seen.candidates:
        seen = replace(fitted.seen, pieces=tuple(pieces))
    else:
        rows = replace(candidates, labels=np.maximum(candidates.labels, 0))
        pairs = pairs_of(rows)
        seen = Observed(candidates=rows, pieces=tuple(pieces), pairs=pairs, prior=fitted.seen.prior)
        channel = replace(channel, passed=passed_at(channel, fitted.seen.pairs, pairs, fitted.seen.prior))
    return believed(seen, channel, has_label)


def believed(seen: Observed, channel: Channel, has_label: NDArray[np.bool_]) -> Beliefs:
    """What rows show through a channel that has T at their pairs; has_label (n,): where False, the label is not read."""
    n, shape = seen.n, seen.candidates.log_p.shape
    found = Beliefs(
        q=np.empty(shape, np.float32), second=np.empty(n, np.int32), second_share=np.empty(n, np.float32),
        own_share=np.empty(n, np.float32), entropy=np.empty(n, np.float32), wrong=np.full(n, np.nan, np.float32),
    )  # fmt: skip
    for start, stop in row_blocks(n, 16 * shape[1]):
        _believe_block(found, seen, channel, slice(start, stop), has_label[start:stop])
    return found


def _believe_block(found: Beliefs, seen: Observed, channel: Channel, here: slice, has_label: NDArray[np.bool_]) -> None:
    pi = clear_probabilities(seen.candidates, channel, [piece[here] for piece in seen.pieces], here)
    q, _ = posterior(seen, channel, pi, here)
    found.q[here] = np.where(has_label[:, None], q, pi)
    m, own = seen.candidates.m, seen.candidates.own[here]
    rows = np.arange(len(pi))
    found.wrong[here] = np.where(has_label, 1 - q[rows, np.maximum(own, 0)], np.nan)
    found.entropy[here] = logs_and_entropy(pi, seen.candidates)[1] / np.log(seen.candidates.k)
    shown = pi[:, :m].copy()
    found.own_share[here] = np.where(has_label, shown[rows, np.maximum(own, 0)], 0)
    shown[rows[has_label], own[has_label]] = -1
    found.second[here] = shown.argmax(axis=1)
    found.second_share[here] = shown[rows, found.second[here]]


def _seen(candidates: Candidates, pieces: list[NDArray[np.float32]], at: NDArray[np.int64] | None) -> Observed:
    """The rows of the fit; `at` None: all."""
    if at is None:
        return observed(candidates, pieces)
    return observed(chosen_candidates(candidates, at), [piece[at] for piece in pieces])


def _fitted(seen: Observed, free: Channel, *, truth: Truth) -> Fitted:
    """The channel at its lambda; `free` is that of lambda 0.

    Under "clear" the starts are tried too: where `free` has found no noise at all a fit cannot get away from there.
    """
    scales = calibration(seen, free)
    lam = CLEAR if truth == "clear" else clearness_of(scales.ratio)
    channel = fit_channel(seen, free, clearness=lam)
    if truth == "clear":
        channel = max(channel, first_fit(seen, clearness=lam), key=lambda one: one.objective)
    return Fitted(
        seen=seen, channel=channel, free=free, clearness=lam, ratio=scales.ratio, loss=scales.loss, n_rounds=0
    )  # fmt: skip


def _with_look_alikes(
    candidates: Candidates, votes: sparse.csr_matrix, at: NDArray[np.int64] | None, fitted: Fitted, first: NDArray[np.float32], *,
    truth: Truth, progress: Progress,
) -> tuple[Fitted, list[NDArray[np.float32]]]:  # fmt: skip
    """Fits with the posteriors of the look-alikes as second piece, renewed until they are steady."""
    loss, pieces = fitted.loss, [first]
    now = believe(candidates, pieces, fitted)
    for number in range(1, MOST_ROUNDS + 1):
        progress("verdicts", number, MOST_ROUNDS + 1, "look-alikes")
        pieces = [first, look_alike_evidence(votes, beliefs(candidates, now.q), candidates)]
        seen = replace(_seen(candidates, pieces, at), prior_rows=fitted.seen.prior_rows)
        free = first_fit(seen, clearness=0.0) if number == 1 else fit_channel(seen, fitted.free, clearness=0.0)
        fitted = replace(_fitted(seen, free, truth=truth), n_rounds=number, loss=loss)
        before, now = now, believe(candidates, pieces, fitted)
        if float(np.nanmean(np.abs(now.wrong - before.wrong))) < STEADY:
            break
    return fitted, pieces


def _by_looks(
    fitted: Fitted, candidates: Candidates, pieces: list[NDArray[np.float32]], person: NDArray[np.floating]
) -> Fitted:
    """The fit whose P(wrong) has the least log loss on the verified rows."""
    looked = np.flatnonzero(~np.isnan(person) & (candidates.labels >= 0))
    is_wrong = person[looked] == 0
    rows, own_pieces = chosen_candidates(candidates, looked), [piece[looked] for piece in pieces]
    best, least = fitted, np.inf
    for lam in GRID:
        channel = fit_channel(fitted.seen, fitted.channel, clearness=lam)
        w = believe(rows, own_pieces, fitted, channel).wrong.astype(np.float64)
        loss = float(-np.log(np.clip(np.where(is_wrong, w, 1 - w), 1e-3, 1)).mean())
        if loss < least:
            best, least = replace(fitted, channel=channel, clearness=lam), loss
    return best


def refits(fitted: Fitted) -> list[Channel]:
    """The channel refitted at a small and at a large lambda: how far rates depend on the choice.

    The large one from the start, or a fit that has found no noise would say that none is certain.
    """
    small, large = RANGE
    return [fit_channel(fitted.seen, fitted.channel, clearness=small), first_fit(fitted.seen, clearness=large)]
