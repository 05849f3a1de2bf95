"""Whose predictions targets take, and what each is good for on labels that are partly wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.evidence.held_out import make_held_out
from reweigh.evidence.settings import EvidenceSettings
from reweigh.features.matrix import ArrayFeatures
from reweigh.probes.linear import fit_probe, predict
from reweigh.probes.settings import ProbeSettings
from reweigh.targets.label_targets import LabelTargets
from reweigh.targets.sources import SOURCES, SourceInputs

N, K = 400, 4
TRUTH = np.arange(N) % K
PROBE = ProbeSettings(l2=0.1)
EVIDENCE = EvidenceSettings(n_folds=4)


@pytest.fixture(scope="module")
def inputs() -> SourceInputs:
    """Four clusters; 40 % of the labels wrong; right rows weigh nine times as much."""
    generator = np.random.default_rng(0)
    values = (generator.standard_normal((N, 8)) + 3 * np.eye(8)[TRUTH]).astype(np.float32)
    labels = np.where(generator.random(N) < 0.4, generator.integers(0, K, N), TRUTH).astype(np.int32)
    features, rows, groups = ArrayFeatures(values), np.arange(N), np.arange(N)
    held_out = make_held_out(features, rows, labels, groups, k=K, settings=EVIDENCE, probe=PROBE)
    return SourceInputs(
        features=features, rows=rows, labels=labels, groups=groups, k=K, weights=np.where(labels == TRUTH, 1.8, 0.2).astype(np.float32),
        held_out=held_out, shares=np.full(N, 0.8, np.float32), evidence=EVIDENCE, probe=PROBE,
    )  # fmt: skip


def probability_of_truth(inputs: SourceInputs, source: str) -> float:
    """Mean, of the images with a wrong label."""
    p = np.exp(SOURCES[source](inputs).read(0, N))
    wrong = inputs.labels != TRUTH
    return float(p[np.flatnonzero(wrong), TRUTH[wrong]].mean())


def test_the_weighted_held_out_model_knows_wrong_labels_best(inputs: SourceInputs) -> None:
    found = {source: probability_of_truth(inputs, source) for source in SOURCES}
    assert found["weighted"] > found["held_out"] + 0.1 and found["weighted"] > found["baseline"] + 0.1, found


def test_equal_weights_give_the_held_out_predictions_of_the_evidence(inputs: SourceInputs) -> None:
    equal = replace(inputs, weights=np.full(N, 7, np.float32))
    np.testing.assert_allclose(SOURCES["weighted"](equal).read(0, N), SOURCES["held_out"](inputs).read(0, N), atol=2e-3)


def test_the_baseline_has_seen_its_labels(inputs: SourceInputs) -> None:
    head = fit_probe(inputs.features, inputs.rows, inputs.labels, k=K, l2=0.1)
    expected = np.concatenate(list(predict(head, inputs.features, inputs.rows)))
    np.testing.assert_allclose(SOURCES["baseline"](inputs).read(0, N), expected, atol=5e-3)


def test_the_current_model_follows_its_own_targets(inputs: SourceInputs) -> None:
    """With the label's share at 1 there is nothing to follow."""
    head = fit_probe(inputs.features, inputs.rows, inputs.labels, k=K, l2=0.1, weights=inputs.weights)
    expected = np.concatenate(list(predict(head, inputs.features, inputs.rows)))
    alone = replace(inputs, shares=np.ones(N, np.float32))
    np.testing.assert_allclose(SOURCES["current"](alone).read(0, N), expected, atol=5e-3)
    assert np.abs(SOURCES["current"](inputs).read(0, N) - expected).max() > 0.05


def test_targets_made_by_block_train_what_an_array_of_them_trains(inputs: SourceInputs) -> None:
    made = LabelTargets(labels=inputs.labels, shares=inputs.shares, predictions=SOURCES["weighted"](inputs))
    weights = np.where(np.arange(N) % 5 == 0, 0, 1).astype(np.float64)
    heads = [
        fit_probe(inputs.features, inputs.rows, targets, k=K, l2=0.1, weights=weights) for targets in (made, made[:])
    ]
    np.testing.assert_array_equal(heads[0].weight, heads[1].weight)


def test_weighted_predictions_without_weights_are_refused(inputs: SourceInputs) -> None:
    with pytest.raises(ReweighError, match="needs weights"):
        SOURCES["weighted"](replace(inputs, weights=None))
