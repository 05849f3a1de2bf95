"""Labels made wrong in place: rates and kinds as asked, each row by its own name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.webify.flips import check_stochastic, corrupted, corruption_matrix, mixed, read_matrix, source_factors
from reweigh.webify.kinds import FAR, KINDS, NEAR, OUT_OF_SET, RIGHT, near_probabilities
from reweigh.webify.settings import WebifySettings
from reweigh.webify.sizes import class_noise

K, N = 12, 12_000
TRUTH = np.arange(N) % K
UIDS = [f"image-{i}" for i in range(N)]
SIMILARITY = 1 / (1 + np.abs(np.arange(K)[:, None] - np.arange(K)))
NAMES = [str(i) for i in range(K)]
NO_SOURCE = np.full(N, -1)


def test_corruptions_by_hand() -> None:
    # three classes, noise .3: uniform leaves .7 and gives .15 to each other; pair gives .3 to the next, 2 -> 0
    uniform = corruption_matrix(WebifySettings(corruption="uniform", noise=0.3), 3)
    np.testing.assert_allclose(uniform, [[0.7, 0.15, 0.15], [0.15, 0.7, 0.15], [0.15, 0.15, 0.7]])
    pair = corruption_matrix(WebifySettings(corruption="pair", noise=0.3), 3)
    np.testing.assert_allclose(pair, [[0.7, 0.3, 0], [0, 0.7, 0.3], [0.3, 0, 0.7]])


def test_flips_follow_the_matrix_within_chance() -> None:
    matrix = corruption_matrix(WebifySettings(corruption="pair"), K)
    flipped = corrupted(TRUTH, UIDS, matrix, kind="pair", seed=0)
    wrong = flipped.label != TRUTH
    assert abs(wrong.mean() - 0.4) < 4 * np.sqrt(0.24 / N)
    np.testing.assert_array_equal(flipped.label[wrong], (TRUTH[wrong] + 1) % K)
    assert {KINDS[kind] for kind in flipped.kind[wrong]} == {"pair"} and (flipped.kind[~wrong] == RIGHT).all()


def test_a_row_is_flipped_by_its_own_name() -> None:
    matrix = corruption_matrix(WebifySettings(corruption="uniform"), K)
    all_rows = corrupted(TRUTH, UIDS, matrix, kind="uniform", seed=0).label
    some = np.arange(0, N, 7)
    few = corrupted(TRUTH[some], [UIDS[i] for i in some], matrix, kind="uniform", seed=0).label
    np.testing.assert_array_equal(few, all_rows[some])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.5, 0.4, 0], "Row 1 .* sums to 0.9"),
        ([1.5, -0.5, 0], "Row 1 .* -0.5 in column 1"),
        ([np.nan, 1, 0], "Row 1 .* nan"),
    ],
)
def test_a_row_that_is_no_distribution_is_named(row: list[float], message: str) -> None:
    with pytest.raises(ReweighError, match=message):
        check_stochastic(np.array([[1, 0, 0], row, [0, 0, 1]]), 3)


def test_a_matrix_of_another_size_is_refused() -> None:
    with pytest.raises(ReweighError, match=r"shape \(4, 4\), found \(3, 3\)"):
        check_stochastic(np.eye(3), 4)
    with pytest.raises(ReweighError, match="needs the matrix"):
        corruption_matrix(WebifySettings(corruption="matrix"), 3)


def test_matrices_are_read_from_both_forms(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.eye(2))
    (tmp_path / "m.csv").write_text("1,0\n0,1\n")
    for name in ("m.npy", "m.csv"):
        np.testing.assert_array_equal(read_matrix(tmp_path / name), np.eye(2))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", b"a,b\n1,0\n", "no matrix of numbers"),
        ("m.npy", b"PK", "no matrix of numbers"),
        ("m.txt", b"1", "must end in"),
    ],
)
def test_a_file_without_a_matrix_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ReweighError, match=message):
        read_matrix(tmp_path / name)
    with pytest.raises(ReweighError, match="No matrix at"):
        read_matrix(tmp_path / "nowhere.npy")


def test_the_mix_in_place_has_the_shares_that_were_asked() -> None:
    flipped = mixed(TRUTH, NO_SOURCE, UIDS, SIMILARITY, NAMES, range(K), WebifySettings(), seed=0)
    rate = class_noise(range(K), 0.4, seed=0)
    for kind, share in ((NEAR, 0.45 / 0.65), (FAR, 0.2 / 0.65)):
        expected = rate.mean() * share
        assert abs((flipped.kind == kind).mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / N)
    assert ((flipped.kind == RIGHT) == (flipped.label == TRUTH)).all()
    near = near_probabilities(SIMILARITY, NAMES) > 0
    is_near = flipped.kind == NEAR
    assert near[TRUTH[is_near], flipped.label[is_near]].all()


def test_images_of_a_pool_get_labels_and_no_image_of_the_set_is_lost() -> None:
    truth = np.where(TRUTH >= 10, -1, TRUTH)
    flipped = mixed(truth, NO_SOURCE, UIDS, SIMILARITY[:10, :10], NAMES[:10], range(10), WebifySettings(), seed=0)
    inside = truth >= 0
    assert (flipped.label[inside] >= 0).all() and (flipped.kind[~inside] == OUT_OF_SET).all()
    used, wanted = int((flipped.label[~inside] >= 0).sum()), 10_000 * 0.4 * 0.35
    assert 0.7 * wanted < used < 1.3 * wanted


def test_sources_differ_in_noise_only_where_there_are_as_many_as_factors() -> None:
    # 3 of 4 rows of source 0: factors .75 and 1.25, mean .875, so 6/7 and 10/7
    found = source_factors(np.array([0, 0, 0, 1]), WebifySettings())
    np.testing.assert_allclose(found, [6 / 7, 6 / 7, 6 / 7, 10 / 7])
    assert source_factors(np.array([0, 1, 2]), WebifySettings()).tolist() == [1, 1, 1]
    assert source_factors(np.array([0, -1]), WebifySettings()).tolist() == [1, 1]
