"""The figures of detection.json as small tables: one for each set of images and kind of known answer."""

from __future__ import annotations

from typing import Any

from reweigh.runs.detection import OWN, RIVAL
from reweigh.runs.measured import KNOWN, Row, number, number_interval

HEADER: Row = ("", "verdicts", "95 %", "argmax != label", "95 %", "difference", "95 %")
SETS = {"training": "training images", "set_aside": "images set aside"}
FLAGS = {
    "precision": "precision",
    "recall": "recall (1 - miss rate)",
    "f1": "F1",
    "class_averaged_error": "class-averaged error",
}
RANKING = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "precision_at_rate": "precision at true rate",
}
FEW = 20


def detection_tables(quality: dict[str, Any]) -> list[tuple[str, list[Row]]]:
    """(title, rows) for each set and kind of answer, under HEADER."""
    return [
        (_title(name, kind, found), _rows(found))
        for name, answers in quality["sets"].items()
        for kind, found in answers.items()
    ]


def detection_notes(quality: dict[str, Any]) -> list[str]:
    """What a reader of the tables should know: rows left out, a rival that is missing, figures of few images."""
    notes = []
    if quality["n_left_out"]:
        notes.append(f"{quality['n_left_out']:,} images whose answer served as evidence are left out")
    for name, answers in quality["sets"].items():
        for kind, found in answers.items():
            place = f"{SETS[name]}, {KNOWN[kind]}"
            least = min(found["n_wrong"], found["n"] - found["n_wrong"])
            if least < FEW:
                which = "wrong" if found["n_wrong"] == least else "right"
                notes.append(f"{place}: only {least:,} {which} labels are known; the figures say little")
            silent = found["n"] - found["methods"][OWN]["n"]
            if silent:
                verb = "has" if silent == 1 else "have"
                notes.append(f"{place}: of {found['n']:,} images {silent:,} cannot be read and {verb} no verdict")
            if kind == "verified_label":
                notes.append(
                    f"{place}: the figures are of the checked images; they stand for all where these were drawn at random"
                )
        if not any(RIVAL in found["methods"] for found in answers.values()):
            notes.append(f"{SETS[name]}: no predictions of a classifier without weights are stored to compare with")
    return notes


def _title(name: str, kind: str, found: dict[str, Any]) -> str:
    none = f", {found['n_none_of_the_classes']:,} of none of the classes" if found["n_none_of_the_classes"] else ""
    return f"Wrong labels, {SETS[name]} against {KNOWN[kind]}: {found['n_wrong']:,} of {found['n']:,} are wrong{none}"


def _rows(found: dict[str, Any]) -> list[Row]:
    own, rival = found["methods"][OWN], found["methods"].get(RIVAL)
    gain = found["differences"].get(RIVAL)
    lines = [
        _counts("images", own, rival, "n"),
        _counts("flagged as wrong", own, rival, "n_flagged"),
        *(_flags(title, name, own, rival, gain) for name, title in FLAGS.items()),
        *(_ranking(title, name, own, rival) for name, title in RANKING.items()),
        _line("miss rate at true rate", own["miss_rate_at_rate"], rival and rival["miss_rate_at_rate"]),
        _probability(own),
        *_rates(own, rival),
        *_class_rates(own, rival),
        *_suggestions(own, rival),
        *_none(own),
    ]
    return [*lines, *(_kind(name, own, rival) for name in own["by_kind"])]


def _line(title: str, own: Any, rival: Any = None, difference: Any = None) -> Row:
    """A figure of both methods, each {"value", "interval"} or None."""
    return (title, *_pair(own), *_pair(rival), *(_pair(difference, sign="+") if difference else ("", "")))


def _pair(figure: dict[str, Any] | None, sign: str = "") -> tuple[str, str]:
    if figure is None or figure["value"] is None:
        return "-", "-"
    if not sign:
        return number(figure["value"]), number_interval(figure["interval"])
    return _signed(figure["value"]), _signed_interval(figure["interval"])


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _signed_interval(interval: list[float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}"


def _counts(title: str, own: dict[str, Any], rival: dict[str, Any] | None, name: str) -> Row:
    return (title, f"{own[name]:,}", "", "-" if rival is None else f"{rival[name]:,}", "", "", "")


def _flags(
    title: str, name: str, own: dict[str, Any], rival: dict[str, Any] | None, gain: dict[str, Any] | None
) -> Row:
    return _line(title, own["flags"][name], rival and rival["flags"][name], gain and gain[name])


def _ranking(title: str, name: str, own: dict[str, Any], rival: dict[str, Any] | None) -> Row:
    return _line(title, _of(own["ranking"], name), rival and _of(rival["ranking"], name))


def _of(figures: dict[str, Any], name: str) -> dict[str, Any]:
    return {"value": figures[name], "interval": figures[f"{name}_interval"]}


def _probability(own: dict[str, Any]) -> Row:
    figures = own["probability_right"]
    return _line("Brier score", figures and _of(figures, "brier"))


def _rates(own: dict[str, Any], rival: dict[str, Any] | None) -> list[Row]:
    rate, other = own["rate"], rival and rival["rate"]
    rows = [
        _line("true noise rate", rate["true"], other and other["true"]),
        _line("estimated, these images", _bare(rate["estimated"]), other and _bare(other["estimated"])),
        _error("- error of it", rate["error"], other and other["error"]),
    ]
    if own["stated_rate"]:
        stated = own["stated_rate"]
        rows += [
            _line("stated for all images", _bare(stated["estimated"])),
            _error("- error of it", stated["error"], None),
        ]
    return rows


def _bare(value: float | None) -> dict[str, Any]:
    return {"value": value, "interval": None}


def _error(title: str, own: dict[str, Any], rival: dict[str, Any] | None) -> Row:
    return (title, *_pair(own, sign="+"), *_pair(rival, sign="+"), "", "")


def _class_rates(own: dict[str, Any], rival: dict[str, Any] | None) -> list[Row]:
    rates, other = own["class_rates"], rival and rival["class_rates"]
    if not rates or not rates["n_classes"]:
        return []
    rows = [_line("mean error, class rates", rates["mean_absolute_error"], other and other["mean_absolute_error"])]
    if rates["n_ranges"]:
        rows.append(_line(f"ranges that hold ({rates['n_ranges']:,})", rates["ranges_that_hold"]))
    return rows


def _suggestions(own: dict[str, Any], rival: dict[str, Any] | None) -> list[Row]:
    found, other = own["suggestions"], rival and rival["suggestions"]
    rows = [_line("suggested label is right", found["right"], other and other["right"])]
    if found["n"] != found["n_of_the_classes"]:
        both = found["right_of_the_classes"], other and other["right_of_the_classes"]
        rows.append(_line("- where a class is right", *both))
    return rows


def _none(own: dict[str, Any]) -> list[Row]:
    found = own["none_of_the_classes"]
    if not found:
        return []
    rows = [_line("none of classes: found", found["recall"])] if found["n"] else []
    return [*rows, _line("right, yet marked none", found["right_so_marked"])]


def _kind(name: str, own: dict[str, Any], rival: dict[str, Any] | None) -> Row:
    found, other = own["by_kind"][name], rival and rival["by_kind"].get(name)
    return _line(f"found: {name.replace('_', ' ')} ({found['n_wrong']:,})", found["recall"], other and other["recall"])
