"""The noisy channel: given labels as the true class seen through noise, fitted together with the calibration of the evidence.

P(y | x) = sum over z of pi(z | x) T[z, y],  pi(z | x) = softmax_z(sum_j a_j L_j(x, z) + b_z),  a_j >= 0.

z is the true class, y the given label, L_j pieces of evidence (log-probabilities), T the noise: T[z, z] = 1 - e_z.
Fitted by EM to the given labels alone, with a penalty lambda on the entropy of pi.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reweigh.verdicts.candidates import Candidates, class_shares, row_blocks
from reweigh.verdicts.pairs import Pairs, by_truth, pairs_of

RIDGE = 0.01
LARGEST_SLOPE = 12.0
FIRST_NOISE = 0.1
FIRST_SLOPES = (2.0, 5.0)
"""Divided by the number of pieces; both are tried, as one start can end in a poor optimum."""
LEAST_GAIN = 2e-5
MOST_ROUNDS = 80
LEAST_PI, LEAST_LIKELIHOOD = 1e-12, 1e-30


@dataclass(frozen=True, kw_only=True)
class Channel:
    """The parameters."""

    slopes: NDArray[np.float64]
    """(j,) a"""
    shifts: NDArray[np.float64]
    """(k,) b"""
    noise: NDArray[np.float64]
    """(k,) e, the chance that a label of this true class is wrong"""
    passed: NDArray[np.float32]
    """(p,) T at each pair"""
    unseen: NDArray[np.float64]
    """(k,) T[z, y] / prior_y at a pair that does not occur"""
    mean_noise: float
    """of all rows: the noise of a class that is not among a row's candidates"""
    objective: float = -np.inf


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What a channel is fitted to: labelled rows, their candidates and pieces of evidence."""

    candidates: Candidates
    pieces: tuple[NDArray[np.float32], ...]
    """(n, m) each, (n, m + 1) where not all classes are candidates; the first is log p without the sizes of the classes"""
    pairs: Pairs
    prior: NDArray[np.float64]
    """(k,) shares of the given labels"""
    prior_rows: float = 1.0
    """Rows' worth of belief, for each class, that its noise is that of all and goes to the classes by their shares"""

    @property
    def n(self) -> int:
        return self.candidates.n


def observed(candidates: Candidates, pieces: Sequence[NDArray[np.float32]], *, prior_rows: float = 1.0) -> Observed:
    """Rows that all have a label, ready to be fitted."""
    return Observed(
        candidates=candidates, pieces=tuple(pieces), pairs=pairs_of(candidates), prior=class_shares(candidates.labels, candidates.k),
        prior_rows=prior_rows,
    )  # fmt: skip


def first_channel(seen: Observed, *, slope: float) -> Channel:
    """A start: one noise for all classes, no shifts, every slope the same."""
    k = seen.candidates.k
    noise = np.full(k, FIRST_NOISE)
    passed, unseen = _passed(np.zeros(len(seen.pairs.truth)), np.zeros(k), noise, seen)
    slopes = np.full(len(seen.pieces), slope / len(seen.pieces))
    return Channel(
        slopes=slopes, shifts=np.zeros(k), noise=noise, passed=passed, unseen=unseen, mean_noise=FIRST_NOISE
    )  # fmt: skip


def fit_channel(
    seen: Observed, start: Channel, *, clearness: float, is_noisy: bool = True, least_gain: float = LEAST_GAIN
) -> Channel:
    """The channel at the best objective that EM reaches from `start`: mean log P(y | x) - clearness * mean entropy of pi.

    is_noisy False: T is the identity and stays so, which is plain calibration of the evidence on the given labels.
    """
    channel, before = replace(start, objective=-np.inf), -np.inf
    best = channel
    for _ in range(MOST_ROUNDS):
        sums = _expected(seen, channel, clearness=clearness, is_noisy=is_noisy)
        channel = replace(channel, objective=sums.objective)
        if channel.objective > best.objective:
            best = channel
        if abs(channel.objective - before) < least_gain:
            break
        before = channel.objective
        channel = _stepped(channel, sums, seen, is_noisy=is_noisy)
    return best


def likelihood(seen: Observed, channel: Channel) -> float:
    """Mean log P(y | x)."""
    return _expected(seen, channel, clearness=0.0, is_noisy=True).objective


@dataclass
class _Sums:
    """What a round needs of all rows."""

    objective: float
    gradient: NDArray[np.float64]
    hessian: NDArray[np.float64]
    shift_gradient: NDArray[np.float64]
    shift_curvature: NDArray[np.float64]
    counts: NDArray[np.float64]
    """(p,) N[z, y]"""
    rest_noise: float
    """rows' worth of true classes that are not candidates"""


