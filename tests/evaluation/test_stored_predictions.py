"""Stored predictions and ensembles of them: by hand, round trips, and what does not fit together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.evaluation.stored_predictions import check_alike, mixed, read_predictions, write_predictions
from reweigh.evaluation.submission import read_submission, write_submission
from reweigh.metrics.accuracy import class_averaged, per_class
from reweigh.probes.linear import log_mean


def write(folder: Path, p: list[list[float]], **changes: object) -> None:
    given = {"names": ["a.jpg", "b.jpg"], "class_names": ["cat", "dog", "owl"], "unreadable": [None, None]} | changes
    write_predictions(folder, iter([np.log(np.array(p, np.float32))]), **given)  # type: ignore[arg-type]


def test_an_ensemble_by_hand(tmp_path: Path) -> None:
    """(.6, .3, .1) and (.2, .2, .6): alike (.4, .25, .35); weights 3 to 1 (.5, .275, .225)."""
    write(tmp_path / "one", [[0.6, 0.3, 0.1]] * 2)
    write(tmp_path / "two", [[0.2, 0.2, 0.6]] * 2)
    members = [read_predictions(tmp_path / name) for name in ("one", "two")]
    np.testing.assert_allclose(np.exp(next(mixed(members)))[0], [0.4, 0.25, 0.35], atol=1e-3)
    np.testing.assert_allclose(np.exp(next(mixed(members, (3, 1))))[1], [0.5, 0.275, 0.225], atol=1e-3)


def test_a_mean_of_certainties_is_no_minus_infinity() -> None:
    one, other = np.array([[0.0, -60000.0]], np.float32), np.array([[-60000.0, 0.0]], np.float32)
    np.testing.assert_allclose(log_mean([one, other]), np.log(0.5), rtol=1e-6)


def test_the_largest_alone_are_kept_and_the_rest_is_spread(tmp_path: Path) -> None:
    write(tmp_path / "one", [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], top_m=1)
    kept = read_predictions(tmp_path / "one").log_probabilities
    np.testing.assert_allclose(np.exp(kept.read(0, 2)), [[0.7, 0.15, 0.15], [0.1, 0.1, 0.8]], atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"class_names": ["cat", "cow", "owl"]}, "different classes: 3 and 3, first different at 2: 'dog' and 'cow'"),
        ({"names": ["a.jpg", "c.jpg"]}, "different images: 2 and 2, first different at 2"),
    ],
)
def test_predictions_for_other_images_or_classes_are_refused(tmp_path: Path, changes: dict, said: str) -> None:
    write(tmp_path / "one", [[0.6, 0.3, 0.1]] * 2)
    write(tmp_path / "two", [[0.6, 0.3, 0.1]] * 2, **changes)
    with pytest.raises(ReweighError, match=said):
        check_alike([read_predictions(tmp_path / name) for name in ("one", "two")], ["one", "two"])


@pytest.mark.parametrize("weights", [(1.0,), (0.0, 0.0), (1.0, -1.0), (1.0, float("nan"))])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, weights: tuple[float, ...]) -> None:
    write(tmp_path / "one", [[0.6, 0.3, 0.1]] * 2)
    one = read_predictions(tmp_path / "one")
    with pytest.raises(ReweighError, match="needs as many weights"):
        next(mixed([one, one], weights))


def test_a_folder_that_is_there_is_not_overwritten_and_another_is_no_prediction(tmp_path: Path) -> None:
    write(tmp_path / "one", [[0.6, 0.3, 0.1]] * 2)
    with pytest.raises(ReweighError, match="is there already"):
        write(tmp_path / "one", [[0.6, 0.3, 0.1]] * 2)
    with pytest.raises(ReweighError, match="No stored predictions"):
        read_predictions(tmp_path)


@pytest.mark.parametrize("name", ["predictions.txt", "predictions.zip"])
def test_a_submission_is_read_back_and_scored_by_the_mean_over_classes(tmp_path: Path, name: str) -> None:
    """Class 0: one of two images in the first five; class 6: its one image. Mean over classes (.5 + 1) / 2."""
    best = np.array([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [1, 2, 3, 4, 6]])
    write_submission(tmp_path / name, ["a.jpg", "b.jpg", "c.jpg"], best)
    names, found = read_submission(tmp_path / name)
    assert names == ["a.jpg", "b.jpg", "c.jpg"]
    np.testing.assert_array_equal(found, best)
    answers = np.array([0, 0, 6])
    assert class_averaged(*per_class((found == answers[:, None]).any(axis=1), answers, 7)) == 0.75


def test_a_line_is_a_name_a_tab_and_five_numbers_with_blanks(tmp_path: Path) -> None:
    write_submission(tmp_path / "p.txt", ["test000001.jpg"], np.array([[12, 7, 903, 4, 55, 9]]))
    assert (tmp_path / "p.txt").read_text() == "test000001.jpg\t12 7 903 4 55\n"
    with pytest.raises(ReweighError, match="only 4"):
        write_submission(tmp_path / "q.txt", ["a"], np.zeros((1, 4), np.int64))
    (tmp_path / "odd.txt").write_text("a.jpg 1 2 3 4\n")
    with pytest.raises(ReweighError, match="line 1"):
        read_submission(tmp_path / "odd.txt")
