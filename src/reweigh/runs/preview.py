"""A first look at 2,000 images before extraction that takes long: what is wrong shows early, or it was not worth starting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reweigh.catalog.tables import image_locations, read_classes, read_groups, read_labels
from reweigh.evidence.held_out import make_held_out
from reweigh.features.extraction import feature_key
from reweigh.features.networks import Backbone
from reweigh.features.speed import seconds_per_image
from reweigh.features.store import unreadable_rows
from reweigh.runs.steps import extract_rows
from reweigh.runs.work import Work

PREVIEW_SECONDS = 300.0
PREVIEW_IMAGES = 2_000
SPEED_IMAGES = 64


def preview(work: Work, backbone: Backbone, say: Callable[[str], None]) -> None:
    """Where extraction will take over five minutes and has not begun: look at a stratified sample and say what it shows."""
    catalog = work.catalog
    begun = (
        work.cache / feature_key(backbone, fingerprint=catalog.fingerprint, rows=None, images=work.recipe.images)
    ).exists()
    if begun or catalog.n <= PREVIEW_IMAGES:
        return
    seconds = catalog.n * measured_speed(work, backbone)
    if seconds <= PREVIEW_SECONDS:
        return
    say(
        f"extraction will take about {duration(seconds)}; first a look at {PREVIEW_IMAGES:,} images (--no-preview leaves it out)"
    )
    for line in first_look(work, backbone):
        say(f"preview: {line}")


def measured_speed(work: Work, backbone: Backbone) -> float:
    """Seconds an image, decoding included, from a short probe on images spread over the catalog."""
    rows = np.unique(np.linspace(0, work.catalog.n - 1, SPEED_IMAGES).astype(np.int64))
    return seconds_per_image(
        backbone, image_locations(work.catalog, rows), settings=work.recipe.features, images=work.recipe.images
    )


def first_look(work: Work, backbone: Backbone) -> list[str]:
    """What held-out predictions on the sample say: agreement, and the classes and pairs that disagree most."""
    recipe, catalog = work.recipe, work.catalog
    rows = stratified_sample(read_labels(catalog), work.splits.train, size=PREVIEW_IMAGES, seed=recipe.seed)
    key = feature_key(backbone, fingerprint=catalog.fingerprint, rows=rows, images=recipe.images)
    features = extract_rows(work, backbone, work.cache / key, rows)
    readable = np.setdiff1d(np.arange(len(rows)), unreadable_rows(features))
    labels = read_labels(catalog)[rows][readable]
    made = make_held_out(
        features, readable, labels, read_groups(catalog)[rows][readable], k=catalog.k, settings=recipe.evidence, probe=recipe.probe,
        seed=recipe.seed, progress=work.progress,
    )  # fmt: skip
    agrees = made.label_position == 0
    names = read_classes(catalog).names
    share = {c: float(agrees[labels == c].mean()) for c in np.unique(labels)}
    worst = sorted(share, key=lambda c: share[c])[:5]
    return [
        f"{agrees.mean():.1%} of {len(readable):,} labels agree with held-out predictions; {len(rows) - len(readable):,} images unreadable",
        "least agreement: " + ", ".join(f"{names[c]} {share[c]:.0%}" for c in worst),
    ]


def stratified_sample(labels: NDArray[np.int32], rows: NDArray[np.int64], *, size: int, seed: int) -> NDArray[np.int64]:
    """At most `size` of the labelled `rows`, as even over the classes as they allow, sorted; the same for the same seed."""
    labelled = rows[labels[rows] >= 0]
    shuffled = np.random.default_rng(np.random.SeedSequence([seed, 1])).permutation(labelled)
    order = np.argsort(labels[shuffled], kind="stable")
    sizes = np.bincount(labels[shuffled])
    turn = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # how many of its class stand before it
    return np.sort(shuffled[order][np.argsort(turn, kind="stable")[:size]])


def duration(seconds: float) -> str:
    """Seconds in the unit that a person would say."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
