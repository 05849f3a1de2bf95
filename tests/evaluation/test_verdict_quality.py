"""Verdicts against the truth and against people: by hand, by kind, without evidence, beside a rival."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from reweigh.catalog.tables import Catalog, plain_classes, read_labels
from reweigh.catalog.writing import write_catalog
from reweigh.errors import ReweighError
from reweigh.evaluation.judgements import Judgement, known_answers
from reweigh.evaluation.settings import EvaluationSettings
from reweigh.evaluation.verdict_quality import VerdictQuality, verdict_quality, verdict_quality_as_json

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
    ("h", 1, 0, "near", None, None),  # cannot be read: no verdict
    ("i", 2, 0, "near", 0, None),
]  # fmt: skip
#                            a      b     c      d     e     f      g      h      i
FLAGGED = np.array([False, True, True, True, False, False, False, False, True])
RIGHT = np.array([0.9, 0.2, 0.4, 0.3, 0.8, 0.6, np.nan, np.nan, 0.1])
ORDER = np.array([7, 2, 4, 3, 6, 5, np.nan, np.nan, 1.0])
SUGGESTED = np.array([-1, 1, 0, 0, -1, -1, -1, -1, 1])
NONE = np.array([False, False, False, True, True, False, False, False, False])
OWN = Judgement(
    flagged=FLAGGED, ranking=ORDER, probability_right=RIGHT, suggested_label=SUGGESTED, none_of_the_classes=NONE,
    stated_rate=0.5, class_noise=np.array([0.5, 0.5, 1.0]), class_noise_ranges=np.full((3, 2), np.nan),
)  # fmt: skip
MARGIN = np.array([2.0, -1, 1, -0.5, -0.1, 1, np.nan, 0.4, 3])
PLAIN = Judgement(flagged=MARGIN < 0, ranking=MARGIN, suggested_label=np.where(MARGIN < 0, 0, -1))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return written(tmp_path_factory.mktemp("catalog"), with_truth=True)


def written(folder: Path, *, with_truth: bool) -> Catalog:
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
        known |= {"truth": pa.array(truth, pa.int32()), "kind": pa.array(kinds, pa.string())}
    return write_catalog(
        folder / "c", [pa.record_batch(known)], plain_classes(["x", "y", "z"]), layout="t", options={}, root=folder,
        with_truth=with_truth, with_kinds=with_truth,
    )  # fmt: skip


def measured(
    catalog: Catalog, *, left_out: np.ndarray | None = None, **methods: Judgement
) -> dict[str, VerdictQuality]:
    methods = methods or {"own": OWN, "plain": PLAIN}
    rows = np.arange(catalog.n)
    return verdict_quality(catalog, rows, read_labels(catalog), methods, left_out=left_out, settings=SETTINGS, seed=0)


def test_against_the_truth_by_hand(catalog: Catalog) -> None:
    # known and labelled: a right, b wrong, c right, d wrong (none of the classes), e right, h wrong (no verdict), i wrong
    found = measured(catalog)["truth"]
    assert (found.n, found.n_wrong, found.n_none_of_the_classes) == (7, 4, 1)
    assert found.kinds == {"near": 3, "out_of_set": 1}
    own = found.methods["own"]
    # with a verdict: a, b, c, d, e, i; flagged b, c, d, i: of them wrong b, d, i: precision 3/4, recall 3/3
    assert (own.n, own.n_wrong, own.n_flagged) == (6, 3, 4)
    assert (own.flags.precision.value, own.flags.recall.value) == (0.75, 1)
    # wrongly judged: class 0 none of a, b; class 1: c of c, d, e; class 2 none: 1/9
    assert own.flags.class_averaged_error.value == pytest.approx(1 / 9)
    assert own.by_class == {"n": [2, 3, 1], "n_wrong": [1, 1, 1], "n_judged_wrongly": [0, 1, 0]}
    # order i 1, b 2, d 3 before c, e, a
    assert own.ranking.auroc == 1 and own.miss_rate_at_rate.value == 0
    assert own.probability_right is not None
    assert own.probability_right.auroc == roc_auc_score([1, 0, 1, 0, 1, 0], RIGHT[[0, 1, 2, 3, 4, 8]])
    squares = 0.1**2 + 0.2**2 + 0.6**2 + 0.3**2 + 0.2**2 + 0.1**2
    assert own.probability_right.brier == pytest.approx(squares / 6)


def test_rates_by_hand(catalog: Catalog) -> None:
    own = measured(catalog)["truth"].methods["own"]
    # 1 - p: .1 + .8 + .6 + .7 + .2 + .9 = 3.3 of 6 against 3 of 6
    assert own.rate.estimated == pytest.approx(0.55) and own.rate.error.value == pytest.approx(0.05)
    assert own.stated_rate is not None and own.stated_rate.error.value == 0
    # .5 - 1/2, .5 - 1/3, 1 - 1
    assert own.class_rates is not None and own.class_rates.mean_absolute_error.value == pytest.approx(1 / 18)
    assert math.isnan(own.class_rates.ranges_that_hold.value)


def test_suggestions_and_none_of_the_classes_by_hand(catalog: Catalog) -> None:
    own = measured(catalog)["truth"].methods["own"]
    # flagged and wrong: b (1, right), d (none is right: cannot be), i (1, but 0 is right)
    assert (own.suggestions.n, own.suggestions.n_of_the_classes) == (3, 2)
    assert own.suggestions.right.value == pytest.approx(1 / 3)
    assert own.suggestions.right_of_the_classes.value == 0.5
    # d shows none and is marked; of the right a, c, e one is marked
    assert own.none_of_the_classes is not None
    assert (own.none_of_the_classes.n, own.none_of_the_classes.recall.value) == (1, 1)
    assert own.none_of_the_classes.right_so_marked.value == pytest.approx(1 / 3)


def test_kinds_by_hand(catalog: Catalog) -> None:
    kinds = measured(catalog)["truth"].methods["own"].by_kind
    assert {name: (found.n_wrong, found.recall.value, found.auroc) for name, found in kinds.items()} == {
        "near": (2, 1, 1),
        "out_of_set": (1, 1, 1),
    }
    kinds = measured(catalog)["truth"].methods["plain"].by_kind
    assert (kinds["near"].n_wrong, kinds["near"].recall.value) == (3, pytest.approx(1 / 3))  # h has a prediction
    # near -1, .4, 3 against the right 2, 1, -.1: 3 + 2 + 0 of 9
    assert kinds["near"].auroc == pytest.approx(5 / 9)


def test_the_rival_stands_beside_and_differences_are_of_the_rows_that_both_judge(catalog: Catalog) -> None:
    found = measured(catalog)["truth"]
    plain = found.methods["plain"]
    # judges h too: flagged b, d, e; wrong b, d, h, i: precision 2/3, recall 2/4
    assert (plain.n, plain.n_wrong, plain.n_flagged) == (7, 4, 3)
    assert (plain.flags.precision.value, plain.flags.recall.value) == (pytest.approx(2 / 3), 0.5)
    assert plain.rate.estimated == pytest.approx(3 / 7)  # the share of flagged rows
    assert plain.stated_rate is None and plain.none_of_the_classes is None and plain.probability_right is None
    # its class rates are shares of flagged rows, 1/2, 2/4, 0/1, against 1/2, 2/4, 1/1
    assert plain.class_rates is not None and plain.class_rates.mean_absolute_error.value == pytest.approx(1 / 3)
    # without h: recall 1 - 2/3, precision 3/4 - 2/3
    difference = found.differences["plain"]
    assert difference.recall.value == pytest.approx(1 / 3) and difference.precision.value == pytest.approx(1 / 12)


def test_against_people_by_hand(catalog: Catalog) -> None:
    # b wrong (1), c wrong (0), d wrong (no class named), e right, f wrong (none), i wrong (0)
    found = measured(catalog)["verified_label"]
    assert (found.n, found.n_wrong, found.n_none_of_the_classes) == (6, 5, 1)
    own = found.methods["own"]
    assert own.flags.recall.value == pytest.approx(4 / 5) and own.flags.precision.value == 1
    # b right, c right, i not; of d nobody said what it is
    assert (own.suggestions.n, own.suggestions.right.value) == (3, pytest.approx(2 / 3))
    assert own.none_of_the_classes is not None and own.none_of_the_classes.recall.value == 0
    assert own.none_of_the_classes.right_so_marked.value == 1


def test_answers_of_rows_in_any_order(catalog: Catalog) -> None:
    rows = np.array([4, 3, 1, 0])
    known = known_answers(catalog, rows, read_labels(catalog)[rows])["verified_label"]
    assert known.is_right.tolist() == [1, 0, 0, -1]
    assert known.classes.tolist() == [1, -2, 1, -2]  # called right: its label is the class


def test_rows_that_served_as_evidence_are_left_out(catalog: Catalog) -> None:
    found = measured(catalog, left_out=np.isin(np.arange(9), [1, 4]))
    assert (found["truth"].n, found["verified_label"].n) == (5, 4)
    assert measured(catalog, left_out=np.ones(9, bool)) == {}


def test_truth_comes_first_and_people_stand_alone_without_it(catalog: Catalog, tmp_path: Path) -> None:
    assert list(measured(catalog)) == ["truth", "verified_label"]
    found = measured(written(tmp_path, with_truth=False))
    assert list(found) == ["verified_label"] and found["verified_label"].kinds == {}


def test_without_rates_of_its_own_a_method_is_asked_for_none(catalog: Catalog) -> None:
    aside = replace(OWN, stated_rate=math.nan, class_noise=None, class_noise_ranges=None)
    own = measured(catalog, own=aside)["truth"].methods["own"]
    assert own.stated_rate is None and own.class_rates is None
    assert own.rate.estimated == pytest.approx(0.55)


def test_a_method_without_any_verdict_measures_nothing(catalog: Catalog) -> None:
    silent = replace(OWN, ranking=np.full(9, np.nan))
    found = measured(catalog, silent=silent, plain=PLAIN)["truth"]
    method = found.methods["silent"]
    assert (method.n, method.n_flagged) == (0, 0) and method.by_kind == {}
    assert math.isnan(method.flags.f1.value) and math.isnan(method.rate.estimated)
    assert math.isnan(found.differences["plain"].f1.value)


def test_json_holds_null_and_never_nan(catalog: Catalog) -> None:
    silent = replace(OWN, ranking=np.full(9, np.nan))
    found = verdict_quality_as_json(measured(catalog, own=OWN, plain=PLAIN, silent=silent))
    plain = json.loads(json.dumps(found, allow_nan=False))
    methods = plain["truth"]["methods"]
    assert methods["silent"]["flags"]["f1"] == {"value": None, "interval": None}
    assert methods["own"]["flags"]["precision"]["value"] == 0.75
    assert len(methods["own"]["flags"]["precision"]["interval"]) == 2
    assert methods["plain"]["none_of_the_classes"] is None


def test_arrays_of_another_length_are_named(catalog: Catalog) -> None:
    with pytest.raises(ReweighError, match=r"suggested_label of 'own' must be one a row, \(9,\); found \(3,\)"):
        measured(catalog, own=replace(OWN, suggested_label=np.zeros(3, np.int32)))
    with pytest.raises(ReweighError, match="found none"):
        verdict_quality(catalog, np.arange(9), read_labels(catalog), {}, settings=SETTINGS, seed=0)
