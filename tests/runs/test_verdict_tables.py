"""The small tables of a check, from a verdicts.json written by hand."""

from __future__ import annotations

from typing import Any

from reweigh.runs.verdict_tables import class_lines, confusion_lines, overall_lines

NAMES = ("cat", "dog", "owl", "yak")
FACTS: dict[str, Any] = {
    "n": 880, "n_wrong": 88, "n_none_of_the_classes": 7, "noise_rate": 0.123, "noise_rate_range": [0.11, 0.135],
    "is_interval": False, "agreement": 0.84,
    "classes": {
        "n": [600, 380, 20, 0], "n_wrong": [60, 30, 9, 0], "noise": [0.1, 0.08, 0.45, None],
        "low": [0.09, 0.07, None, None], "high": [0.11, 0.1, None, None],
    },
    "confusions": [[0, 1, 40.2], [1, 0, 3.0], [2, 0, 0.4]],
    "judged": {"held_out": 880, "set_aside": 100, "copies": 10, "unreadable": 10},
    "notes": [],
}  # fmt: skip


def test_all_labels_are_counted_and_shares_are_of_the_training_images() -> None:
    """1,000 labels, 10 of them on unreadable images: 990 judged; 88 of the 880 for training flagged = 10.0 %."""
    lines = dict(overall_lines(FACTS))
    assert lines["labels judged"] == (
        "990 (880 held out, 100 outside of training, 10 as the copy of another); 10 images cannot be read"
    )
    assert lines["flagged as wrong"] == "88 of 880 for training (10.0 %)"
    assert lines["estimated wrong"] == "12.3 % (11.0-13.5 % over refits)"
    assert lines["show none of the classes"] == "7"


def test_a_range_from_checked_labels_is_called_an_interval() -> None:
    assert "95 % interval" in dict(overall_lines({**FACTS, "is_interval": True}))["estimated wrong"]


def test_a_rate_that_nobody_can_tell_is_left_out() -> None:
    facts = {**FACTS, "noise_rate": None, "noise_rate_range": [None, None], "agreement": None}
    lines = dict(overall_lines(facts))
    assert "estimated wrong" not in lines
    assert "flagged as wrong" in lines


def test_classes_too_small_for_a_range_come_after_the_others_and_empty_ones_not_at_all() -> None:
    assert class_lines(FACTS, NAMES) == [
        ("cat", "600", "60", "10.0 %", "9.0-11.0 %"),
        ("dog", "380", "30", "8.0 %", "7.0-10.0 %"),
        ("owl", "20", "9", "45.0 %", "-"),
    ]


def test_confusions_of_less_than_half_an_image_are_not_shown() -> None:
    assert confusion_lines(FACTS, NAMES) == [("cat", "dog", "40"), ("dog", "cat", "3")]
