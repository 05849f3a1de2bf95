"""The choice of strength: by held-out loss, recorded, and possible where little can be held out."""

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.features.matrix import ArrayFeatures
from reweigh.probes.folds import assign_folds
from reweigh.probes.linear import fit_probe, predict
from reweigh.probes.settings import ProbeSettings
from reweigh.probes.strength import DEFAULT_L2, choose_l2


def noisy(n=300, d=20, k=3, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(k, size=n)
    return generator.normal(size=(k, d))[labels] * 0.4 + generator.normal(size=(n, d)), labels


def choose(features, labels, *, n_folds=3, k=3, **settings):
    folds = assign_folds(np.arange(len(labels)), labels, n_folds=n_folds, seed=0)
    rows = np.arange(len(labels))
    return folds, choose_l2(
        ArrayFeatures(features), rows, labels, folds, k=k, settings=ProbeSettings(**settings), seed=0
    )


def test_the_strength_of_the_lowest_held_out_loss_is_chosen_and_the_losses_are_those_of_single_fits():
    features, labels = noisy()
    folds, choice = choose(features, labels, l2_grid=(1.0, 0.1, 0.01))
    losses = []
    for l2 in choice.grid:
        total = 0.0
        for fold in range(3):
            seen, out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            probe = fit_probe(ArrayFeatures(features), seen, labels[seen], k=3, l2=l2)
            block = np.concatenate(list(predict(probe, ArrayFeatures(features), out)))
            total -= block[np.arange(len(out)), labels[out]].sum()
        losses.append(total / len(labels))
    np.testing.assert_allclose(choice.held_out_losses, losses, atol=1e-4)
    assert choice.l2 == choice.grid[int(np.argmin(losses))] and choice.n_folds == 3 and choice.n_rows == 300


def test_the_path_ends_once_losses_rise():
    features, labels = noisy(n=60, d=40)
    _, choice = choose(features, labels)
    assert len(choice.grid) < len(ProbeSettings().l2_grid) and len(choice.grid) == len(choice.held_out_losses)


def test_more_rows_than_the_limit_are_drawn_from():
    features, labels = noisy()
    assert choose(features, labels, choice_rows=100)[1].n_rows == 100


def test_classes_of_one_image_leave_the_default_and_say_so():
    features, _ = noisy(n=3)
    _, choice = choose(features, np.arange(3))
    assert choice.l2 == DEFAULT_L2 and choice.grid == () and choice.n_rows == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("l2", -1.0), ("tolerance", 0.0), ("max_iterations", 0), ("l2_grid", ()), ("l2_grid", (0.1, 1.0)),
        ("l2_grid", (1.0, 0.0)), ("choice_rows", 1),
    ],
)  # fmt: skip
def test_settings_out_of_range_name_their_path(key, value):
    with pytest.raises(ReweighError, match=f"probe.{key} must"):
        ProbeSettings(**{key: value})