def _expected(seen: Observed, channel: Channel, *, clearness: float, is_noisy: bool) -> _Sums:
    """The E-step and the sums of the M-step, block by block: nothing of the size of the data is made."""
    k, j, n = seen.candidates.k, len(seen.pieces), seen.n
    sums = _Sums(0.0, np.zeros(j), np.zeros((j, j)), np.zeros(k), np.zeros(k), np.zeros(len(seen.pairs.truth)), 0.0)
    for start, stop in row_blocks(n, 16 * (seen.candidates.m + 1)):
        _add_block(sums, seen, channel, slice(start, stop), clearness=clearness, is_noisy=is_noisy)
    sums.objective /= n
    sums.gradient /= n
    sums.hessian /= n
    sums.shift_gradient /= n
    sums.shift_curvature /= n
    return sums


def _add_block(sums: _Sums, seen: Observed, channel: Channel, here: slice, *, clearness: float, is_noisy: bool) -> None:
    pieces = [piece[here] for piece in seen.pieces]
    pi = clear_probabilities(seen.candidates, channel, pieces, here)
    m, own = seen.candidates.m, seen.candidates.own[here]
    rows = np.arange(len(pi))
    if is_noisy:
        pull, likelihood = posterior(seen, channel, pi, here)
        number, shares = seen.pairs.number[here].ravel(), pull[:, :m].ravel()
        sums.counts += np.bincount(number, weights=shares, minlength=len(sums.counts))
        sums.rest_noise += float(pull[:, m:].sum(dtype=np.float64))
        pull -= pi
    else:
        likelihood = np.maximum(pi[rows, own], LEAST_LIKELIHOOD)
        pull = -pi
        pull[rows, own] += 1
    sums.objective += float(np.log(likelihood, dtype=np.float64).sum())
    if clearness:
        log_pi, entropy = logs_and_entropy(pi, seen.candidates)
        sums.objective -= clearness * float(entropy.sum(dtype=np.float64))
        log_pi += entropy[:, None]
        log_pi *= pi
        log_pi *= np.float32(clearness)
        pull += log_pi
    _add_slopes(sums, pi, pull, pieces)
    pulls, curvature = pull[:, :m], pi[:, :m] * (1 - pi[:, :m])
    if seen.candidates.is_whole:
        sums.shift_gradient += pulls.sum(axis=0, dtype=np.float64)
        sums.shift_curvature += curvature.sum(axis=0, dtype=np.float64)
    else:
        classes = seen.candidates.classes[here].ravel()
        sums.shift_gradient += np.bincount(classes, weights=pulls.ravel(), minlength=len(sums.shift_gradient))
        sums.shift_curvature += np.bincount(classes, weights=curvature.ravel(), minlength=len(sums.shift_gradient))


def _add_slopes(
    sums: _Sums, pi: NDArray[np.float32], pull: NDArray[np.float32], pieces: Sequence[NDArray[np.float32]]
) -> None:
    """<D, L_j> and the covariances of L_i and L_j under pi, each summed over the rows."""
    weighted = [pi * piece for piece in pieces]
    means = [one.sum(axis=1) for one in weighted]
    for i, piece in enumerate(pieces):
        sums.gradient[i] += float(np.einsum("ij,ij->i", pull, piece).sum(dtype=np.float64))
        for other in range(i + 1):
            both = np.einsum("ij,ij->i", weighted[i], pieces[other]) - means[i] * means[other]
            sums.hessian[i, other] += float(both.sum(dtype=np.float64))
            sums.hessian[other, i] = sums.hessian[i, other]


