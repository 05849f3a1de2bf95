"""Ways to find wrong labels: each takes labels, held-out probabilities and features, and says which labels it would flag.

A method need not do all: a ranking has no cut of its own, a filter of cleanlab no order. cleanlab runs on one process here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reweigh.features.matrix import ArrayFeatures
from reweigh.metrics.accuracy import best_others

N_NEIGHBOURS = 15
N_CLUSTERS = 3
N_COMPONENTS = 64
FILTERS = (
    "prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given", "low_normalized_margin",
    "low_self_confidence",
)  # fmt: skip
RANKINGS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a method says of n labels; None where it says nothing."""

    flags: NDArray[np.bool_] | None = None
    """(n,) at the method's own cut"""
    scores: NDArray[np.floating] | None = None
    """(n,) low = wrong"""
    rate: float | None = None
    """Estimated share of wrong labels; None: the share that is flagged"""
    suggested: NDArray[np.integer] | None = None
    """(n,) classes for the flagged ones"""
    strangers: NDArray[np.bool_] | None = None
    """(n,) of none of the classes"""
    review: NDArray[np.integer] | None = None
    """(n,) 1 = look first"""
    class_noise: NDArray[np.floating] | None = None
    """(k,) estimated rates of the given classes"""
    facts: dict[str, Any] | None = None


Labels = NDArray[np.int32]
Probabilities = NDArray[np.float32]
Features = NDArray[np.float32] | None
Way = Callable[[Labels, Probabilities, Features], Found]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One line of the tables."""

    find: Way
    needs_features: bool = False
    is_ours: bool = False


def arg_max(labels: Labels, probabilities: Probabilities, features: Features) -> Found:
    """Wrong where another class is more probable; suggested is that class."""
    margin = _margin(labels, probabilities)
    return Found(flags=margin < 0, scores=margin, suggested=probabilities.argmax(axis=1))


def cleanlab_filter(filter_by: str, *, with_votes: bool = False) -> Way:
    """A filter of cleanlab's find_label_issues; its rate is the off-diagonal of the joint that it estimates."""

    def find(labels: Labels, probabilities: Probabilities, features: Features) -> Found:
        from cleanlab.count import compute_confident_joint, estimate_joint
        from cleanlab.filter import find_label_issues

        if with_votes:
            probabilities = with_vote_shares(labels, probabilities, features)
        flags = find_label_issues(labels, probabilities, filter_by=filter_by, n_jobs=1)
        counts = compute_confident_joint(labels, probabilities, calibrate=True)
        joint = estimate_joint(labels, probabilities, confident_joint=counts)
        given = joint.sum(axis=1)
        return Found(
            flags=flags, rate=float(1 - np.trace(joint)), suggested=probabilities.argmax(axis=1),
            class_noise=np.divide(given - joint.diagonal(), given, out=np.full(len(given), np.nan), where=given > 0),
        )  # fmt: skip

    return find


def cleanlab_ranking(method: str, *, with_votes: bool = False) -> Way:
    """A label quality score of cleanlab."""

    def find(labels: Labels, probabilities: Probabilities, features: Features) -> Found:
        from cleanlab.rank import get_label_quality_scores

        if with_votes:
            probabilities = with_vote_shares(labels, probabilities, features)
        return Found(scores=get_label_quality_scores(labels, probabilities, method=method))

    return find


def neighbours_vote(labels: Labels, probabilities: Probabilities, features: Features) -> Found:
    """Wrong where more of the 15 most similar images carry another label; ordered by the margin of the votes."""
    votes = vote_shares(labels, probabilities.shape[1], features)
    margin = _margin(labels, votes)
    return Found(flags=margin < 0, scores=margin, suggested=votes.argmax(axis=1))


def class_clusters(labels: Labels, probabilities: Probabilities, features: Features) -> Found:
    """Three k-means clusters of each class: wrong where a cluster of another class is nearer."""
    from sklearn.cluster import KMeans

    points, k = _reduced(features), probabilities.shape[1]
    distances = np.full((len(points), k), np.inf)
    for label in range(k):
        own = points[labels == label]
        if len(own):
            fitted = KMeans(min(N_CLUSTERS, len(own)), n_init=4, random_state=0).fit(own)
            distances[:, label] = fitted.transform(points).min(axis=1)
    margin = _margin(labels, -distances)
    return Found(flags=margin < 0, scores=margin, suggested=distances.argmin(axis=1))


def distance_in_class(labels: Labels, probabilities: Probabilities, features: Features) -> Found:
    """Distance to the nearest of three k-means centres of the row's own class; it has no cut."""
    from sklearn.cluster import KMeans

    points = _reduced(features)
    distance = np.zeros(len(points))
    for label in np.unique(labels):
        rows = labels == label
        fitted = KMeans(min(N_CLUSTERS, int(rows.sum())), n_init=4, random_state=0).fit(points[rows])
        distance[rows] = fitted.transform(points[rows]).min(axis=1)
    return Found(scores=-distance)


