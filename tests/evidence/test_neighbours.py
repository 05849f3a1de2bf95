"""Neighbour votes by hand, and the table of evidence."""

from dataclasses import replace

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.neighbours import label_share
from reweigh.evidence.settings import EvidenceSettings
from reweigh.evidence.table import EVIDENCE
from reweigh.features.matrix import ArrayFeatures
from reweigh.probes.settings import ProbeSettings


def test_the_share_of_votes_by_hand():
    # row 0 (label 0): neighbours 1, 2, 3 with labels 0, 1, none -> 1 of 2. Row 1 (0): only row 2 -> 0 of 1.
    # Row 2 (1): only row 3, without label -> no opinion. Row 3 has no label -> no opinion.
    indices = np.array([[1, 2, 3], [2, -1, -1], [3, -1, -1], [0, 1, 2]], np.int32)
    share, votes = label_share(indices, np.array([0, 0, 1, -1]))
    np.testing.assert_array_equal(share, np.array([0.5, 0, np.nan, np.nan], np.float32))
    assert votes.tolist() == [2, 1, 0, 3]


def inputs(n=80, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=n)
    features = (generator.normal(size=(3, 12)) * 3)[labels] + generator.normal(size=(n, 12))
    return EvidenceInputs(
        features=ArrayFeatures(features.astype(np.float32)), rows=np.arange(n), labels=labels, groups=np.arange(n) // 2,
        k=3, probe=ProbeSettings(l2=0.1),
    )  # fmt: skip


def with_needs(name, given):
    made = {need: EVIDENCE[need].make(given, EvidenceSettings(), 0) for need in EVIDENCE[name].needs}
    return replace(given, made=made)


@pytest.mark.parametrize("name", EVIDENCE)
def test_some_rows_of_a_piece_are_those_rows(name):
    given = with_needs(name, replace(inputs(), labels=np.where(np.arange(80) % 9 == 0, -1, inputs().labels)))
    piece = EVIDENCE[name]
    record, positions = piece.make(given, EvidenceSettings(), 0), np.array([70, 3, 41, 5])
    for field, values in vars(piece.choose(record, positions)).items():
        if isinstance(values, np.ndarray) and field != "indices":
            whole = getattr(record, field)
            is_of_rows = len(whole) == len(given.rows)  # others are of the classes
            np.testing.assert_array_equal(values, whole[positions] if is_of_rows else whole)
    if name == "held_out":
        np.testing.assert_array_equal(
            piece.choose(record, positions).log_probabilities.read(1, 3), record.log_probabilities.read(0, 80)[[3, 41]]
        )
    if name == "neighbours":
        places = {int(row): at for at, row in enumerate(positions)}
        expected = [[places.get(int(i), -1) for i in record.indices[row]] for row in positions]
        assert piece.choose(record, positions).indices.tolist() == expected


def test_rows_that_no_model_learns_from_are_judged_all_the_same():
    """The probes are those of the other rows alone: nothing changes in their predictions when the features of these do."""
    given = inputs()
    odd = np.arange(80) % 8 == 1
    moved = ArrayFeatures(np.where(odd[:, None], -5, given.features.values).astype(np.float32))
    one, two = (
        EVIDENCE["held_out"].make(replace(given, is_fitted=~odd, features=f), EvidenceSettings(), 0)
        for f in (given.features, moved)
    )
    assert np.isfinite(one.label_log_probability[odd]).all()
    np.testing.assert_array_equal(one.label_log_probability[~odd], two.label_log_probability[~odd])
    assert (one.label_log_probability[odd] != two.label_log_probability[odd]).all()


@pytest.mark.parametrize("name", EVIDENCE)
def test_every_piece_is_made_stored_and_read_back_with_the_same_bytes(name, tmp_path):
    piece, given = EVIDENCE[name], with_needs(name, inputs())
    record = piece.make(given, EvidenceSettings(), 0)
    again = piece.make(given, EvidenceSettings(), 0)
    piece.save(record, tmp_path)
    loaded = piece.load(tmp_path)
    for field, values in vars(record).items():
        if isinstance(values, np.ndarray):
            assert values.tobytes() == getattr(again, field).tobytes() == getattr(loaded, field).tobytes(), field
    assert all(need in EVIDENCE for need in piece.needs) and piece.description


def test_the_own_group_has_no_vote_and_like_images_agree():
    given = inputs()
    votes = EVIDENCE["neighbours"].make(given, EvidenceSettings(n_neighbours=5), 0)
    assert (given.groups[votes.indices] != given.groups[:, None]).all()
    assert np.nanmean(votes.label_share) > 0.9


@pytest.mark.parametrize("name", EVIDENCE)
def test_an_empty_folder_is_one_clear_line(name, tmp_path):
    with pytest.raises(ReweighError, match=r"No [a-z -]+ in .*: [a-z_.]+ is missing"):
        EVIDENCE[name].load(tmp_path)


@pytest.mark.parametrize(("key", "value"), [("n_folds", 1), ("n_folds", 128), ("kept_classes", 0), ("n_neighbours", 0)])
def test_settings_out_of_range_name_their_path(key, value):
    with pytest.raises(ReweighError, match=f"evidence.{key} must"):
        EvidenceSettings(**{key: value})