def logs_and_entropy(
    pi: NDArray[np.float32], candidates: Candidates
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(log pi of each class (b, m) or (b, m + 1), entropy (b,) in nats)."""
    log_pi = np.log(np.maximum(pi, LEAST_PI))
    if not candidates.is_whole:
        log_pi[:, candidates.m] -= np.float32(np.log(candidates.n_rest))  # of each of them
    return log_pi, -np.einsum("ij,ij->i", pi, log_pi)


def clear_probabilities(
    candidates: Candidates, channel: Channel, pieces: Sequence[NDArray[np.float32]], here: slice
) -> NDArray[np.float32]:
    """pi (b, m) of these rows; with a last column for all classes together that are not candidates, where not all are."""
    m = candidates.m
    logits = sum(np.float32(a) * piece for a, piece in zip(channel.slopes, pieces, strict=True))
    shifts = channel.shifts.astype(np.float32)
    assert isinstance(logits, np.ndarray)
    logits[:, :m] += shifts[candidates.classes[0]] if candidates.is_whole else shifts[candidates.classes[here]]
    if logits.shape[1] > m:
        logits[:, m] += np.log(candidates.n_rest)
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def posterior(
    seen: Observed, channel: Channel, pi: NDArray[np.float32], here: slice
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(q(z) of each row given its label, shape of pi; likelihood (b,) of the label)."""
    m = seen.candidates.m
    q = np.empty_like(pi)
    np.multiply(pi[:, :m], channel.passed[seen.pairs.number[here]], out=q[:, :m])
    if pi.shape[1] > m:
        q[:, m] = pi[:, m] * (channel.mean_noise * seen.prior[seen.candidates.labels[here]])
    likelihood = np.maximum(q.sum(axis=1), LEAST_LIKELIHOOD)
    q /= likelihood[:, None]
    return q, likelihood


def _stepped(channel: Channel, sums: _Sums, seen: Observed, *, is_noisy: bool) -> Channel:
    """One M-step: noise in closed form, one clipped Newton step of the slopes, one damped one of the shifts."""
    hessian = sums.hessian + 1e-4 * np.eye(len(channel.slopes))
    step = np.clip(np.linalg.solve(hessian, sums.gradient), -0.5, 0.5)
    slopes = np.clip(channel.slopes + step, 0, LARGEST_SLOPE)
    shifts = channel.shifts + np.clip(
        0.5 * (sums.shift_gradient - RIDGE * channel.shifts) / (sums.shift_curvature + RIDGE), -0.3, 0.3
    )
    shifts -= shifts.mean()
    moved = replace(channel, slopes=slopes, shifts=shifts)
    return _with_noise(moved, sums, seen) if is_noisy else moved


def _with_noise(channel: Channel, sums: _Sums, seen: Observed) -> Channel:
    """The channel with the noise that the expected counts say."""
    total = by_truth(sums.counts, seen.pairs, seen.candidates.k)
    wrong = total.copy()
    wrong[seen.pairs.truth[seen.pairs.diagonal]] -= sums.counts[seen.pairs.diagonal]
    np.maximum(wrong, 0, out=wrong)
    mean = float((wrong.sum() + sums.rest_noise) / seen.n)
    noise = np.clip((wrong + seen.prior_rows * mean) / (total + seen.prior_rows), 1e-6, 0.98)
    passed, unseen = _passed(sums.counts, wrong, noise, seen)
    return replace(channel, noise=noise, passed=passed, unseen=unseen, mean_noise=mean)


def with_own_noise(seen: Observed, channel: Channel) -> Channel:
    """The channel with the noise of these rows in the place of that of the rows it was fitted to; evidence stays calibrated as it is.

    `channel` has T at the pairs of these rows.
    """
    before = -np.inf
    for _ in range(MOST_ROUNDS):
        sums = _expected(seen, channel, clearness=0.0, is_noisy=True)
        if abs(sums.objective - before) < LEAST_GAIN:
            break
        before = sums.objective
        channel = _with_noise(channel, sums, seen)
    return channel


def _passed(
    counts: NDArray[np.float64], wrong: NDArray[np.float64], noise: NDArray[np.float64], seen: Observed
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """((p,) T at each pair, (k,) `unseen`): 1 - e_z on the diagonal, else e_z (N[z, y] + s prior_y) / their sum over y != z."""
    pairs, prior, k = seen.pairs, seen.prior_rows * seen.prior, seen.candidates.k
    scale = noise / (wrong + seen.prior_rows - prior)
    if len(counts) == k * k:
        passed = ((counts.reshape(k, k) + prior[:, None]) * scale).astype(np.float32).ravel()
    else:
        passed = ((counts + prior[pairs.label]) * scale[pairs.truth]).astype(np.float32)
    passed[pairs.diagonal] = 1 - noise[pairs.truth[pairs.diagonal]]
    return passed, scale * seen.prior_rows


def passed_at(channel: Channel, fitted: Pairs, pairs: Pairs, prior: NDArray[np.float64]) -> NDArray[np.float32]:
    """(p,) T at the pairs of other rows than those the channel was fitted to."""
    k = len(channel.noise)
    known = fitted.label.astype(np.int64) * k + fitted.truth
    asked = pairs.label.astype(np.int64) * k + pairs.truth
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    otherwise = np.where(
        pairs.truth == pairs.label, 1 - channel.noise[pairs.truth], channel.unseen[pairs.truth] * prior[pairs.label]
    )
    return np.where(known[place] == asked, channel.passed[place], otherwise).astype(np.float32)
