"""The posterior as evidence: the code of `label_verdicts`, stored and chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reweigh import label_verdicts
from reweigh.errors import ReweighError
from reweigh.evidence.posterior import Posterior, chosen_posterior, load_posterior, save_posterior
from reweigh.evidence.table import EVIDENCE
from reweigh.features.matrix import ArrayFeatures
from reweigh.features.neighbours import nearest_neighbours, nearest_to
from reweigh.testing import example_evidence
from reweigh.verdicts.candidates import candidates_of
from reweigh.verdicts.judging import judge_more
from reweigh.verdicts.record import ROW_ARRAYS


@pytest.fixture(scope="module")
def evidence() -> dict:
    return example_evidence(n=400)


def test_it_is_what_label_verdicts_says(evidence: dict) -> None:
    """On the rows that may be learnt from; contested copies are judged, but not learnt from."""
    found: Posterior = evidence["posterior"]
    images = evidence["images"]
    probabilities = np.exp(evidence["held_out"].log_probabilities.read(0, 400))
    said = label_verdicts(images.labels, probabilities, neighbours=evidence["neighbours"].indices)
    assert np.corrcoef(said.probability_right, found.verdicts.probability_right)[0, 1] > 0.98
    assert not np.isnan(found.verdicts.probability_right).any()


def test_what_is_stored_is_what_was_made(evidence: dict, tmp_path: Path) -> None:
    made: Posterior = evidence["posterior"]
    save_posterior(made, tmp_path)
    read = load_posterior(tmp_path)
    for name in (*ROW_ARRAYS, "class_noise", "class_noise_ranges"):
        np.testing.assert_array_equal(getattr(read.verdicts, name), getattr(made.verdicts, name))
    np.testing.assert_array_equal(read.verdicts.confusions.dense(), made.verdicts.confusions.dense())
    assert read.verdicts.noise_rate_range == made.verdicts.noise_rate_range
    assert read.verdicts.notes == made.verdicts.notes
    assert read.learnt is not None and made.learnt is not None
    np.testing.assert_array_equal(read.learnt.channel.passed, made.learnt.channel.passed)
    with pytest.raises(ReweighError, match="No verdicts"):
        load_posterior(tmp_path / "nowhere")


def test_nothing_to_tell_can_be_stored_too(evidence: dict, tmp_path: Path) -> None:
    silent = label_verdicts(np.zeros(5, int), np.full((5, 2), 0.5))
    save_posterior(Posterior(verdicts=silent, learnt=None), tmp_path)
    read = load_posterior(tmp_path)
    assert read.learnt is None
    assert np.isnan(read.verdicts.noise_rate)


def test_some_of_the_rows(evidence: dict) -> None:
    at = np.array([5, 2, 9])
    chosen = EVIDENCE["posterior"].choose(evidence["posterior"], at)
    np.testing.assert_array_equal(chosen.verdicts.wrong, evidence["posterior"].verdicts.wrong[at])
    assert chosen_posterior(evidence["posterior"], at).learnt is None


def test_further_rows_are_judged_by_what_was_learnt(evidence: dict) -> None:
    """The judged rows given once more get nearly the verdicts that they have."""
    made: Posterior = evidence["posterior"]
    assert made.learnt is not None
    held_out, labels = evidence["held_out"], evidence["images"].labels
    more = candidates_of(held_out.log_probabilities, labels)
    again = judge_more(made.learnt, made.verdicts, more, evidence["neighbours"].indices)
    assert np.corrcoef(again.probability_right, made.verdicts.probability_right)[0, 1] > 0.98
    with pytest.raises(ReweighError, match="look-alikes"):
        judge_more(made.learnt, made.verdicts, more, None)


def test_neighbours_among_other_rows() -> None:
    """All rows asked among all is the search that leaves out the own group; asked among others it takes their positions."""
    features = ArrayFeatures(np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32))
    every = np.arange(60)
    plain = nearest_neighbours(features, every, n_neighbours=4)
    np.testing.assert_array_equal(
        nearest_to(features, every, every, every, every, n_neighbours=4).indices, plain.indices
    )
    found = nearest_to(features, every[:10], every[30:], every[:10], every[30:], n_neighbours=4)
    assert found.indices.shape == (10, 4)
    assert found.indices.min() >= 0 and found.indices.max() < 30
    same_group = nearest_to(features, every[:10], every[30:], np.zeros(10, int), np.zeros(30, int), n_neighbours=4)
    assert (same_group.indices == -1).all()


def test_a_person_s_word_serves_the_rate(evidence: dict) -> None:
    person = np.where(np.arange(400) % 3 == 0, 1.0, np.nan)
    said = label_verdicts(
        evidence["images"].labels, np.exp(evidence["held_out"].log_probabilities.read(0, 400)), verified=person
    )  # fmt: skip
    assert said.is_interval
    assert replace(said).noise_rate < evidence["posterior"].verdicts.noise_rate
