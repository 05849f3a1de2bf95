"""How well weights find wrong labels: against the truth and against people, by kind, without what served as evidence."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from reweigh.catalog.tables import Catalog, plain_classes, read_labels
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError
from reweigh.evaluation.settings import EvaluationSettings
from reweigh.evaluation.weight_quality import Quality, quality_as_json, weight_quality

SETTINGS = EvaluationSettings(n_draws=100)

#        label truth kind       verified_label verified
ROWS = [
    ("a", 0, 0, "right", None, None),
    ("b", 0, 1, "near", 1, False),
    ("c", 1, 1, "right", 0, False),  # the person errs
    ("d", 1, -1, "out_of_set", None, False),  # "wrong", but not what it is
    ("e", 1, 1, "right", None, True),
    ("f", 0, None, None, -1, None),  # the truth is not known; none of the classes
    ("g", -1, 0, "right", None, None),  # no label
    ("h", 1, 0, "near", None, None),
]  # fmt: skip
SCORES = np.array([0.9, 0.2, 0.6, 0.4, 0.8, 0.3, 0.5, np.nan])


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return written(tmp_path_factory.mktemp("catalog"), with_truth=True)


def written(folder: Path, *, with_truth: bool, with_kinds: bool = True) -> Catalog:
    uids, labels, truth, kinds, verified_label, verified = zip(*ROWS, strict=True)
    known = {
        "uid": list(uids),
        "split": ["train"] * len(ROWS),
        "file": list(uids),
        "label": pa.array(labels, pa.int32()),
        "verified_label": pa.array(verified_label, pa.int32()),
        "verified": pa.array(verified, pa.bool_()),
    }
    if with_truth:
        known["truth"] = pa.array(truth, pa.int32())
    if with_truth and with_kinds:
        known["kind"] = pa.array(kinds, pa.string())
    return write_catalog(
        folder / "c", [pa.record_batch(known)], plain_classes(["x", "y"]), layout="t", options={}, root=folder,
        with_truth=with_truth, with_kinds=with_truth and with_kinds,
    )  # fmt: skip


def measured(catalog: Catalog, values: dict[str, np.ndarray] | None = None, **options: np.ndarray) -> Quality:
    rows = np.arange(catalog.n)
    values = {"held_out": SCORES} if values is None else values
    return weight_quality(catalog, rows, read_labels(catalog), values, settings=SETTINGS, seed=0, **options)


def test_against_the_truth_by_hand(catalog: Catalog) -> None:
    # known and labelled: a right .9, b wrong .2, c right .6, d wrong .4, e right .8, h wrong (no opinion)
    found = measured(catalog).against["truth"]
    assert (found.n, found.n_wrong, found.kinds) == (6, 3, {"near": 2, "out_of_set": 1})
    score = found.scores["held_out"]
    assert (score.n_with_opinion, score.figures.n, score.figures.n_wrong, score.figures.auroc) == (5, 5, 2, 1)
    assert score.figures.brier == pytest.approx((0.01 + 0.04 + 0.16 + 0.16 + 0.04) / 5)
    assert {name: kind.n_wrong for name, kind in score.by_kind.items()} == {"near": 1, "out_of_set": 1}


def test_against_people_by_hand(catalog: Catalog) -> None:
    # b wrong .2, c wrong .6 (another class), d wrong .4 and e right .8 (no class named), f wrong .3 (none of the classes)
    found = measured(catalog).against["verified_label"]
    assert (found.n, found.n_wrong) == (5, 4)
    assert found.kinds == {"near": 1, "out_of_set": 1}  # c is right by its kind, f has none
    assert found.scores["held_out"].figures.auroc == 1


def test_the_truth_comes_first(catalog: Catalog) -> None:
    assert list(measured(catalog).against) == ["truth", "verified_label"]


def test_each_kind_stands_against_all_right_rows(catalog: Catalog) -> None:
    values = np.array([0.5, 0.7, 0.6, 0.1, 0.8, 0, 0, 0.55])
    found = measured(catalog, {"s": values}).against["truth"].scores["s"]
    assert found.by_kind["out_of_set"].auroc == 1
    # near: b .7 and h .55 against .5, .6, .8: .7 is beaten by .8, .55 by .6 and .8: 3 of 6 pairs
    assert found.by_kind["near"].auroc == pytest.approx(3 / 6)
    assert found.figures.auroc == pytest.approx(roc_auc_score([1, 0, 1, 0, 1, 0], values[[0, 1, 2, 3, 4, 7]]))


def test_rows_that_served_as_evidence_are_left_out(catalog: Catalog) -> None:
    left_out = np.isin(np.arange(8), [1, 4])
    found = measured(catalog, left_out=left_out)
    assert found.n_left_out == 2
    assert (found.against["truth"].n, found.against["verified_label"].n) == (4, 3)


def test_rows_of_a_part_keep_their_own_answers(catalog: Catalog) -> None:
    rows = np.array([7, 3, 0])
    labels = read_labels(catalog)[rows]
    values = {"s": np.array([0.1, 0.2, 0.9])}
    found = weight_quality(catalog, rows, labels, values, settings=SETTINGS, seed=0).against["truth"]
    assert (found.n, found.n_wrong, found.kinds) == (3, 2, {"near": 1, "out_of_set": 1})
    assert found.scores["s"].figures.auroc == 1


def test_without_truth_people_alone_are_asked_and_without_kinds_there_are_none(tmp_path: Path) -> None:
    found = measured(written(tmp_path / "people", with_truth=False))
    assert list(found.against) == ["verified_label"]
    found = measured(written(tmp_path / "no_kinds", with_truth=True, with_kinds=False))
    assert found.against["truth"].kinds == {} and found.against["truth"].scores["held_out"].by_kind == {}


def test_nothing_is_measured_where_nothing_is_known(catalog: Catalog) -> None:
    rows = np.array([6])
    found = weight_quality(catalog, rows, np.array([-1]), {"s": np.zeros(1)}, settings=SETTINGS, seed=0)
    assert found.against == {}
    assert quality_as_json(found) == {"n_left_out": 0, "against": {}}


def test_a_score_without_any_opinion_measures_nothing(catalog: Catalog) -> None:
    found = measured(catalog, {"silent": np.full(8, np.nan)}).against["truth"].scores["silent"]
    assert found.n_with_opinion == 0 and math.isnan(found.figures.auroc) and found.by_kind == {}


def test_json_holds_null_and_never_nan(catalog: Catalog) -> None:
    values = {"silent": np.full(8, np.nan), "weight": np.float32(10) * SCORES.astype(np.float32), "all": SCORES}
    plain = json.loads(json.dumps(quality_as_json(measured(catalog, values)), allow_nan=False))
    scores = plain["against"]["truth"]["scores"]
    assert scores["silent"]["figures"]["auroc"] is None and scores["silent"]["figures"]["auroc_interval"] is None
    assert scores["weight"]["figures"]["brier"] is None
    assert len(scores["all"]["figures"]["brier_interval"]) == 2
    assert scores["all"]["by_kind"]["near"]["n_wrong"] == 1


def test_a_score_of_another_shape_is_named(catalog: Catalog) -> None:
    with pytest.raises(ReweighError, match=r"'bad' must be one a row, \(8,\); found \(3,\)"):
        measured(catalog, {"bad": np.zeros(3)})
