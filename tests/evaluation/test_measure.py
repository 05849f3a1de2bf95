"""Agreement and accuracy are told apart, and what is not known is null."""

import json

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.evaluation.measure import as_json, evaluate
from reweigh.evaluation.settings import EvaluationSettings

SETTINGS = EvaluationSettings(n_draws=200)


def blocks(probabilities, size=2):
    log_probabilities = np.log(np.asarray(probabilities, np.float32))
    return [log_probabilities[i : i + size] for i in range(0, len(log_probabilities), size)]


ROWS = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]  # predicted 0 1 2 0 1


def test_agreement_and_accuracy_by_hand():
    # labels 0 1 0 1 -: predicted 0 1 2 0, 2 of 4 agree; class 0: 1 of 2, class 1: 1 of 2.
    # verified: row 2 is class 2 (right), row 3 none of the classes, others unseen: 1 of 1, one none, three not known.
    # truth 0 1 2 0 0: 4 of 5; class 0: 2 of 3, class 1 and 2: 1 of 1, average 8/9.
    measured = evaluate(
        blocks(ROWS), np.array([0, 1, 0, 1, -1]), k=3, verified_label=np.array([-2, -2, 2, -1, -2]),
        truth=np.array([0, 1, 2, 0, 0]), settings=SETTINGS, seed=0,
    )  # fmt: skip
    agreement, accuracy = measured.agreement, measured.accuracy
    assert (agreement.n, agreement.n_none_of_the_classes, agreement.top_1, agreement.class_averaged) == (4, 1, 0.5, 0.5)
    assert agreement.top_5 is None and agreement.confusion.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert agreement.top_confusions == [(0, 2, 1), (1, 0, 1)]
    verified = accuracy["verified_label"]
    assert (verified.n, verified.n_none_of_the_classes, verified.n_not_known, verified.top_1) == (1, 1, 3, 1.0)
    assert accuracy["truth"].top_1 == pytest.approx(0.8) and accuracy["truth"].class_averaged == pytest.approx(8 / 9)
    assert accuracy["truth"].log_loss == pytest.approx(-np.log([0.7, 0.8, 0.4, 0.6, 0.2]).mean(), abs=1e-6)
    assert measured.predicted.tolist() == [0, 1, 2, 0, 1]
    np.testing.assert_allclose(measured.probability, [0.7, 0.8, 0.4, 0.6, 0.5], atol=1e-6)


def test_without_known_answers_there_is_no_accuracy():
    measured = evaluate(blocks(ROWS), np.array([0, 1, 0, 1, 1]), k=3, truth=np.full(5, -2), settings=SETTINGS, seed=0)
    assert measured.accuracy == {} and as_json(measured)["accuracy"] == {}


def test_json_holds_null_where_nothing_was_measured_and_never_nan():
    measured = evaluate(blocks(ROWS), np.full(5, -1), k=3, verified_label=np.full(5, -1), settings=SETTINGS, seed=0)
    plain = json.loads(json.dumps(as_json(measured), allow_nan=False))
    assert plain["agreement"] is None
    verified = plain["accuracy"]["verified_label"]
    assert verified["n"] == 0 and verified["n_none_of_the_classes"] == 5
    assert verified["top_1"] is None and verified["top_1_interval"] is None and verified["log_loss"] is None
    assert verified["per_class"]["share"] == [None, None, None]


def test_no_rows_at_all_measure_nothing():
    plain = as_json(evaluate([], np.zeros(0, int), k=3, settings=SETTINGS, seed=0))
    assert plain["agreement"] is None and plain["n"] == 0


def test_top_5_appears_above_five_classes():
    generator = np.random.default_rng(0)
    rows, labels = generator.dirichlet(np.ones(8), size=50), generator.integers(8, size=50)
    figures = evaluate(blocks(rows), labels, k=8, settings=SETTINGS, seed=0).agreement
    order = np.argsort(-rows, axis=1)[:, :5]
    assert figures.top_5 == pytest.approx((order == labels[:, None]).any(axis=1).mean())
    assert figures.top_5_interval[0] <= figures.top_5 <= figures.top_5_interval[1]


def test_above_a_thousand_classes_only_the_top_confusions_are_kept():
    rows = np.full((4, 1200), 1e-6)
    rows[:, 7] = 0.9
    figures = evaluate(blocks(rows), np.array([7, 3, 3, 1100]), k=1200, settings=SETTINGS, seed=0).agreement
    assert figures.confusion is None and figures.top_confusions == [(3, 7, 2), (1100, 7, 1)]


def test_blocks_equal_whole():
    labels = np.array([0, 1, 0, 1, 2])
    one, other = (as_json(evaluate(blocks(ROWS, size), labels, k=3, settings=SETTINGS, seed=0)) for size in (1, 5))
    assert one == other


BAD = {
    "label": ({"labels": np.array([0, 1, 3, 0, 0])}, r"labels must lie in -2\.\.2; row 2 has 3"),
    "truth": ({"truth": np.zeros(4, int)}, r"truth must be one a row, 5 in all; found shape \(4,\)"),
    "blocks": ({"rows": ROWS[:3]}, r"Predictions end after 3 rows, but there are 5 labels"),
    "classes": ({"rows": np.ones((5, 4))}, r"Predictions must be \(5, 3\); found a block \(2, 4\) at row 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    changes, message = BAD[name]
    given = {"labels": np.zeros(5, int), "rows": ROWS, "truth": None} | changes
    with pytest.raises(ReweighError, match=message):
        evaluate(blocks(given["rows"]), given["labels"], k=3, truth=given["truth"], settings=SETTINGS, seed=0)


@pytest.mark.parametrize(
    ("key", "value"), [("test_fraction", 0.0), ("test_fraction", 1.0), ("n_draws", 10), ("confidence", 1.0)]
)
def test_settings_out_of_range_name_their_path(key, value):
    with pytest.raises(ReweighError, match=f"evaluation.{key} must"):
        EvaluationSettings(**{key: value})


def test_the_mean_over_classes_of_top_5_by_hand() -> None:
    """Class 0 stands third and sixth of six, class 1 first: (1/2 + 1) / 2; over images 2/3."""
    ranked = np.array([[4, 5, 0, 1, 2, 3], [5, 4, 3, 2, 1, 0], [1, 0, 2, 3, 4, 5]])
    scores = np.empty((3, 6), np.float32)
    np.put_along_axis(scores, ranked, np.tile(-np.arange(6, dtype=np.float32), (3, 1)), 1)
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    figures = evaluate([log_p], np.array([0, 0, 1]), k=6, settings=EvaluationSettings(), seed=0).agreement
    assert figures is not None
    assert (figures.top_5, figures.class_averaged_top_5) == (pytest.approx(2 / 3), 0.75)