def one_class_svm(labels: Labels, probabilities: Probabilities, features: Features) -> Found:
    """A one-class SVM for each class (nu .1, radial): wrong where the row lies outside that of its label."""
    from sklearn.svm import OneClassSVM

    points, score = _reduced(features), np.zeros(len(labels))
    for label in np.unique(labels):
        rows = labels == label
        score[rows] = OneClassSVM(nu=0.1, gamma="scale").fit(points[rows]).decision_function(points[rows])
    return Found(flags=score < 0, scores=score)


def mixture_of_losses(labels: Labels, probabilities: Probabilities, features: Features) -> Found:
    """Two Gaussians on -log p of the label: wrong where the one with the larger mean is more probable."""
    from sklearn.mixture import GaussianMixture

    loss = -np.log(probabilities[np.arange(len(labels)), labels].astype(np.float64) + 1e-6)[:, None]
    fitted = GaussianMixture(2, random_state=0, n_init=3).fit(loss)
    wrong = fitted.predict_proba(loss)[:, int(fitted.means_.argmax())]
    wrong[loss[:, 0] > fitted.means_.max()] = 1  # a wide Gaussian of right labels must not take the far tail
    return Found(flags=wrong > 0.5, scores=-wrong - 1e-6 * loss[:, 0], rate=float(wrong.mean()))


def ours(*, with_features: bool, truth: str = "auto") -> Way:
    """`reweigh.label_verdicts`, as it ships."""

    def find(labels: Labels, probabilities: Probabilities, features: Features) -> Found:
        import reweigh

        made = reweigh.label_verdicts(labels, probabilities, features if with_features else None, truth=truth)
        return Found(
            flags=made.wrong, scores=made.probability_right, rate=made.noise_rate, suggested=made.suggested_label,
            strangers=made.none_of_the_classes if with_features else None, review=made.review_order,
            class_noise=made.class_noise,
            facts={"clearness": made.clearness, "information": made.information, "notes": list(made.notes)},
        )  # fmt: skip

    return find


def vote_shares(labels: Labels, k: int, features: Features) -> NDArray[np.float32]:
    """(n, k) shares of the labels among the 15 most similar other images, by cosine."""
    from reweigh.features.neighbours import nearest_neighbours

    if features is None:
        raise ValueError("Neighbours need features.")
    near = nearest_neighbours(ArrayFeatures(features), np.arange(len(labels)), n_neighbours=N_NEIGHBOURS).indices
    votes = np.zeros((len(labels), k), np.float32)
    rows, columns = np.nonzero(near >= 0)
    np.add.at(votes, (rows, labels[near[rows, columns]]), 1)
    return votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)


def with_vote_shares(labels: Labels, probabilities: Probabilities, features: Features) -> NDArray[np.float32]:
    """(n, k) mean of the probabilities and the votes."""
    return (probabilities + vote_shares(labels, probabilities.shape[1], features)) / 2


def _margin(labels: Labels, scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """(n,) score of the label less the best score of another class."""
    return scores[np.arange(len(labels)), labels] - best_others(scores, labels)[1]


def _reduced(features: Features) -> NDArray[np.float32]:
    """(n, at most 64) leading components of the features at length 1."""
    from sklearn.decomposition import PCA

    if features is None:
        raise ValueError("This method needs features.")
    points = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return PCA(min(N_COMPONENTS, *points.shape), random_state=0).fit_transform(points)


METHODS: dict[str, Method] = {
    "ours": Method(find=ours(with_features=False), is_ours=True),
    "ours + features": Method(find=ours(with_features=True), is_ours=True, needs_features=True),
    "ours, clear": Method(find=ours(with_features=False, truth="clear"), is_ours=True),
    "ours, clear + features": Method(
        find=ours(with_features=True, truth="clear"), is_ours=True, needs_features=True
    ),
    "argmax != label": Method(find=arg_max),
    **{f"cleanlab {name}": Method(find=cleanlab_filter(name)) for name in FILTERS},
    **{f"cleanlab rank {name}": Method(find=cleanlab_ranking(name)) for name in RANKINGS},
    **{
        f"cleanlab {name}, p + kNN": Method(find=cleanlab_filter(name, with_votes=True), needs_features=True)
        for name in ("prune_by_noise_rate", "prune_by_class", "both")
    },
    "cleanlab rank self_confidence, p + kNN": Method(
        find=cleanlab_ranking("self_confidence", with_votes=True), needs_features=True
    ),
    "mixture of losses": Method(find=mixture_of_losses),
    "kNN vote": Method(find=neighbours_vote, needs_features=True),
    "nearest class cluster": Method(find=class_clusters, needs_features=True),
    "k-means distance in class": Method(find=distance_in_class, needs_features=True),
    "one-class SVM": Method(find=one_class_svm, needs_features=True),
}  # fmt: skip
"""In the order of the tables."""
