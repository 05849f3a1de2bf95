"""The first sentence of a run's page and its key figures: verdicts first, then how right the classifier is."""

from __future__ import annotations

from typing import Any

from reweigh.report.records import Card
from reweigh.runs.measured import AGAINST, interval, points, share, signed_interval
from reweigh.runs.page_results import comparisons


def headline(metrics: dict[str, Any], facts: dict[str, Any] | None) -> str:
    """How many labels are wrong, and how right the model is where that is known.

    facts: verdicts.json; None in a run of an earlier version, whose headline says how many labels agree.
    """
    agreement = metrics["held_out"]["agreement"]
    if agreement is None:
        return "No image has a label, so nothing could be compared."
    said = _agreement(agreement) if facts is None else _verdicts(facts)
    for figures in (metrics["test"] or {}).get("accuracy", {}).values():
        if figures["n"]:
            right = f"On {figures['n']:,} test images whose class is known, the classifier is right for {share(figures['top_1'])} %"
            return f"{said} {right}{_without_weights(metrics)}."
    return said


def _agreement(agreement: dict[str, Any]) -> str:
    return f"Of {agreement['n']:,} labels, {share(agreement['top_1'])} % agree with what a model that has not seen the image predicts."


def _verdicts(facts: dict[str, Any]) -> str:
    """The estimated rate and the flagged labels; a warning first where they are not to be trusted."""
    rate, n, n_none = facts["noise_rate"], facts["n"], facts["n_none_of_the_classes"]
    if rate is None:
        return f"How many of {n:,} labels are wrong cannot be told: the predictions cannot tell the classes apart."
    said = f"{_told(rate)} of {n:,} labels are estimated to be wrong; {facts['n_wrong']:,} are flagged"
    said += f", {n_none:,} may show none of the classes." if n_none else "."
    if facts["is_trusted"]:
        return said
    return f"Do not trust these verdicts: the predictions cannot tell the classes apart. {said}"


def _told(rate: float) -> str:
    return "Under 0.1 %" if rate < 0.0005 else f"{share(rate)} %"


def _without_weights(metrics: dict[str, Any]) -> str:
    """`, without weights for 81.4 %`, of the same images; nothing in a run without weights."""
    known = [f for f in (metrics.get("baseline") or {}).get("accuracy", {}).values() if f["n"]]
    return f", without weights for {share(known[0]['top_1'])} %" if known else ""


def cards(metrics: dict[str, Any], facts: dict[str, Any] | None) -> tuple[Card, ...]:
    """Of the verdicts, or of agreement where there are none; of the data, of the classifier, and of what could not be read."""
    data, agreement = metrics["data"], metrics["held_out"]["agreement"]
    found = [Card(value=f"{data['images']:,}", name="images", detail=f"{data['classes']:,} classes")]
    if facts is not None:
        found = [*_verdict_cards(facts), *found]
    elif agreement:
        detail = f"95 %: {interval(agreement['top_1_interval'])}"
        name = "of labels agree with held-out predictions"
        found.append(Card(value=f"{share(agreement['top_1'])} %", name=name, detail=detail))
    found += [*_test_card(metrics), *_gain_card(metrics)]
    if data["unreadable"]:
        name = "images could not be read"
        found.append(Card(value=f"{data['unreadable']:,}", name=name, detail="listed in the feature cache"))
    return tuple(found)


def _verdict_cards(facts: dict[str, Any]) -> list[Card]:
    """Rate with its range, flagged labels, images of none of the classes."""
    n, (low, high) = facts["n"], facts["noise_rate_range"]
    kind = "95 % interval" if facts["is_interval"] else "range"
    return [
        Card(
            value="–" if facts["noise_rate"] is None else _told(facts["noise_rate"]).replace("Under", "<"),
            name="of labels estimated to be wrong",
            detail="nothing can be told" if None in (low, high) else f"{kind}: {interval([low, high])} %",
        ),
        Card(value=f"{facts['n_wrong']:,}", name="labels flagged", detail=f"of {n:,} training images"),
        Card(value=f"{facts['n_none_of_the_classes']:,}", name="may show none of the classes", detail=f"of {n:,} training images"),
    ]  # fmt: skip


def _test_card(metrics: dict[str, Any]) -> list[Card]:
    """Accuracy where right answers are known, else agreement."""
    test = metrics["test"] or {"accuracy": {}, "agreement": None}
    known = [f for f in test["accuracy"].values() if f["n"]]
    if known:
        detail = f"95 %: {interval(known[0]['top_1_interval'])}, {known[0]['n']:,} checked"
        return [Card(value=f"{share(known[0]['top_1'])} %", name="test accuracy of the classifier", detail=detail)]
    if test["agreement"]:
        detail = f"95 %: {interval(test['agreement']['top_1_interval'])}, labels may be wrong"
        return [Card(value=f"{share(test['agreement']['top_1'])} %", name="test agreement of the classifier", detail=detail)]  # fmt: skip
    return []


def _gain_card(metrics: dict[str, Any]) -> list[Card]:
    """What weights change, in points of accuracy where right answers are known, else of agreement."""
    found = [one for one in comparisons(metrics) if one.measure == "top-1"]
    known = [one for one in found if one.against != AGAINST["agreement"]] or found
    if not known:
        return []
    one = known[0]
    held = None if one.gain_interval is None else list(one.gain_interval)
    name = f"points of test {one.against.split(',')[0]} by the weights"
    return [Card(value=points(one.gain).replace("-", "−"), name=name, detail=f"95 %: {signed_interval(held)}")]
