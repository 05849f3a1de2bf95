"""The sections on scores of images, gathered from the facts of a finished run: image-text matching, and the saliency in bags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reweigh.catalog.tables import Catalog, image_locations, read_labels, read_uids
from reweigh.report.weight_records import Histogram, ScoreBin, Scored, ScoredData

KNOWN_BY = {
    "classes": "each being a word of its own",
    "names": "known by parts of their names' words",
    "word_vectors": "known by word vectors",
    "sentences": "known by a sentence encoder",
}


def match_data(facts: dict[str, Any], catalog: Catalog, names: Sequence[str]) -> ScoredData | None:
    """What the section on image-text matching shows, from the facts of weights; None where no cosines were made."""
    factor = facts["factors"].get("image_text")
    if factor is None or factor.get("scores", {}).get("mean") is None:
        return None
    scores = factor["scores"]
    return ScoredData(
        said=said(factor),
        unit="cosines",
        histogram=Histogram(counts=np.array(scores["counts"], np.int64), low=-1.0, high=1.0, mean=scores["mean"]),
        bins=tuple(
            ScoreBin(name=f"Score {name}: {_images_said(one['n'])}", images=_images(one["examples"], catalog, names))
            for name, one in scores["bins"].items()
        ),
    )


def saliency_data(metrics: dict[str, Any], catalog: Catalog, names: Sequence[str]) -> ScoredData | None:
    """What the section on saliency shows, from metrics.json; None in a run without bags, or with equal shares."""
    training = metrics.get("training") or {}
    found = training.get("saliency")
    if found is None or training["bags"]["pooling"] == "mean":
        return None
    missing = f" {found['missing']:,} images were in no bag: they have no weight, or were not drawn."
    return ScoredData(
        said=(
            f"In training, {found['size']} images of one class were classified together too, each by a learnt share. The saliency is that share "
            f"beside an equal one, averaged over the last epochs: 1 is as much as its mates.{missing if found['missing'] else ''}"
        ),
        unit="images",
        histogram=Histogram(
            counts=np.array(found["counts"], np.int64), low=0.0, high=float(found["size"]), mean=found["mean"]
        ),
        bins=tuple(
            ScoreBin(name=f"{title} of {_images_said(found['n'])}", images=_images(found[key], catalog, names))
            for key, title in (("highest", "Highest"), ("lowest", "Lowest"))
        ),
    )


def said(facts: dict[str, Any]) -> str:
    """`... They learnt from 568 images, the first ranks of google, and from the labels, known by word vectors. ...`"""
    n = f"{facts['learnt_from']:,} images"
    whose = {
        "no ranks": f"{n} whose labels agree most with held-out predictions",
        "no source": f"{n}, the first ranks of those whose source is not known",
    }.get(facts["trusted"], f"{n}, the first ranks of {facts['trusted']}")
    missing = facts["labels_without_text"]
    unknown = (
        f" {missing:,} {'label has' if missing == 1 else 'labels have'} no known word, and their images no score."
        if missing
        else ""
    )
    use = (
        "A cosine is no probability: the weigher calibrates it before it is pooled."
        if facts["kind"] == "credibility"
        else "The weight is multiplied by the cosine as it is, by 0 where it is negative."
    )
    return (
        "Two small networks bring images and the texts of labels to one space; the score is the cosine between an image and its label's text. "
        f"They learnt from {whose}, and from the labels, {KNOWN_BY[facts['label_text']]}.{unknown} {use}"
    )


def _images_said(n: int) -> str:
    return f"{n:,} {'image' if n == 1 else 'images'}"


def _images(examples: list[list[float]], catalog: Catalog, names: Sequence[str]) -> tuple[Scored, ...]:
    rows = np.array([row for row, _ in examples], np.int64)
    labels = read_labels(catalog)[rows]
    return tuple(
        Scored(uid=uid, location=location, label=names[label], score=score)
        for uid, location, label, (_, score) in zip(
            read_uids(catalog, rows), image_locations(catalog, rows), labels.tolist(), examples, strict=True
        )
    )
