"""Reasons: each clause."""

from __future__ import annotations

from typing import Any

import numpy as np

from reweigh.runs.reasons import UNREADABLE, Seen, reasons
from reweigh.verdicts.record import Confusions, LabelVerdicts

NAN = float("nan")


def said(**changes: Any) -> str:
    """The reason of one image of class cat, under these changes of its verdict and of what was seen."""
    one: dict[str, Any] = {
        "labels": 0, "wrong": False, "probability_right": 0.9, "suggested_label": -1, "probability_suggested": NAN, "also_plausible": -1,
        "none_of_the_classes": False, "review_order": 1, "label_probability": 0.8, "n_votes": 0, "n_same": 0, "nearest": -1, "nearest_label": -1,
        "nearest_similarity": 0.0, "is_contested": False, "copy_of": -1, "is_unreadable": False, "person": NAN,
    }  # fmt: skip
    arrays = {name: np.array([value]) for name, value in {**one, **changes}.items()}
    own = {name: arrays.pop(name) for name in Seen.__dataclass_fields__}
    verdicts = LabelVerdicts(
        **arrays, noise_rate=0.1, noise_rate_range=(0.0, 0.2), is_interval=False, class_noise=np.zeros(2), class_noise_ranges=np.zeros((2, 2)),
        confusions=Confusions(given=np.zeros(0, np.int32), truth=np.zeros(0, np.int32), expected=np.zeros(0), k=2), clearness=0.1,
        information=0.5, is_trusted=True,
    )  # fmt: skip
    return reasons(Seen(**own), verdicts, ("cat", "dog"), 0, 1)[0]


def test_each_clause() -> None:
    flagged = {"wrong": True, "suggested_label": 1, "probability_suggested": 0.93, "label_probability": 0.02}
    assert said() == "looks like its label, predicted with 0.80"
    assert said(label_probability=0.05).startswith("hardly looks like its label, predicted with 0.05")
    assert said(**flagged) == "looks like dog (0.93); its label, predicted with 0.02"
    assert said(**flagged, none_of_the_classes=True).endswith("; may show none of the classes")
    assert said(also_plausible=1).startswith("looks like its label, and like dog")
    assert said(n_votes=15, n_same=3).endswith("; 3 of 15 similar images have its label")
    assert said(is_contested=True).endswith("; the same image stands under another label too")
    assert said(nearest_similarity=0.99, nearest_label=1).endswith("; nearly the same image is labelled dog")
    assert "nearly" not in said(nearest_similarity=0.99, nearest_label=0)
    assert said(copy_of=4).endswith("; copy of an image judged once")
    assert said(is_unreadable=True) == UNREADABLE == "cannot be read"
    assert said(probability_right=NAN) == "not judged: nothing to compare with"
    assert said(person=0.0) == "a person called it wrong"
