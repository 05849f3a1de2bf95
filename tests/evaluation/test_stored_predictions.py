"""Stored predictions and ensembles of them: by hand, round trips, and what does not fit together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reweigh.errors import ReweighError
from reweigh.evaluation.stored_predictions import (
    check_alike,
    mixed,
    read_predictions,
    unreadable_in_one,
    write_predictions,
)
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


def test_a_member_of_weight_0_has_no_say_however_sure_it_is() -> None:
    """Far above the others it would otherwise leave nothing of them in float32: log 0."""
    sure, other = np.array([[0.0, -60000.0]], np.float32), np.array([[-300.0, 0.0]], np.float32)
    np.testing.assert_array_equal(log_mean([sure, other], (0, 1)), other)
    assert log_mean([sure, other], (1e-6, 1)) == pytest.approx(np.array([[np.log(1e-6 / (1 + 1e-6)), 0]]), abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(
    logits=arrays(np.float32, (3, 4, 5), elements=st.floats(-30, 30, width=32)),
    weights=st.tuples(*[st.floats(0.01, 10)] * 3),
)
def test_the_mean_is_that_of_numpy(logits: np.ndarray, weights: tuple[float, ...]) -> None:
    log_p = scipy.special.log_softmax(logits.astype(np.float64), axis=2)
    expected = np.log(np.average(np.exp(log_p), axis=0, weights=weights))
    np.testing.assert_allclose(log_mean(list(log_p.astype(np.float32)), weights), expected, atol=2e-5)


def test_an_image_that_one_member_could_not_read_is_unreadable(tmp_path: Path) -> None:
    write(tmp_path / "one", [[0.6, 0.3, 0.1]] * 2)
    write(tmp_path / "two", [[0.6, 0.3, 0.1]] * 2, unreadable=[None, "cut off"])
    members = [read_predictions(tmp_path / name) for name in ("one", "two")]
    assert unreadable_in_one(members) == (None, "cut off")


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


@pytest.mark.parametrize(
    ("names", "said"),
    [(["my photo.jpg", "b.jpg"], "'my photo.jpg' has some"), (["a.jpg", "a.jpg"], "'a.jpg' is predicted twice")],
)
def test_names_that_a_submission_cannot_hold_are_refused(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(ReweighError, match=said):
        write_submission(tmp_path / "p.txt", names, np.zeros((2, 5), np.int64))
    assert not list(tmp_path.iterdir())


def test_a_line_is_a_name_a_tab_and_five_numbers_with_blanks(tmp_path: Path) -> None:
    write_submission(tmp_path / "p.txt", ["test000001.jpg"], np.array([[12, 7, 903, 4, 55, 9]]))
    assert (tmp_path / "p.txt").read_text() == "test000001.jpg\t12 7 903 4 55\n"
    with pytest.raises(ReweighError, match="only 4"):
        write_submission(tmp_path / "q.txt", ["a"], np.zeros((1, 4), np.int64))
    (tmp_path / "odd.txt").write_text("a.jpg 1 2 3 4\n")
    with pytest.raises(ReweighError, match="line 1"):
        read_submission(tmp_path / "odd.txt")
