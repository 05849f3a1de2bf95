"""Neighbour votes by hand, and the table of evidence."""

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


@pytest.mark.parametrize("name", EVIDENCE)
def test_every_piece_is_made_stored_and_read_back_with_the_same_bytes(name, tmp_path):
    piece, given = EVIDENCE[name], inputs()
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
    with pytest.raises(ReweighError, match=r"No (held-out predictions|neighbour votes) in"):
        EVIDENCE[name].load(tmp_path)


@pytest.mark.parametrize(("key", "value"), [("n_folds", 1), ("n_folds", 128), ("kept_classes", 0), ("n_neighbours", 0)])
def test_settings_out_of_range_name_their_path(key, value):
    with pytest.raises(ReweighError, match=f"evidence.{key} must"):
        EvidenceSettings(**{key: value})
